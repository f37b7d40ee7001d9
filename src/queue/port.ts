import type { Job, Lane, WakeUp } from '../media/jobs.ts'
import type { Log } from '../media/log.ts'

/**
 * Carries wake-ups to workers, in two lanes.
 *
 * The driver promises: a sent wake-up is durable once `send` resolves, and is delivered at least once, to one receiver
 * at a time; a delivery neither acknowledged nor released comes again after a while (its visibility).
 * The caller promises: it acknowledges when the job is claimed or need not be, takes the next delivery only when it has
 * room for it, and never depends on order or on a wake-up coming once: the sweeper sends again what nobody claimed.
 *
 * Errors: `storage_full`, `unavailable`.
 */
export interface Queue {
  send(lane: Lane, wakeUp: WakeUp): Promise<void>
  /** Deliveries of one lane, one at a time, until `signal` aborts: then it ends without an error. */
  receive(lane: Lane, signal: AbortSignal): AsyncIterable<Delivery>
  /** Wake-ups not yet acknowledged, for operators and scaling. */
  depth(): Promise<Record<Lane, number>>
  /** Resolves when a wake-up would be accepted; for readiness. */
  ping(): Promise<void>
  close(): Promise<void>
}

export interface Delivery {
  wakeUp: WakeUp
  /** Done with it: it does not come again. */
  acknowledge(): Promise<void>
  /** Not done with it: another may take it at once. */
  release(): Promise<void>
}

/** Sends a committed job's wake-up. The commit is what counts: one that could not be sent is sent by the sweeper. */
export async function wake(queue: Queue, { job_id, lane }: Pick<Job, 'job_id' | 'lane'>, log: Log): Promise<void> {
  await queue.send(lane, { job_id }).catch((error) => log.warn({ job_id, error }, 'wake-up not sent; the sweeper will'))
}
