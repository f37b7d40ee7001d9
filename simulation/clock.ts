import { setImmediate as turn } from 'node:timers/promises'
import type { Clock } from '../src/media/clock.ts'

export interface VirtualClock extends Clock {
  /** Runs timers in the order of time until nothing sleeps, `until` has come, or `done` says so. */
  run(options: { until: number; done?: () => boolean }): Promise<void>
  /** Steps over `ms` in which nothing happens. */
  leap(ms: number): void
}

interface Timer {
  at: number
  order: number
  wake: () => void
}

/** A clock that only moves when nobody has anything left to do: days pass in milliseconds, and always alike. */
export function openVirtualClock(start: number, random: () => number): VirtualClock {
  let now = start
  const timers: Timer[] = []

  function sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      // Those who sleep until the same moment wake in an order that the seed decides.
      const timer = { at: now + Math.max(0, ms), order: random(), wake: finish }
      function finish(): void {
        signal?.removeEventListener('abort', cancel)
        resolve()
      }
      function cancel(): void {
        timers.splice(timers.indexOf(timer), 1)
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', cancel, { once: true })
      timers.push(timer)
    })
  }

  function next(): Timer | undefined {
    return timers.reduce<Timer | undefined>((first, timer) => {
      if (!first || timer.at < first.at || (timer.at === first.at && timer.order < first.order)) return timer
      return first
    }, undefined)
  }

  return {
    now: () => now,
    sleep,
    leap: (ms) => {
      now += ms
    },
    run: async ({ until, done = () => false }) => {
      for (;;) {
        // One turn of the event loop: all promises that can settle have settled.
        await turn()
        const timer = next()
        if (done() || !timer || timer.at > until) return
        timers.splice(timers.indexOf(timer), 1)
        now = Math.max(now, timer.at)
        timer.wake()
      }
    },
  }
}

/** Mulberry32: a small generator whose whole state is its seed. 0 ≤ x < 1. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
