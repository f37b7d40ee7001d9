import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Admission, freeAdmission } from '../src/media/admission.ts'
import { isoTime } from '../src/media/clock.ts'
import { jobIdOf, type Lane, newJob } from '../src/media/jobs.ts'
import { silentLog } from '../src/media/log.ts'
import { newRecord } from '../src/media/record.ts'
import { wake } from '../src/queue/port.ts'
import { openAdmission } from '../src/quotas/admission.ts'
import { startSweeper } from '../src/worker/sweeper.ts'
import { startWorker } from '../src/worker/worker.ts'
import { seededRandom } from './clock.ts'
import { processedAs } from './processor.ts'
import { openWorld, start, type World } from './world.ts'

/** `FAIRNESS_SEEDS=100` runs that many. */
const seeds = Array.from({ length: Number(process.env.FAIRNESS_SEEDS ?? 4) }, (_, index) => index + 1)
const hour = 3_600_000

interface Scene {
  world: World
  admission: Admission
  length: number
  lane: Lane
}

/** A door, for whom nothing counts but its last step: the commit under the user's share. */
async function upload({ world, admission, lane }: Scene, user_id: string): Promise<string> {
  const { metadata, queue, chance, clock } = world
  const media_id = chance.uuid()
  const job_id = jobIdOf(media_id, 'process')
  await admission.admit(user_id, async (held) => {
    const now = clock.now()
    const upload_time = isoTime(now)
    await metadata.commit({
      media_id,
      expect: { absent: true },
      create: newRecord({ media_id, user_id, title: 'x', media_type: 'video', upload_time, status: 'uploaded' }),
      jobs: [{ create: newJob({ media_id, user_id, kind: 'process', lane, now, held }) }],
      events: [{ type: 'media.uploaded', at: upload_time }],
    })
    if (!held) await wake(queue, { job_id, lane }, silentLog)
  })
  return media_id
}

/** Milliseconds from its upload until it is begun, and until it is done; null for what has not come. */
async function waitsOf({ metadata }: World, media_id: string) {
  const events = await metadata.timeline(media_id, 0, 10)
  const at = (type: string) => Date.parse(events.find((event) => event.type === type)?.at ?? '')
  const uploaded = at('media.uploaded')
  return { begun: at('media.processing') - uploaded, done: at('media.processed') - uploaded }
}

async function openScene(
  seed: number,
  shared: boolean,
): Promise<Scene & { concurrency: number; stop(): Promise<void> }> {
  const random = seededRandom(seed * 7_919)
  const world = await openWorld(seed, silentLog)
  const { clock, log } = world
  const concurrency = 1 + Math.floor(random() * 4)
  const length = 1_000 + Math.floor(random() * 120_000)
  const lane: Lane = random() < 0.5 ? 'tasks' : 'tasks-long'
  const admission = shared ? openAdmission({ ...world, jobs: null, concurrency }) : freeAdmission
  const processor = {
    process: async () => {
      await clock.sleep(length)
      return processedAs('s3://processed/x/v1/a', null)
    },
  }
  const given = { ...world, admission, log, processedBucket: 'processed' }
  const times = { leaseSeconds: 30, maxAttempts: 5, stopSeconds: 0 }
  const worker = startWorker({ ...given, ...times, processor, concurrency })
  const sweeper = startSweeper({ ...given, tempBucket: 'temp', tempDays: 7 })
  const stop = async () => {
    const stopped = Promise.all([worker.stop(), sweeper.stop()])
    await clock.run({ until: clock.now() + hour })
    await stopped
  }
  return { world, admission, length, lane, concurrency, stop }
}

async function delayBehind(jobs: number, seed: number, shared: boolean): Promise<{ times: number; words: string }> {
  const scene = await openScene(seed, shared)
  const { world, length, lane, concurrency } = scene
  const { clock } = world
  let modest: string | undefined
  const came = (async () => {
    await Promise.all(Array.from({ length: jobs }, () => upload(scene, 'greedy')))
    await clock.sleep(world.random() * 2 * length)
    modest = await upload(scene, 'modest')
  })()
  let over = false
  const watching = (async () => {
    await came
    while (Number.isNaN((await waitsOf(world, modest ?? '')).begun)) await clock.sleep(length / 20)
    over = true
  })()
  await clock.run({ until: start + 10_000 * hour, done: () => over })
  await watching
  const { begun } = await waitsOf(world, modest ?? '')
  await scene.stop()
  return { times: begun / length, words: `${lane}, ${concurrency} at a time, ${length} ms each: waited ${begun} ms` }
}

describe('fairness', () => {
  for (const seed of seeds) {
    test(`seed ${seed}: 2 000 jobs of one delay the single equal job of another by at most three times its length`, async () => {
      const { times, words } = await delayBehind(2_000, seed, true)
      assert.ok(times <= 3.01, words)
    })
  }

  test('without shares the same job waits behind all of them', async () => {
    const { times, words } = await delayBehind(200, 1, false)
    assert.ok(times > 20, words)
  })

  test('one user alone has all workers, and his jobs are begun in their order', async () => {
    const scene = await openScene(3, true)
    const { world, length, lane, concurrency } = scene
    const made: string[] = []
    const uploading = (async () => {
      for (let index = 0; index < 60; index++) {
        made.push(await upload(scene, 'greedy'))
        await world.clock.sleep(1)
      }
    })()
    const width = lane === 'tasks' ? concurrency : Math.ceil(concurrency / 2)
    const ideal = (60 / width) * length
    await world.clock.run({ until: start + ideal + 2 * length })
    await uploading
    const waits = await Promise.all(made.map((media_id) => waitsOf(world, media_id)))
    assert.deepEqual(await world.metadata.countJobs(), { held: 0, queued: 0, running: 0, done: 60, parked: 0 })
    const begun = waits.map((one) => one.begun)
    for (const [index, wait] of begun.entries()) {
      assert.ok(index < 8 || wait >= (begun[index - 8] ?? 0), `${index} began after ${wait} ms`)
    }
    await scene.stop()
  })
})
