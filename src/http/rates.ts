import type { Clock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import type { App } from './deps.ts'

/** What a user has left of his requests; it fills as time goes by. */
interface Bucket {
  left: number
  at: number
}

/** Users remembered; beyond that those who have all their requests again are forgotten. */
const remembered = 10_000
const minute = 60_000

/**
 * Holds each user to so many requests a minute, in this process: a burst of as many, and then as they come back.
 * To be called after the hook that says who it is.
 */
export function limitRates(app: App, { perMinute, clock }: { perMinute: number; clock: Clock }): void {
  const buckets = new Map<string, Bucket>()
  const perMs = perMinute / minute

  function take(user_id: string): number {
    const now = clock.now()
    const { left, at } = buckets.get(user_id) ?? { left: perMinute, at: now }
    const filled = Math.min(perMinute, left + (now - at) * perMs)
    const wait = filled >= 1 ? 0 : (1 - filled) / perMs
    buckets.delete(user_id)
    buckets.set(user_id, { left: wait > 0 ? filled : filled - 1, at: now })
    if (buckets.size > remembered) forget(now)
    return wait
  }

  /** The longest silent first; whoever is not full yet is forgotten only when there are too many of them. */
  function forget(now: number): void {
    for (const [user_id, { left, at }] of buckets) {
      if (buckets.size <= remembered && left + (now - at) * perMs < perMinute) return
      buckets.delete(user_id)
    }
  }

  app.addHook('onRequest', async ({ caller: { user_id } }) => {
    const wait = take(user_id)
    if (wait === 0) return
    throw new MediaError('slow_down', `${user_id} asks more than ${perMinute} times a minute`, {
      detail: `You may ask ${perMinute} times a minute. Retry-After says when the next is answered.`,
      retryAfter: Math.ceil(wait / 1_000),
    })
  })
}
