import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openVirtualClock, seededRandom } from '../../simulation/clock.ts'
import { openMemoryObjects } from '../../simulation/objects.ts'
import { processedAs } from '../../simulation/processor.ts'
import type { ForgetOrder } from '../cdn/port.ts'
import { openInlineStore } from '../embedded/store.ts'
import { openLibrary } from '../library/library.ts'
import { isoTime } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import { jobIdOf, newJob, type WakeUp } from '../media/jobs.ts'
import { silentLog } from '../media/log.ts'
import { newRecord } from '../media/record.ts'
import { openEmbeddedMetadata } from '../metadata/embedded.ts'
import type { Processor, ProcessTask } from '../processing/process.ts'
import { openEmbeddedQueue } from '../queue/embedded.ts'
import { claimJob } from './claim.ts'
import { outcomes, pauseAfter } from './outcomes.ts'
import { runClaim } from './run.ts'
import { expireRaw, startSweeper } from './sweeper.ts'
import { startWorker } from './worker.ts'

const day = 86_400_000
const raw = { bucket: 'temp', key: 'm1.png' }

function openBench(process: Processor['process']) {
  const random = seededRandom(7)
  const clock = openVirtualClock(Date.parse('2026-01-01T00:00:00Z'), random)
  const store = openInlineStore()
  const metadata = openEmbeddedMetadata(store)
  const buried: string[] = []
  const bury = async ({ job_id }: WakeUp, reason: string) => void buried.push(`${job_id}: ${reason}`)
  const queue = { ...openEmbeddedQueue(store, { clock }), deadLetters: { bury } }
  const objects = openMemoryObjects(clock)
  const chance = { random, uuid: () => 'id', secret: (bytes: number) => Buffer.alloc(bytes) }
  const shared = { metadata, queue, objects, clock, chance, log: silentLog, processedBucket: 'processed' }
  const options = {
    ...shared,
    processor: { process },
    concurrency: 1,
    leaseSeconds: 30,
    maxAttempts: 3,
    stopSeconds: 10,
  }
  const sweeping = { ...shared, tempBucket: 'temp', tempDays: 7 }
  const library = openLibrary(shared)

  async function accept(): Promise<void> {
    const staged = await objects.stage(bytes('raw'))
    await staged.commit(raw, { content_type: 'image/png' })
    const now = clock.now()
    const upload_time = isoTime(now)
    const ids = { media_id: 'm1', user_id: 'ada' }
    await metadata.commit({
      media_id: 'm1',
      expect: { absent: true },
      create: newRecord({
        ...ids,
        title: 't',
        media_type: 'image',
        upload_time,
        status: 'uploaded',
        temp_s3_url: 's3://temp/m1.png',
      }),
      jobs: [{ create: newJob({ ...ids, kind: 'process', lane: 'tasks', now }) }],
      events: [{ type: 'media.uploaded', at: upload_time }],
    })
    await queue.send('tasks', { job_id: 'm1.process' })
  }

  return {
    ...shared,
    buried,
    options,
    sweeping,
    library,
    accept,
    startWorker: () => startWorker(options),
    startSweeper: () => startSweeper(sweeping),
    record: async () => (await metadata.get('m1')) ?? assert.fail('no record'),
    job: async (kind: 'process' | 'purge' = 'process') =>
      (await metadata.getJob(jobIdOf('m1', kind))) ?? assert.fail('no job'),
    after: (ms: number) => clock.run({ until: clock.now() + ms }),
    storeOutput: async ({ record, token }: ProcessTask) => {
      const key = `${record.media_id}/v${token}/jpeg-1600.jpg`
      const staged = await objects.stage(bytes(key))
      await staged.commit({ bucket: 'processed', key }, { content_type: 'image/jpeg' })
      return processedAs(`s3://processed/${key}`, null)
    },
  }
}

