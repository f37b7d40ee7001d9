import type { Clock } from '../media/clock.ts'
import type { Log } from '../media/log.ts'
import type { RunningJob } from '../media/workers.ts'
import type { Metadata } from '../metadata/port.ts'

export interface PresenceOptions {
  metadata: Pick<Metadata, 'noteWorker'>
  clock: Clock
  log: Log
  worker_id: string
  /** Jobs it does at a time. */
  concurrency: number
  running(): RunningJob[]
}

/** Milliseconds between two signs of life, and after which silence is death. */
const beatEvery = 5_000
const heldForDead = 20_000
/** Jobs named in a sign of life, at most. */
const jobsNamed = 100

/** Tells operators that this worker lives and what it does; at the stop, that it is gone. */
export function startPresence(options: PresenceOptions): { stop(): Promise<void> } {
  const { metadata, clock, log, worker_id, concurrency, running } = options
  const stopped = new AbortController()
  const started_at = clock.now()

  async function note(life: number): Promise<void> {
    const now = clock.now()
    const jobs = running().slice(0, jobsNamed)
    await metadata
      .noteWorker({ worker_id, started_at, seen_at: now, expires_at: now + life, concurrency, jobs })
      .catch((error) => log.warn({ error }, 'operators cannot see that this worker lives'))
  }

  async function beat(): Promise<void> {
    while (!stopped.signal.aborted) {
      await note(heldForDead)
      await clock.sleep(beatEvery, stopped.signal).catch(() => {})
    }
  }

  const beating = beat()
  return {
    stop: async () => {
      stopped.abort()
      await beating
      await note(0)
    },
  }
}
