import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Admission, freeAdmission } from '../src/media/admission.ts'
import { isoTime } from '../src/media/clock.ts'
import { jobIdOf, type Lane, newJob } from '../src/media/jobs.ts'
import { silentLog } from '../src/media/log.ts'
import { newRecord } from '../src/media/record.ts'
import type { SegmentProcessor } from '../src/processing/process.ts'
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
/** Of a film that is long. */
const filmSegments = 60

interface Scene {
  world: World
  admission: Admission
  length: number
  lane: Lane
}

/** A door, for whom nothing counts but its last step: the commit under the user's share. */
async function upload({ world, admission, lane }: Scene, user_id: string, title = 'x'): Promise<string> {
  const { metadata, queue, chance, clock } = world
  const media_id = chance.uuid()
  const job_id = jobIdOf(media_id, 'process')
  await admission.admit(user_id, async (held) => {
    const now = clock.now()
    const upload_time = isoTime(now)
    await metadata.commit({
      media_id,
      expect: { absent: true },
      create: newRecord({ media_id, user_id, title, media_type: 'video', upload_time, status: 'uploaded' }),
      jobs: [{ create: newJob({ media_id, user_id, kind: 'process', lane, now, held }) }],
      events: [{ type: 'media.uploaded', at: upload_time }],
    })
    if (!held) await wake(queue, { job_id, lane }, silentLog)
  })
  return media_id
}

/** Milliseconds from its upload until it is begun, and until it is done; null for what has not come. */
async function waitsOf({ metadata }: World, media_id: string) {
  const events = await metadata.timeline(media_id, 0, 1_000)
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
  const process = async () => {
    await clock.sleep(length)
    return processedAs('s3://processed/x/v1/a', null)
  }
  const processor: SegmentProcessor = {
    process,
    // Cutting and putting together are short beside the work.
    processOrCut: async ({ record: { title }, segments }) => {
      if (title !== 'film') return await process()
      await clock.sleep(length / 50)
      return segments === null ? { segments: filmSegments } : processedAs('s3://processed/x/v1/a', null)
    },
    processSegment: async () => await clock.sleep(length),
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

async function delayBehind(
  jobs: number,
  seed: number,
  { shared, title, lane }: { shared: boolean; title?: string; lane?: Lane },
): Promise<{ times: number; words: string }> {
  const opened = await openScene(seed, shared)
  const scene = { ...opened, ...(lane && { lane }) }
  const { world, length, concurrency } = scene
  const { clock } = world
  let modest: string | undefined
  const came = (async () => {
    await Promise.all(Array.from({ length: jobs }, () => upload(scene, 'greedy', title)))
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
  return {
    times: begun / length,
    words: `${scene.lane}, ${concurrency} at a time, ${length} ms each: waited ${begun} ms`,
  }
}

describe('fairness', () => {
  for (const seed of seeds) {
    test(`seed ${seed}: 2 000 jobs of one delay the single equal job of another by at most three times its length`, async () => {
      const { times, words } = await delayBehind(2_000, seed, { shared: true })
      assert.ok(times <= 3.01, words)
    })
  }

  for (const films of [1, 3, 40]) {
    test(`${films} long films of one, each in ${filmSegments} segments, delay a job as long as a segment at most so as well`, async () => {
      for (const seed of seeds) {
        const film = { title: 'film', lane: 'tasks-long' } as const
        const { times, words } = await delayBehind(films, seed, { shared: true, ...film })
        assert.ok(times <= 3.2, words)
      }
    })
  }

  test('without shares it waits for all segments', async () => {
    const { times, words } = await delayBehind(1, 1, { shared: false, title: 'film', lane: 'tasks-long' })
    assert.ok(times > 15, words)
  })

  test('a film alone has all workers of the long lane, and comes to its end', async () => {
    for (const seed of seeds) {
      const scene = await openScene(seed, true)
      const { world, length, concurrency } = scene
      const uploading = upload({ ...scene, lane: 'tasks-long' }, 'greedy', 'film')
      const width = Math.ceil(concurrency / 2)
      await world.clock.run({ until: start + Math.ceil(filmSegments / width) * length * 1.05 + 5_000 })
      const { done } = await waitsOf(world, await uploading)
      assert.ok(done > 0, `seed ${seed}: ${JSON.stringify(await world.metadata.countJobs())}`)
      await scene.stop()
    }
  })

  test('without shares the same job waits behind all of them', async () => {
    const { times, words } = await delayBehind(200, 1, { shared: false })
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
