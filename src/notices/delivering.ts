import { type Delivery, deliveryIdOf } from '../media/deliveries.ts'
import type { MediaEvent } from '../media/record.ts'
import type { Answer } from './post.ts'

/** How long a delivery can be looked up, and sent again. Milliseconds. */
export const keptFor = 14 * 86_400_000
/** A try that nobody has ended by then was cut off with its process. Longer than a try may take, its reads and writes included. */
export const tryLease = 30_000
const day = 86_400_000

export function newDelivery(event: MediaEvent, endpoint_id: string, now: number): Delivery {
  const { event_id, media_id, user_id, seq, type, at } = event
  return {
    ...{ delivery_id: deliveryIdOf(event_id, endpoint_id), endpoint_id, event_id, media_id, user_id, seq, type, at },
    ...{ state: 'waiting', due_at: now, token: 0, attempts: 0, tried_since: null, last_status: null, last_error: null },
    ...{ created_at: now, replayed_at: null, ended_at: null, expires_at: now + keptFor },
  }
}

export function taken(delivery: Delivery, now: number): Delivery {
  const { token, attempts, tried_since } = delivery
  return {
    ...delivery,
    token: token + 1,
    attempts: attempts + 1,
    tried_since: tried_since ?? now,
    due_at: now + tryLease,
  }
}

export function replayed(delivery: Delivery, now: number): Delivery {
  const { token } = delivery
  const again = { state: 'waiting', due_at: now, attempts: 0, tried_since: null, ended_at: null } as const
  return { ...delivery, ...again, token: token + 1, replayed_at: now, expires_at: now + keptFor }
}

export function ended(delivery: Delivery, state: 'delivered' | 'failed', now: number): Delivery {
  return { ...delivery, state, ended_at: now }
}

/** A try that was cut off by us does not count. */
export function handedBack(delivery: Delivery, now: number): Delivery {
  const { attempts, tried_since } = delivery
  return { ...delivery, attempts: attempts - 1, tried_since: attempts === 1 ? null : tried_since, due_at: now }
}

/** What becomes of a delivery after a try. @param schedule seconds between tries */
export function afterTry(
  delivery: Delivery,
  { status, error, retryAfter }: Answer,
  { now, random, schedule }: { now: number; random: number; schedule: readonly number[] },
): Delivery {
  const tried = { ...delivery, last_status: status, last_error: error }
  if (error === null) return ended(tried, 'delivered', now)
  const pause = schedule[delivery.attempts - 1]
  if (status === 410 || pause === undefined) return ended(tried, 'failed', now)
  const asked = isBusy(status) ? readRetryAfter(retryAfter, now) : 0
  return { ...tried, due_at: Math.round(now + Math.max(pause * 1_000 * (1 + random / 10), asked)) }
}

/** Statuses with which a receiver asks for less. */
export function isBusy(status: number | null): boolean {
  return status === 429 || status === 503
}

/** RFC 9110, 10.2.3: seconds or a date. In milliseconds, at most a day; 0 for none, or for words. */
export function readRetryAfter(value: string | null, now: number): number {
  if (value === null) return 0
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - now
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), day) : 0
}
