import type { Job, Lane, WakeUp } from '../media/jobs.ts'
import type { Log } from '../media/log.ts'
import type { MediaEvent } from '../media/record.ts'

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

/**
 * An ability: a topic on which other systems follow what happens to media.
 *
 * The driver promises: what `publish` has resolved is durable and in order per media. One caller at a time publishes.
 */
export interface EventTopic {
  /** The end of the topic now, to be given to `since` later. Opaque, at most 4 KiB. */
  mark(): Promise<string>
  /** Ids of the events published after a mark, by whomever: what a new publisher need not publish again. */
  since(mark: string): AsyncIterable<string>
  publish(events: readonly MediaEvent[]): Promise<void>
}

export function hasEventTopic<Q extends Queue>(queue: Q): queue is Q & { events: EventTopic } {
  return 'events' in queue
}

/** An ability: a place where operators and their alarms find jobs that nobody tries again. */
export interface DeadLetters {
  /** @param reason of one line, for whoever finds it */
  bury(wakeUp: WakeUp, reason: string): Promise<void>
}

export function hasDeadLetters<Q extends Queue>(queue: Q): queue is Q & { deadLetters: DeadLetters } {
  return 'deadLetters' in queue
}

/** Sends a committed job's wake-up. The commit is what counts: one that could not be sent is sent by the sweeper. */
export async function wake(queue: Queue, { job_id, lane }: Pick<Job, 'job_id' | 'lane'>, log: Log): Promise<void> {
  await queue.send(lane, { job_id }).catch((error) => log.warn({ job_id, error }, 'wake-up not sent; the sweeper will'))
}