/** A CDN that takes orders when it is let. */
function openCdnOf({ objects }: Pick<ReturnType<typeof openBench>, 'objects'>) {
  const orders: string[] = []
  const left: string[] = []
  let refusals = 0
  let refusal = new Error()
  const take = ({ folder, reference }: ForgetOrder) => {
    orders.push(`${folder} ${reference}`)
    left.push(...objects.addresses())
  }
  return {
    orders,
    left,
    refuse: (times: number, error: Error) => {
      refusals = times
      refusal = error
    },
    forget: async (order: ForgetOrder) => {
      take(order)
      if (refusals-- > 0) throw refusal
    },
    /** It has the order, and the answer reaches nobody. */
    forgetUnheard: async (order: ForgetOrder) => {
      take(order)
      await new Promise((_, reject) => order.signal.addEventListener('abort', () => reject(order.signal.reason)))
    },
    close: async () => {},
  }
}

/** A processed media that is delivered by a CDN. */
async function openProcessed() {
  const bench = openBench((task) => bench.storeOutput(task))
  const cdn = openCdnOf(bench)
  bench.startSweeper()
  startWorker({ ...bench.options, cdn })
  await bench.accept()
  await bench.after(1_000)
  return { bench, cdn }
}

async function* bytes(text: string): AsyncIterable<Uint8Array> {
  yield Buffer.from(text)
}

