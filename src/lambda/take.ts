import type { WakeUp } from '../media/jobs.ts'
import type { Doing } from '../worker/run.ts'
import { performWithin } from '../worker/within.ts'

/**
 * Does what a wake-up asks for; resolves when it need not come again.
 * @throws what the metadata or the queue throw: then the job waits as it did, and the sweeper knows of it
 */
export async function takeWakeUp({ job_id }: WakeUp, doing: Doing, remaining: () => number): Promise<void> {
  const outcome = await performWithin(job_id, doing, remaining)
  doing.log.debug({ job_id, outcome }, 'wake-up taken')
  // For another function, at once: given back to its source it would come after the source's visibility, or never.
  if (outcome === 'no_time') await doing.queue.send('tasks', { job_id })
}
