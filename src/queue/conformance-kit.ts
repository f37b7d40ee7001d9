import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { systemChance } from '../media/clock.ts'
import type { Lane } from '../media/jobs.ts'
import type { Delivery, Queue } from './port.ts'

/** What the suite in `conformance.ts` speaks of. */

export function someJobs(count: number): string[] {
  return Array.from({ length: count }, () => `${systemChance.uuid()}.process`)
}

/** Acknowledges all that comes until each of `wanted` has; strangers, of other tests, are passed to nobody. */
export async function receiveAll(
  queue: Queue,
  lane: Lane,
  wanted: readonly string[],
  onEach: (job_id: string) => void = () => {},
  together: readonly Set<string>[] = [],
): Promise<string[]> {
  const stop = new AbortController()
  const found = new Set<string>()
  const until = (job_id: string) => {
    if (wanted.includes(job_id)) {
      onEach(job_id)
      found.add(job_id)
    }
    return found.size === wanted.length
  }
  const shared = together.length > 0 ? pollUntil(() => sizeOf(together) >= wanted.length, stop) : null
  if (wanted.length > 0) await collect(queue, lane, { until, signal: stop.signal })
  stop.abort()
  await shared
  return [...found].toSorted()
}

function sizeOf(shares: readonly Set<string>[]): number {
  return shares.reduce((sum, share) => sum + share.size, 0)
}

/** Stops a receiver when it and its fellows together have all. */
async function pollUntil(done: () => boolean, stop: AbortController): Promise<void> {
  while (!done() && !stop.signal.aborted) await pause(5)
  stop.abort()
}

export async function collect(
  queue: Queue,
  lane: Lane,
  options: { until: (job_id: string) => boolean; signal: AbortSignal; limit?: number },
): Promise<string[]> {
  const { until, signal, limit = Number.POSITIVE_INFINITY } = options
  const seen: string[] = []
  for await (const delivery of queue.receive(lane, signal)) {
    await delivery.acknowledge()
    seen.push(delivery.wakeUp.job_id)
    if (until(delivery.wakeUp.job_id) || seen.length >= limit) break
  }
  return seen
}

export async function nextOf(deliveries: AsyncIterator<Delivery>, job_id: string): Promise<Delivery> {
  for (;;) {
    const next = await deliveries.next()
    assert.ok(!next.done, 'the receiver ended')
    if (next.value.wakeUp.job_id === job_id) return next.value
    await next.value.acknowledge()
  }
}

/** `depth` may lag: until the check passes, or at last its own error. */
export async function eventually(check: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await check()
    } catch (error) {
      if (tries === 200) throw error
      await pause(50)
    }
  }
}

/** What a lagging figure settles at: the first that is the same some moments later. */
export async function steady<T>(read: () => Promise<T>): Promise<T> {
  for (let before = await read(); ; ) {
    await pause(600)
    const now = await read()
    if (isDeepStrictEqual(now, before)) return now
    before = now
  }
}
