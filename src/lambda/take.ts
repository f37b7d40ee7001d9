import type { WakeUp } from '../media/jobs.ts'
import type { Doing } from '../worker/run.ts'
import { performWithin } from '../worker/within.ts'

/** Does what a wake-up asks for. @throws what the metadata or the queue throw: then the job waits as it did, and the sweeper knows of it */
export type TakeWakeUp = (wakeUp: WakeUp) => Promise<void>

/** The wake-ups of one invocation, one after another. @param remaining milliseconds until the function is cut off */
export function openBatch(doing: Doing, remaining: () => number): TakeWakeUp {
  let begun = false
  return async ({ job_id }) => {
    const outcome = await performWithin(job_id, doing, remaining)
    doing.log.debug({ job_id, outcome }, 'wake-up taken')
    if (outcome !== 'no_time') {
      begun = true
      return
    }
    // For another function, at once: given back to its source it would come after the source's visibility, or never.
    if (begun) return await doing.queue.send('tasks', { job_id })
    // Sent on by a function that never has time enough, it would go round and round.
    const leftMs = remaining()
    doing.log.error({ job_id, leftMs }, 'a fresh function has too little time for any job: give it at least a minute')
  }
}
