import { openInlineStore } from '../src/embedded/store.ts'
import { type Library, openLibrary } from '../src/library/library.ts'
import type { Chance } from '../src/media/clock.ts'
import { codeOf } from '../src/media/errors.ts'
import { type Log, silentLog } from '../src/media/log.ts'
import type { MediaRecord } from '../src/media/record.ts'
import { openEmbeddedMetadata } from '../src/metadata/embedded.ts'
import type { Metadata } from '../src/metadata/port.ts'
import { openEmbeddedQueue } from '../src/queue/embedded.ts'
import type { Queue } from '../src/queue/port.ts'
import { type Intake, openIntake } from '../src/uploads/intake.ts'
import { startSweeper } from '../src/worker/sweeper.ts'
import { startWorker } from '../src/worker/worker.ts'
import { openVirtualClock, seededRandom, type VirtualClock } from './clock.ts'
import { type FaultRates, type Host, noFaults, openHost } from './faults.ts'
import { type MemoryObjects, openMemoryObjects } from './objects.ts'
import { fates, openSimulatedProcessor } from './processor.ts'

/** The smallest picture that the door's sniffing takes for one. */
const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
const start = Date.parse('2026-01-01T00:00:00Z')
const minute = 60_000

/** What is left when the dust has settled: for the checks. */
export interface Aftermath {
  /** Uploads whose door said yes. */
  acknowledged: MediaRecord[]
  /** Media whose removal was acknowledged. */
  removed: Set<string>
  metadata: Metadata
  queue: Queue
  objects: MemoryObjects
  now: number
}

interface World {
  clock: VirtualClock
  random: () => number
  rates: FaultRates
  metadata: Metadata
  queue: Queue
  objects: MemoryObjects
  chance: Chance
  log: Log
}

/**
 * Uploads, workers, a sweeper and impatient users on engines that fail, lose answers and are slow, in processes that die:
 * some minutes of that, then calm until everything has come to its end. The same seed is the same history.
 */
export async function runScenario(seed: number, log: Log = silentLog): Promise<Aftermath> {
  const world = await openWorld(seed, log)
  const { clock, random } = world
  world.rates = {
    refused: random() * 0.08,
    lost: random() * 0.08,
    crash: random() * 0.004,
    freeze: random() * 0.004,
    delay: random() * 400,
  }
  const users = Promise.all([playUser(world), playUser(world)])
  const hosts = keepHosts(world)
  let over = false
  void users.then(() => {
    over = true
  })
  await clock.run({ until: start + 60 * minute, done: () => over })
  const [first, second] = await users

  world.rates = noFaults
  await settleDown(world)
  // The longest pauses: tidying after a day.
  clock.leap(25 * 60 * minute)
  await settleDown(world)
  hosts.stop()
  const { metadata, queue, objects } = world
  const acknowledged = [...first.acknowledged, ...second.acknowledged]
  const removed = new Set([...first.removed, ...second.removed])
  return { acknowledged, removed, metadata, queue, objects, now: clock.now() }
}

/** Calm until no job is due within the hour and no wake-up waits: at most as long as the longest pauses together take. */
async function settleDown({ clock, metadata, queue }: World): Promise<void> {
  for (let minutes = 0; minutes < 60; minutes++) {
    await clock.run({ until: clock.now() + minute })
    const jobs = await metadata.dueJobs(clock.now() + 60 * minute, 1)
    const waiting = await queue.depth()
    if (jobs.length + waiting.tasks + waiting['tasks-long'] === 0) return
  }
}

async function openWorld(seed: number, log: Log): Promise<World> {
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
    log,
  }
}

/** Two worker processes and a sweeper; one that died is started again after a while. */
function keepHosts(world: World): { stop: () => void } {
  const hosts: Host[] = []
  let stopped = false
  async function keep(index: number): Promise<void> {
    while (!stopped) {
      const host = startHost(world)
      hosts[index] = host
      while (host.alive() && !stopped) await world.clock.sleep(1_000)
      if (!stopped) await world.clock.sleep(world.random() * 20_000)
    }
  }
  void keep(0)
  void keep(1)
  return {
    stop: () => {
      stopped = true
      for (const host of hosts) host.kill()
    },
  }
}

function startHost(world: World): Host {
  const { clock, random, metadata, queue, objects, chance, log } = world
  const host = openHost(clock, random, () => world.rates)
  const ports = { metadata: host.reach(metadata), queue: host.reach(queue), objects: host.reach(objects) }
  const shared = { ...ports, clock: host.clock, chance, log, processedBucket: 'processed' }
  const processor = openSimulatedProcessor(ports.objects, host, random)
  startWorker({ ...shared, processor, concurrency: 2, leaseSeconds: 30, maxAttempts: 5, stopSeconds: 10 })
  startSweeper({ ...shared, tempBucket: 'temp', tempDays: 7 })
  return host
}

interface Played {
  acknowledged: MediaRecord[]
  removed: string[]
}

/** Uploads, renames, retries and removes for some minutes, in an API process that may die under each request. */
async function playUser(world: World): Promise<Played> {
  const { clock, random } = world
  const played: Played = { acknowledged: [], removed: [] }
  const actions = 4 + Math.floor(random() * 10)
  for (let action = 0; action < actions; action++) {
    await clock.sleep(random() * 30_000)
    const host = openHost(clock, random, () => world.rates)
    const door = openDoor(world, host)
    const request = random() < 0.6 ? upload(world, door, played) : change(world, door, played)
    // A request in a process that died is never answered: the caller goes on after a while.
    await Promise.race([
      request.catch((error) => world.log.debug({ code: codeOf(error) }, 'refused')),
      clock.sleep(minute),
    ])
  }
  return played
}

interface Door {
  intake: Intake
  library: Library
}

function openDoor({ metadata, queue, objects, chance, log }: World, host: Host): Door {
  const ports = { metadata: host.reach(metadata), queue: host.reach(queue), objects: host.reach(objects) }
  const shared = { ...ports, clock: host.clock, chance, log }
  return { intake: openIntake({ ...shared, tempBucket: 'temp', formLimit: 1_000_000 }), library: openLibrary(shared) }
}

async function upload({ random }: World, { intake }: Door, played: Played): Promise<void> {
  const fate = fates[Math.floor(random() * fates.length)] ?? 'fine'
  const signal = new AbortController().signal
  const received = await intake.receive({
    user_id: 'ada',
    filename: 'a.png',
    source: once(png),
    limit: 1_000_000,
    signal,
  })
  played.acknowledged.push(await intake.accept(received, { title: `${fate} ${played.acknowledged.length}` }))
}

async function change({ random }: World, { library }: Door, played: Played): Promise<void> {
  const target = played.acknowledged[Math.floor(random() * played.acknowledged.length)]
  if (!target) return
  const { media_id, user_id } = target
  const choice = random()
  if (choice < 0.3) await library.rename(user_id, media_id, `${target.title} renamed`)
  else if (choice < 0.6) await library.retry(user_id, media_id)
  else {
    await library.remove(user_id, media_id)
    played.removed.push(media_id)
  }
}

async function* once(bytes: Buffer): AsyncIterable<Uint8Array> {
  yield bytes
}

function uuidOf(random: () => number): string {
  const hex = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16)).join('')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`
}
