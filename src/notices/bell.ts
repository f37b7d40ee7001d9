import type { Clock } from '../media/clock.ts'

/** Wakes one who waits for something that comes now and then. */
export interface Bell {
  ring(): void
  /** Resolves when it has rung since the last wait, after `ms` at the latest, or when aborted. */
  wait(ms: number, signal: AbortSignal): Promise<void>
}

export function openBell(clock: Clock): Bell {
  let rung = false
  let waiting: AbortController | null = null
  return {
    ring: () => {
      rung = true
      waiting?.abort()
    },
    wait: async (ms, signal) => {
      if (!rung && !signal.aborted) {
        waiting = new AbortController()
        await clock.sleep(ms, AbortSignal.any([signal, waiting.signal])).catch(() => {})
        waiting = null
      }
      rung = false
    },
  }
}
