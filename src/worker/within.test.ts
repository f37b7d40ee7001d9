import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openVirtualClock, seededRandom } from '../../simulation/clock.ts'
import { openMemoryObjects } from '../../simulation/objects.ts'
import { processedAs } from '../../simulation/processor.ts'
import { openInlineStore } from '../embedded/store.ts'
import { isoTime } from '../media/clock.ts'
import { newJob } from '../media/jobs.ts'
import { silentLog } from '../media/log.ts'
import { type MediaType, newRecord } from '../media/record.ts'
import { openEmbeddedMetadata } from '../metadata/embedded.ts'
import type { Processor } from '../processing/process.ts'
import { openEmbeddedQueue } from '../queue/embedded.ts'
import { performWithin, reserveMs } from './within.ts'

const minutes = 60_000

/** One uploaded media, and a function with some time left. */
async function openBench(process: Processor['process'], media_type: MediaType, file_size: number) {
  const random = seededRandom(7)
  const clock = openVirtualClock(Date.parse('2026-01-01T00:00:00Z'), random)
  const store = openInlineStore()
  const metadata = openEmbeddedMetadata(store)
  const chance = { random, uuid: () => 'id', secret: (bytes: number) => Buffer.alloc(bytes) }
  const ports = { metadata, queue: openEmbeddedQueue(store, { clock }), objects: openMemoryObjects(clock) }
  const limits = { leaseMs: 30_000, maxAttempts: 3, processedBucket: 'processed' }
  const doing = { ...ports, ...limits, processor: { process }, clock, chance, log: silentLog }
  const upload_time = isoTime(clock.now())
  const ids = { media_id: 'm1', user_id: 'ada' }
  const raw = { title: 't', media_type, upload_time, status: 'uploaded', temp_s3_url: 's3://temp/m1' } as const
  await metadata.commit({
    media_id: 'm1',
    expect: { absent: true },
    create: { ...newRecord({ ...ids, ...raw }), file_size },
    jobs: [{ create: newJob({ ...ids, kind: 'process', lane: 'tasks', now: clock.now() }) }],
    events: [{ type: 'media.uploaded', at: upload_time }],
  })
  return {
    clock,
    depth: ports.queue.depth,
    job: async () => (await metadata.getJob('m1.process')) ?? assert.fail('no job'),
    record: async () => (await metadata.get('m1')) ?? assert.fail('no record'),
    perform: async (left: number) => {
      const until = clock.now() + left
      const performing = performWithin('m1.process', doing, () => until - clock.now())
      await clock.run({ until: until - 1 })
      return await performing
    },
  }
}

describe('within a time', () => {
  test('what fits is done, and a second wake-up finds nothing to do', async () => {
    const bench = await openBench(async () => processedAs('s3://processed/m1/v1/a.jpg', null), 'image', 1_000_000)
    assert.equal(await bench.perform(minutes), 'done')
    assert.equal((await bench.record()).status, 'processed')
    assert.equal(await bench.perform(minutes), 'nothing')
  })

  test('what would not fit is never begun, and goes to the long lane, once', async () => {
    const bench = await openBench(() => assert.fail('begun'), 'video', 150 * 1024 ** 2)
    assert.equal(await bench.perform(2 * minutes), 'forwarded')
    const { lane, state, attempts, token } = await bench.job()
    assert.deepEqual([lane, state, attempts, token], ['tasks-long', 'queued', 0, 0])
    assert.deepEqual(await bench.depth(), { tasks: 0, 'tasks-long': 1 })
    assert.equal(await bench.perform(15 * minutes), 'nothing')
    assert.deepEqual(await bench.depth(), { tasks: 0, 'tasks-long': 1 })
  })

  test('what is not done in time is handed back to the long lane before the end, without a lease or an attempt', async () => {
    let cutAt = 0
    const bench = await openBench(
      async ({ signal }) => {
        await bench.clock.sleep(60 * minutes, signal).finally(() => {
          cutAt = bench.clock.now()
        })
        return assert.fail('slept through')
      },
      'image',
      1_000_000,
    )
    const end = bench.clock.now() + minutes
    assert.equal(await bench.perform(minutes), 'handed_back')
    assert.equal(cutAt, end - reserveMs)
    const { lane, state, attempts, lease_until, due_at } = await bench.job()
    assert.deepEqual([lane, state, attempts, lease_until], ['tasks-long', 'queued', 0, null])
    assert.ok(due_at <= end)
    assert.deepEqual([(await bench.record()).status, (await bench.record()).attempts], ['processing', 0])
    assert.deepEqual(await bench.depth(), { tasks: 0, 'tasks-long': 1 })
  })

  test('with next to no time left nothing is touched', async () => {
    const bench = await openBench(() => assert.fail('begun'), 'image', 1_000)
    assert.equal(await bench.perform(reserveMs + 1_000), 'no_time')
    const { lane, state, token } = await bench.job()
    assert.deepEqual([lane, state, token], ['tasks', 'queued', 0])
  })
})
