import { randomBytes, randomUUID } from 'node:crypto'
import { setTimeout as sleepFor } from 'node:timers/promises'

/** Time, as everyone below `wiring.ts` is given it: the simulation hands out its own. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Resolves after `ms`; rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** Chance and names, as everyone below `wiring.ts` is given them. */
export interface Chance {
  /** 0 ≤ x < 1; for jitter, never for secrets. */
  random(): number
  /** A new `media_id`, request id or upload id: a UUID. */
  uuid(): string
  /** Unguessable bytes. */
  secret(bytes: number): Buffer
}

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal) => {
    await sleepFor(ms, undefined, signal ? { signal } : {}).catch((error) => {
      throw signal?.aborted ? signal.reason : error
    })
  },
}

export const systemChance: Chance = {
  random: () => Math.random(),
  uuid: () => randomUUID(),
  secret: (bytes) => randomBytes(bytes),
}

/** ISO 8601 with milliseconds. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}
