import { type Log, silentLog } from '../src/media/log.ts'
import type { MediaRecord } from '../src/media/record.ts'
import { openAdmission } from '../src/quotas/admission.ts'
import { startSweeper } from '../src/worker/sweeper.ts'
import { startWorker } from '../src/worker/worker.ts'
import { type Host, noFaults, openHost } from './faults.ts'
import { playUser } from './players.ts'
import { openSimulatedProcessor } from './processor.ts'
import { openWorld, start, type World } from './world.ts'

const minute = 60_000

/** What is left when the dust has settled: for the checks. */
export interface Aftermath {
  /** Uploads whose door said yes. */
  acknowledged: MediaRecord[]
  /** Media whose removal was acknowledged. */
  removed: Set<string>
  /** Uploads in parts that were begun, whatever became of them. */
  begun: MediaRecord[]
  /** Uploads that were said not to be there while they were. */
  denied: string[]
  metadata: World['metadata']
  queue: World['queue']
  objects: World['objects']
  now: number
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
  await clock.run({ until: start + 600 * minute, done: () => over })
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
  const begun = [...first.begun, ...second.begun]
  const denied = [...first.denied, ...second.denied]
  return { acknowledged, removed, begun, denied, metadata, queue, objects, now: clock.now() }
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
  const { clock, random, metadata, queue, objects, chance, log, jobs } = world
  const host = openHost(clock, random, () => world.rates)
  const ports = { metadata: host.reach(metadata), queue: host.reach(queue), objects: host.reach(objects) }
  const admission = openAdmission({ ...ports, clock: host.clock, log, jobs, concurrency: 2 })
  const shared = { ...ports, admission, clock: host.clock, chance, log, processedBucket: 'processed' }
  const processor = openSimulatedProcessor(ports.objects, host, random)
  startWorker({ ...shared, processor, concurrency: 2, leaseSeconds: 30, maxAttempts: 5, stopSeconds: 10 })
  startSweeper({ ...shared, tempBucket: 'temp', tempDays: 7 })
  return host
}
