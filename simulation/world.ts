import { openInlineStore } from '../src/embedded/store.ts'
import type { Chance } from '../src/media/clock.ts'
import type { Log } from '../src/media/log.ts'
import { openEmbeddedMetadata } from '../src/metadata/embedded.ts'
import type { Metadata } from '../src/metadata/port.ts'
import { openEmbeddedQueue } from '../src/queue/embedded.ts'
import type { Queue } from '../src/queue/port.ts'
import { openVirtualClock, seededRandom, type VirtualClock } from './clock.ts'
import { type FaultRates, noFaults } from './faults.ts'
import { type MemoryObjects, openMemoryObjects } from './objects.ts'

/** When it begins. */
export const start = Date.parse('2026-01-01T00:00:00Z')

/** What everybody in a scenario shares: engines, time, chance, and how much goes wrong. */
export interface World {
  clock: VirtualClock
  random: () => number
  rates: FaultRates
  metadata: Metadata
  queue: Queue
  objects: MemoryObjects
  chance: Chance
  /** Jobs of one user in flight. */
  jobs: number
  /** How long an upload in parts may take. */
  expirySeconds: number
  log: Log
}

export async function openWorld(seed: number, log: Log): Promise<World> {
  const random = seededRandom(seed)
  const clock = openVirtualClock(start, random)
  const store = await openInlineStore()
  const chance = {
    random,
    uuid: () => uuidOf(random),
    secret: (bytes: number) => Buffer.from(Array.from({ length: bytes }, () => Math.floor(random() * 256))),
  }
  return {
    clock,
    random,
    rates: noFaults,
    metadata: openEmbeddedMetadata(store),
    queue: openEmbeddedQueue(store, { clock }),
    objects: openMemoryObjects(clock),
    chance,
    jobs: 1 + Math.floor(random() * 4),
    expirySeconds: Math.ceil(30 + random() * 1_200),
    log,
  }
}

function uuidOf(random: () => number): string {
  const hex = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16)).join('')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`
}