describe('worker', () => {
  test('a job becomes a processed media under its token, and its raw bytes are marked as done', async () => {
    const bench = openBench((task) => bench.storeOutput(task))
    await bench.accept()
    bench.startWorker()
    await bench.after(1_000)
    const record = await bench.record()
    assert.equal(record.status, 'processed')
    assert.equal(record.processed_s3_url, 's3://processed/m1/v1/jpeg-1600.jpg')
    assert.deepEqual([(await bench.job()).state, record.attempts, record.playable], ['done', 1, true])
    const types = (await bench.metadata.timeline('m1', 0, 10)).map((event) => event.type)
    assert.deepEqual(types, ['media.uploaded', 'media.processing', 'media.processed'])
    bench.clock.leap(8 * day)
    await expireRaw(bench.sweeping)
    assert.equal((await bench.record()).temp_s3_url, null)
    assert.deepEqual(bench.objects.addresses(), ['s3://processed/m1/v1/jpeg-1600.jpg'])
  })

  test('what fails on our side is tried again with growing pauses, then parked with words for the owner', async () => {
    const tries: number[] = []
    const bench = openBench(async () => {
      tries.push(bench.clock.now())
      throw new MediaError('tool_crashed', 'broken pipe')
    })
    await bench.accept()
    bench.startWorker()
    bench.startSweeper()
    await bench.after(60_000)
    assert.equal(tries.length, 3)
    const [first = 0, second = 0] = tries.slice(1).map((at, index) => at - (tries[index] ?? 0))
    assert.ok(first >= 1_000 && first <= 4_000, `${first}`)
    assert.ok(second >= 2_000 && second <= 6_000, `${second}`)
    const record = await bench.record()
    assert.deepEqual(
      [record.status, record.error],
      ['failed', { code: 'tool_crashed', message: outcomes.tool_crashed.message }],
    )
    assert.equal((await bench.job()).state, 'parked')
    assert.deepEqual(bench.buried, ['m1.process: tool_crashed after 3 attempts'])
  })

  test('what waits for something that will come is never given up', async () => {
    let tries = 0
    const bench = openBench(async (task) => {
      if (++tries <= 20) throw new MediaError('scanner_unavailable', 'nobody there')
      return await bench.storeOutput(task)
    })
    await bench.accept()
    bench.startWorker()
    bench.startSweeper()
    await bench.after(60_000)
    assert.deepEqual([(await bench.record()).status, (await bench.record()).attempts], ['processing', 0])
    await bench.after(20 * 60_000)
    const { status, attempts } = await bench.record()
    assert.deepEqual([status, attempts, tries], ['processed', 1, 21])
  })

  test('what is wrong with the file is not tried again; a retry by its owner is', async () => {
    let good = false
    const bench = openBench(async (task) => {
      if (!good) throw new MediaError('undecodable', 'moov not found')
      return await bench.storeOutput(task)
    })
    await bench.accept()
    bench.startWorker()
    await bench.after(10_000)
    assert.deepEqual([(await bench.record()).status, (await bench.record()).attempts], ['failed', 1])
    assert.deepEqual(bench.buried, [])
    good = true
    await bench.library.retry('ada', 'm1')
    await bench.after(1_000)
    const record = await bench.record()
    assert.equal(record.processed_s3_url, 's3://processed/m1/v2/jpeg-1600.jpg')
    assert.equal(record.error, null)
    await assert.rejects(bench.library.retry('ada', 'm1'), { code: 'wrong_state' })
  })

  test('a retry without raw bytes is refused', async () => {
    const bench = openBench(async () => {
      throw new MediaError('undecodable', '')
    })
    await bench.accept()
    bench.startWorker()
    await bench.after(1_000)
    await bench.objects.remove(raw)
    await assert.rejects(bench.library.retry('ada', 'm1'), { code: 'raw_expired' })
  })

  test('progress is seen while it works, and the lease outlives its first length', async () => {
    const bench = openBench(async (task) => {
      for (let percent = 0; percent <= 100; percent += 10) {
        task.onProgress(percent)
        await bench.clock.sleep(10_000, task.signal)
      }
      return await bench.storeOutput(task)
    })
    await bench.accept()
    bench.startWorker()
    bench.startSweeper()
    await bench.after(55_000)
    assert.equal((await bench.library.get('ada', 'm1')).progress, 50)
    assert.equal((await bench.record()).version, 2)
    await bench.after(100_000)
    const { status, attempts } = await bench.record()
    assert.deepEqual([status, attempts], ['processed', 1])
  })

  test('a stop hands back what does not finish in time, and the attempt is not counted', async () => {
    const bench = openBench(async (task) => {
      await bench.clock.sleep(3_600_000, task.signal)
      return await bench.storeOutput(task)
    })
    await bench.accept()
    const worker = bench.startWorker()
    await bench.after(5_000)
    assert.equal(worker.running(), 1)
    const stopped = worker.stop()
    await bench.after(11_000)
    await stopped
    const job = await bench.job()
    assert.deepEqual([job.state, job.attempts, (await bench.record()).status], ['queued', 0, 'processing'])
    assert.equal((await bench.queue.depth()).tasks, 1)
  })

  test('a job that kills its workers is given up', async () => {
    const bench = openBench(() => assert.fail('never runs to here'))
    await bench.accept()
    for (let crash = 0; crash < 3; crash++) {
      const claim = await claimJob('m1.process', { metadata: bench.metadata, now: bench.clock.now(), leaseMs: 30_000 })
      assert.equal(claim?.job.token, crash + 1)
      bench.clock.leap(30_000)
    }
    bench.startWorker()
    await bench.after(1_000)
    const record = await bench.record()
    assert.deepEqual([record.status, record.error?.code], ['failed', 'gave_up'])
  })

  test('one claim wins; a late worker changes nothing and clears its own outputs away', async () => {
    const bench = openBench(async (task) => {
      const result = await bench.storeOutput(task)
      if (task.token > 1) return result
      // Stopped dead for longer than its lease, like a laptop that slept.
      bench.clock.leap(60_000)
      const other = await claimJob('m1.process', { metadata: bench.metadata, now: bench.clock.now(), leaseMs: 30_000 })
      assert.equal(other?.job.token, 2)
      return result
    })
    await bench.accept()
    const now = bench.clock.now()
    bench.startWorker()
    await bench.after(1_000)
    assert.deepEqual([(await bench.record()).status, (await bench.job()).token], ['processing', 2])
    assert.deepEqual(bench.objects.addresses(), ['s3://temp/m1.png'])
    const claims = await Promise.all(
      Array.from({ length: 8 }, () =>
        claimJob('m1.process', { metadata: bench.metadata, now: now + day, leaseMs: 30_000 }),
      ),
    )
    assert.equal(claims.filter((claim) => claim !== null).length, 1)
  })

  test('a deleted media stops its job, and the purge leaves no byte even of a straggler', async () => {
    const bench = openBench(async (task) => {
      await bench.clock.sleep(20_000, task.signal)
      return await bench.storeOutput(task)
    })
    await bench.accept()
    bench.startWorker()
    bench.startSweeper()
    await bench.after(5_000)
    await bench.library.remove('ada', 'm1')
    await assert.rejects(bench.library.get('ada', 'm1'), { code: 'not_found' })
    await bench.after(20_000)
    assert.deepEqual(bench.objects.addresses(), [])
    await bench.storeOutput({
      record: await bench.record(),
      token: 1,
      signal: AbortSignal.abort(),
      onProgress: () => {},
    })
    await bench.after(60_000)
    assert.deepEqual(bench.objects.addresses(), [])
    const record = await bench.record()
    assert.deepEqual([record.status, record.title, record.temp_s3_url], ['deleted', '', null])
    assert.equal((await bench.job('purge')).state, 'done')
    await bench.library.remove('ada', 'm1')
  })

  test('a CDN forgets a deleted media after its bytes are gone, and again when no lease can be left', async () => {
    const { bench, cdn } = await openProcessed()
    await bench.library.remove('ada', 'm1')
    await bench.after(90_000)
    assert.equal((await bench.job('purge')).state, 'done')
    assert.deepEqual(cdn.orders, ['m1 m1.purge.first', 'm1 m1.purge.last'])
    assert.deepEqual(cdn.left, [], 'what is left of its bytes when it is told')
  })

  test('nothing is forgotten of a media that nobody could have been sent', async () => {
    const bench = openBench(async () => assert.fail('never processed'))
    const cdn = openCdnOf(bench)
    await bench.accept()
    await bench.library.remove('ada', 'm1')
    bench.startSweeper()
    startWorker({ ...bench.options, cdn })
    await bench.after(90_000)
    assert.equal((await bench.job('purge')).state, 'done')
    assert.deepEqual(cdn.orders, [])
  })

  test('a purge is not over before the CDN has taken its order, and the order stays the same', async () => {
    const { bench, cdn } = await openProcessed()
    cdn.refuse(20, new MediaError('slow_down', 'too many invalidations in progress'))
    await bench.library.remove('ada', 'm1')
    const begun = bench.clock.now()
    await bench.after(20_000)
    assert.deepEqual([(await bench.job('purge')).state, bench.objects.addresses()], ['queued', []])
    const attempts: number[] = []
    while ((await bench.job('purge')).state !== 'done') {
      attempts.push((await bench.job('purge')).attempts)
      assert.ok(bench.clock.now() - begun < 2 * 3_600_000)
      await bench.after(300_000)
    }
    assert.ok(bench.clock.now() - begun > 30 * 60_000, 'asked less and less often')
    assert.ok(Math.max(...attempts) <= 10, `never counted as given up: ${attempts}`)
    assert.deepEqual([...new Set(cdn.orders)], ['m1 m1.purge.first', 'm1 m1.purge.last'])
    assert.equal(cdn.orders.length, 21)
  })

  test('a worker that ends before the CDN has answered leaves the same order to the next', async () => {
    const bench = openBench((task) => bench.storeOutput(task))
    const cdn = openCdnOf(bench)
    bench.startSweeper()
    const unheard = { ...cdn, forget: cdn.forgetUnheard }
    const first = startWorker({ ...bench.options, cdn: unheard })
    await bench.accept()
    await bench.after(1_000)
    await bench.library.remove('ada', 'm1')
    await bench.after(1_000)
    assert.deepEqual(cdn.orders, ['m1 m1.purge.first'])
    const stopped = first.stop()
    await bench.after(11_000)
    await stopped
    startWorker({ ...bench.options, cdn })
    await bench.after(20_000)
    assert.deepEqual(cdn.orders, ['m1 m1.purge.first', 'm1 m1.purge.first'])
    await bench.after(90_000)
    assert.equal((await bench.job('purge')).state, 'done')
  })

  test('a worker that comes late to a deleted media does not take its end for its own, and clears its outputs away', async () => {
    const bench = openBench(async (task) => {
      await bench.library.remove('ada', 'm1')
      bench.clock.leap(day)
      return await bench.storeOutput(task)
    })
    await bench.accept()
    bench.startWorker()
    await bench.after(1_000)
    assert.deepEqual(bench.objects.addresses(), [])
    const { state, token } = await bench.job()
    assert.deepEqual([state, token], ['done', 2], 'ended under a token of its own')
  })

  test('outputs of a deleted media that nobody took back go after a day', async () => {
    const bench = openBench(async (task) => await bench.storeOutput(task))
    await bench.accept()
    await bench.library.remove('ada', 'm1')
    bench.startWorker()
    bench.startSweeper()
    await bench.after(120_000)
    await bench.storeOutput({
      record: await bench.record(),
      token: 1,
      signal: AbortSignal.abort(),
      onProgress: () => {},
    })
    bench.clock.leap(day)
    await bench.after(60_000)
    assert.deepEqual(bench.objects.addresses(), [])
  })

  /** An attempt that publishes and then does what it is told. */
  const publishing = (bench: ReturnType<typeof openBench>, then: (task: ProcessTask) => Promise<void>) => {
    return async (task: ProcessTask) => {
      const { content_type: _, warnings: __, checksum: ___, ...early } = await bench.storeOutput(task)
      await task.onPlayable?.(early)
      await then(task)
      return await bench.storeOutput(task)
    }
  }

  test('a film plays while the rest is made, and goes on when an attempt fails after that', async () => {
    const seen: unknown[] = []
    const bench = openBench(async (task) => await process(task))
    const process = publishing(bench, async ({ token }) => {
      const { status, playable, processed_s3_url } = await bench.record()
      seen.push([status, playable, processed_s3_url])
      if (token === 1) throw new MediaError('tool_crashed', 'after that')
    })
    await bench.accept()
    bench.startWorker()
    bench.startSweeper()
    await bench.after(1_500)
    const between = await bench.record()
    assert.deepEqual([between.status, between.playable], ['processing', true])
    assert.ok(bench.objects.addresses().includes(between.processed_s3_url ?? ''), 'what is named is there')
    await bench.after(120_000)
    const [first, second] = [1, 2].map((token) => `s3://processed/m1/v${token}/jpeg-1600.jpg`)
    assert.deepEqual(seen, [
      ['processing', true, first],
      ['processing', true, second],
    ])
    const record = await bench.record()
    assert.deepEqual([record.status, record.processed_s3_url], ['processed', second])
    assert.ok(bench.objects.addresses().includes(first ?? ''), 'whoever plays the first goes on')
    bench.clock.leap(day)
    await bench.after(60_000)
    assert.deepEqual(
      bench.objects.addresses().filter((url) => url.includes('processed')),
      [second],
    )
    const types = (await bench.metadata.timeline('m1', 0, 20)).map((event) => event.type)
    const twice = ['media.processing', 'media.playable']
    assert.deepEqual(types, ['media.uploaded', ...twice, ...twice, 'media.processed'])
  })

  for (const [code, playable] of [
    ['tool_crashed', true],
    ['refused_by_moderation', false],
  ] as const) {
    test(`of a media that fails for good as ${code}, what was published is ${playable ? '' : 'not '}played on`, async () => {
      const bench = openBench(async (task) => await process(task))
      const process = publishing(bench, async ({ record, token }) => {
        const key = `${record.media_id}/v${token}/hls/720p-00001.m4s`
        await (await bench.objects.stage(bytes(key))).commit(
          { bucket: 'processed', key },
          { content_type: 'video/mp4' },
        )
        throw new MediaError(code, 'after that')
      })
      await bench.accept()
      bench.startWorker()
      bench.startSweeper()
      await bench.after(600_000)
      const record = await bench.record()
      assert.deepEqual([record.status, record.playable], ['failed', playable])
      bench.clock.leap(day)
      await bench.after(60_000)
      const left = bench.objects.addresses().filter((url) => url.includes('processed'))
      assert.deepEqual(left, [record.processed_s3_url], 'the last version, and of it what the record names')
    })
  }

  test('an attempt whose lease has passed on publishes nothing, and clears its outputs away', async () => {
    const bench = openBench(async (task) => await process(task))
    const process = publishing(bench, async () => assert.fail('it goes no further'))
    await bench.accept()
    const claim = await claimJob('m1.process', { metadata: bench.metadata, now: bench.clock.now(), leaseMs: 1 })
    assert.ok(claim)
    bench.clock.leap(10)
    await claimJob('m1.process', { metadata: bench.metadata, now: bench.clock.now(), leaseMs: 30_000 })
    const doing = { ...bench.options, leaseMs: 30_000 }
    const done = runClaim(claim, doing, new AbortController().signal)
    await bench.after(10)
    assert.equal(await done, 'lost')
    const { playable, processed_s3_url } = await bench.record()
    assert.deepEqual([playable, processed_s3_url, bench.objects.addresses()], [false, null, ['s3://temp/m1.png']])
  })

  test('outputs of attempts that did not win go after a day', async () => {
    const bench = openBench((task) => bench.storeOutput(task))
    await bench.accept()
    await claimJob('m1.process', { metadata: bench.metadata, now: bench.clock.now(), leaseMs: 30_000 })
    await bench.storeOutput({
      record: await bench.record(),
      token: 1,
      signal: AbortSignal.abort(),
      onProgress: () => {},
    })
    bench.startWorker()
    bench.startSweeper()
    await bench.after(120_000)
    const version = (n: number) => `s3://processed/m1/v${n}/jpeg-1600.jpg`
    assert.deepEqual(bench.objects.addresses(), ['s3://temp/m1.png', version(1), version(2)])
    bench.clock.leap(day)
    await bench.after(60_000)
    assert.deepEqual(bench.objects.addresses(), ['s3://temp/m1.png', version(2)])
  })

  test('the sweeper wakes a job whose wake-up was never sent', async () => {
    const bench = openBench((task) => bench.storeOutput(task))
    await bench.accept()
    for await (const delivery of bench.queue.receive('tasks', new AbortController().signal)) {
      await delivery.acknowledge()
      break
    }
    bench.startWorker()
    bench.startSweeper()
    await bench.after(3_000)
    assert.equal((await bench.record()).status, 'uploaded')
    await bench.after(5_000)
    assert.equal((await bench.record()).status, 'processed')
  })

  test('an upload that nobody completes is purged, with the chunk whose checksum a crash left unproved', async () => {
    const bench = openBench((task) => bench.storeOutput(task))
    const { upload_id } = await bench.objects.beginUpload(raw, { content_type: 'image/png', part_size: null })
    await bench.objects.append({ ref: raw, upload_id }, bytes('half'), { offset: 0 })
    const staged = await bench.objects.stage(bytes('chunk'))
    await staged.commit({ bucket: 'temp', key: 'm1/chunk' }, { content_type: 'application/octet-stream' })
    const ids = { media_id: 'm1', user_id: 'ada' }
    const now = bench.clock.now()
    const expires_at = isoTime(now + 5_000)
    const sizes = { part_size: null, file_size: 8, checksum: null }
    const upload = { door: 'tus' as const, upload_id, s3_url: 's3://temp/m1.png', ...sizes, expires_at, metadata: null }
    const said = { title: 't', media_type: 'image' as const, upload_time: isoTime(now), status: 'uploading' as const }
    await bench.metadata.commit({
      media_id: 'm1',
      expect: { absent: true },
      create: newRecord({ ...ids, ...said, upload }),
      jobs: [{ create: newJob({ ...ids, kind: 'expire', lane: 'tasks', now, due_at: now + 5_000 }) }],
      events: [{ type: 'media.created', at: isoTime(now) }],
    })
    bench.startWorker()
    bench.startSweeper()
    await bench.after(2_000)
    assert.equal((await bench.record()).status, 'uploading')
    await bench.after(120_000)
    assert.equal((await bench.record()).status, 'deleted')
    assert.deepEqual(bench.objects.addresses(), [])
  })

  test('raw media never processed are reported after TEMP_DAYS and removed after ten times as long', async () => {
    const bench = openBench(async () => {
      throw new MediaError('undecodable', '')
    })
    const said: object[] = []
    const log = { ...silentLog, warn: (fields: object) => void said.push(fields) }
    await bench.accept()
    bench.startWorker()
    await bench.after(1_000)
    await expireRaw({ ...bench.sweeping, log })
    assert.deepEqual(said, [])
    bench.clock.leap(8 * day)
    await expireRaw({ ...bench.sweeping, log })
    assert.deepEqual(said, [{ overdue: { failed: 1 } }])
    assert.deepEqual(bench.objects.addresses(), ['s3://temp/m1.png'])
    bench.clock.leap(63 * day)
    await expireRaw({ ...bench.sweeping, log })
    assert.deepEqual(bench.objects.addresses(), [])
    assert.equal((await bench.record()).temp_s3_url, null)
    await assert.rejects(bench.library.retry('ada', 'm1'), { code: 'raw_expired' })
  })

  test('pauses double to five minutes, half of them chance', () => {
    assert.deepEqual(
      [pauseAfter(1, 0), pauseAfter(1, 1), pauseAfter(3, 0.5), pauseAfter(20, 1)],
      [1_000, 2_000, 6_000, 300_000],
    )
  })
})
