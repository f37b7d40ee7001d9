import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { openVirtualClock, seededRandom } from '../../simulation/clock.ts'
import { openMemoryObjects } from '../../simulation/objects.ts'
import { openInlineStore } from '../embedded/store.ts'
import { openLibrary } from '../library/library.ts'
import { type ErrorCode, MediaError } from '../media/errors.ts'
import { jobIdOf } from '../media/jobs.ts'
import { silentLog } from '../media/log.ts'
import { openEmbeddedMetadata } from '../metadata/embedded.ts'
import { openEmbeddedQueue } from '../queue/embedded.ts'
import { expireRaw, startSweeper } from '../worker/sweeper.ts'
import { startWorker } from '../worker/worker.ts'
import { gif } from './kit.test.ts'
import { type Begin, openPending } from './pending.ts'

const mebi = 1024 * 1024
const partSize = 5 * mebi
const day = 86_400_000
const user = 'ada'

/** What goes wrong with one call: it never arrives, or its answer is lost. */
type Fault = 'refused' | 'lost'

function openBench() {
  const random = seededRandom(7)
  const clock = openVirtualClock(Date.parse('2026-01-01T00:00:00Z'), random)
  const store = openInlineStore()
  const faults = new Map<string, Fault>()
  const metadata = flaky(openEmbeddedMetadata(store), faults)
  const queue = openEmbeddedQueue(store, { clock })
  const memory = openMemoryObjects(clock)
  const objects = flaky(memory, faults)
  let ids = 0
  const chance = {
    random,
    uuid: () => `m${++ids}`,
    secret: (bytes: number) => Buffer.alloc(bytes, ++ids),
  }
  const shared = { metadata, queue, objects, clock, chance, log: silentLog, tempBucket: 'temp' }
  const pending = openPending({ ...shared, maxBytes: 100 * mebi, expirySeconds: 7 * 86_400 })
  const library = openLibrary(shared)

  return {
    ...shared,
    pending,
    library,
    faults,
    memory,
    begin: async (change: Partial<Begin> = {}) =>
      await pending.begin({
        ...{ user_id: user, door: 'direct', title: 't', filename: 'a.gif', content_type: 'image/gif' },
        ...{ file_size: null, part_size: partSize },
        ...change,
      }),
    put: async (media_id: string, part_number: number, bytes: Buffer) => {
      const { upload } = await pending.find(user, media_id)
      return await objects.putPart(upload, { part_number, size: bytes.length, source: once(bytes) })
    },
    record: async (media_id: string) => (await metadata.get(media_id)) ?? assert.fail('no record'),
    jobs: async (media_id: string) =>
      Object.fromEntries((await metadata.jobsOf(media_id)).map(({ kind, state }) => [kind, state])),
    events: async (media_id: string) => (await metadata.timeline(media_id, 0, 100)).map(({ type }) => type),
    live,
    /** Runs worker and sweeper until nothing is left to do: what is tidied is tidied a day later. */
    settle: async () => {
      await live(10 * 60_000)
      clock.leap(day)
      await live(10 * 60_000)
    },
  }

  /** Runs worker and sweeper for so long. */
  async function live(ms: number): Promise<void> {
    const working = { ...shared, processedBucket: 'processed', tempDays: 7 }
    const sweeper = startSweeper(working)
    const worker = startWorker({
      ...working,
      processor: { process: () => Promise.reject(new MediaError('undecodable', 'not looked at here')) },
      ...{ concurrency: 1, leaseSeconds: 30, maxAttempts: 3, stopSeconds: 10 },
    })
    await clock.run({ until: clock.now() + ms })
    const stopping = Promise.all([sweeper.stop(), worker.stop()])
    await clock.run({ until: clock.now() + 60_000 })
    await stopping
  }
}

/** The real port, of which one call of a named method goes wrong. */
function flaky<P extends object>(port: P, faults: Map<string, Fault>): P {
  return new Proxy(port, {
    get: (target, name) => {
      const method: unknown = Reflect.get(target, name)
      if (typeof method !== 'function' || name === 'list' || name === 'expire') return method
      return async (...args: unknown[]) => {
        const fault = faults.get(String(name))
        faults.delete(String(name))
        if (fault === 'refused') throw new MediaError('unavailable', 'never arrived')
        const answer = await method.apply(target, args)
        if (fault === 'lost') throw new MediaError('unavailable', 'answer lost')
        return answer
      }
    },
  })
}

async function* once(bytes: Buffer): AsyncIterable<Uint8Array> {
  yield bytes
}

const failsWith = (code: ErrorCode) => (error: unknown) => {
  assert.ok(error instanceof MediaError, String(error))
  assert.equal(error.code, code, error.message)
  return true
}
const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest()

/** Two parts of a picture. */
async function begun(bench: ReturnType<typeof openBench>, change: Partial<Begin> = {}) {
  const first = gif(partSize)
  const last = Buffer.alloc(1_000, 3)
  const { media_id } = await bench.begin({ file_size: first.length + last.length, ...change })
  const parts = [await bench.put(media_id, 1, first), await bench.put(media_id, 2, last)]
  const etag = `${createHash('md5')
    .update(Buffer.concat([md5(first), md5(last)]))
    .digest('hex')}-2`
  return { media_id, parts, etag }
}

describe('uploads in pieces', () => {
  test('begun, they are a record without bytes, and a job that ends them', async () => {
    const bench = openBench()
    const record = await bench.begin({ file_size: 7 * mebi, metadata: 'title dA==' })
    assert.equal(record.status, 'uploading')
    assert.deepEqual([record.media_type, record.file_size, record.temp_s3_url], ['image', null, null])
    assert.equal(record.upload?.file_size, 7 * mebi)
    assert.deepEqual(await bench.jobs('m1'), { expire: 'queued' })
    assert.deepEqual(await bench.events('m1'), ['media.created'])
    const job = await bench.metadata.getJob(jobIdOf('m1', 'expire'))
    assert.equal(job?.due_at, bench.clock.now() + 7 * day)
  })

  test('finished, they are a media like any other', async () => {
    const bench = openBench()
    const { media_id, parts, etag } = await begun(bench)
    const record = await bench.pending.finish(user, media_id, parts)
    assert.deepEqual([record.status, record.etag, record.file_size], ['uploaded', etag, partSize + 1_000])
    assert.equal(record.content_type, 'image/gif')
    assert.deepEqual(await bench.jobs(media_id), { expire: 'done', process: 'queued' })
    assert.deepEqual(await bench.events(media_id), ['media.created', 'media.uploaded'])
    assert.deepEqual(bench.memory.addresses(), [`s3://temp/${media_id}.gif`])
    assert.equal((await bench.queue.depth()).tasks, 1)
  })

  test('the bytes decide, not what the sender said', async () => {
    const bench = openBench()
    const { media_id } = await begun(bench, { content_type: 'video/mp4', filename: 'a.mp4' })
    const record = await bench.pending.finish(user, media_id)
    assert.deepEqual([record.media_type, record.content_type], ['image', 'image/gif'])
  })

  test('finished twice, and twice at a time, they are one media', async () => {
    const bench = openBench()
    const { media_id, parts } = await begun(bench)
    const finish = () => bench.pending.finish(user, media_id, parts)
    const records = [...(await Promise.all([finish(), finish(), finish()])), await finish()]
    assert.equal(new Set(records.map(({ version }) => version)).size, 1)
    assert.deepEqual(await bench.events(media_id), ['media.created', 'media.uploaded'])
    assert.equal((await bench.queue.depth()).tasks, 1)
  })

  test('two processes that finish at a time make one media', async () => {
    const bench = openBench()
    const { media_id, parts } = await begun(bench)
    const other = openPending({ ...bench, maxBytes: 100 * mebi, expirySeconds: 1 })
    const both = await Promise.all([bench.pending.finish(user, media_id, parts), other.finish(user, media_id, parts)])
    assert.equal(both[0].version, both[1].version)
    assert.deepEqual(await bench.events(media_id), ['media.created', 'media.uploaded'])
  })

  test('parts may be named in any order, with their quotes', async () => {
    const bench = openBench()
    const { media_id, parts } = await begun(bench)
    const named = parts.map(({ part_number, etag }) => ({ part_number, etag: `"${etag}"` })).reverse()
    const record = await bench.pending.finish(user, media_id, named)
    assert.equal((await bench.pending.finish(user, media_id, named)).version, record.version)
  })

  const wrong: [string, (etags: string[]) => [number, string][], ErrorCode][] = [
    ['one is missing', ([a = '']) => [[1, a]], 'size_mismatch'],
    ['a gap', ([, b = '']) => [[2, b]], 'invalid_parts'],
    [
      'one twice',
      ([a = '', b = '']) => [
        [1, a],
        [1, a],
        [2, b],
      ],
      'invalid_parts',
    ],
    [
      'one more',
      ([a = '', b = '']) => [
        [1, a],
        [2, b],
        [3, b],
      ],
      'invalid_parts',
    ],
    [
      'another ETag',
      ([a = '']) => [
        [1, a],
        [2, a],
      ],
      'invalid_parts',
    ],
    [
      'no ETag',
      ([a = '']) => [
        [1, a],
        [2, 'x'],
      ],
      'invalid_parts',
    ],
  ]
  for (const [name, choose, code] of wrong) {
    test(`named wrongly (${name}), they are refused and go on`, async () => {
      const bench = openBench()
      const { media_id, parts } = await begun(bench)
      const named = choose(parts.map(({ etag }) => etag)).map(([part_number, etag]) => ({ part_number, etag }))
      await assert.rejects(bench.pending.finish(user, media_id, named), failsWith(code))
      assert.equal((await bench.record(media_id)).status, 'uploading')
      assert.equal((await bench.pending.finish(user, media_id, parts)).status, 'uploaded')
      await assert.rejects(bench.pending.finish(user, media_id, named), failsWith('wrong_state'))
    })
  }

  test('in a bucket whose ETags are no MD5s, finishing again finds what was made, and other parts are told apart', async () => {
    const bench = openBench()
    const { media_id, parts } = await begun(bench)
    const etag = `${'e'.repeat(32)}-2`
    const objects: typeof bench.objects = {
      ...bench.objects,
      completeUpload: async (...given) => ({ ...(await bench.objects.completeUpload(...given)), etag }),
      head: async (ref) => {
        const found = await bench.objects.head(ref)
        return found && { ...found, etag }
      },
    }
    const pending = openPending({ ...bench, objects, maxBytes: 100 * mebi, expirySeconds: 60 })
    // The object is made, and its record not told.
    bench.faults.set('commit', 'refused')
    await assert.rejects(pending.finish(user, media_id, parts), failsWith('unavailable'))
    assert.equal((await pending.finish(user, media_id, parts)).etag, etag)
    assert.equal((await pending.finish(user, media_id, parts)).status, 'uploaded')
    const others = parts.map(({ part_number }) => ({ part_number, etag: 'd'.repeat(32) }))
    await assert.rejects(pending.finish(user, media_id, others), failsWith('wrong_state'))
  })

  test('of another size than declared, they are not made one object', async () => {
    const bench = openBench()
    const { media_id, parts } = await begun(bench, { file_size: partSize + 999 })
    await assert.rejects(bench.pending.finish(user, media_id, parts), failsWith('size_mismatch'))
    const { upload } = await bench.pending.find(user, media_id)
    assert.equal((await bench.objects.heldOf(upload)).parts.length, 2)
  })

  test('without a declared size, the limit is held at the end', async () => {
    const bench = openBench()
    const small = openPending({ ...bench, maxBytes: partSize, expirySeconds: 60 })
    const { media_id, parts } = await begun(bench, { file_size: null })
    await assert.rejects(small.finish(user, media_id, parts), failsWith('too_large'))
  })

  test('of no bytes at all, they are refused and go on', async () => {
    const bench = openBench()
    const { media_id } = await bench.begin()
    await assert.rejects(bench.pending.finish(user, media_id), failsWith('file_empty'))
    assert.equal((await bench.record(media_id)).status, 'uploading')
  })

  test('what is no media leaves nothing, and is refused again when asked again', async () => {
    const bench = openBench()
    const page = Buffer.from('<!doctype html><script>alert(1)</script>')
    const { media_id } = await bench.begin({ content_type: 'video/mp4', filename: 'a.mp4', file_size: page.length })
    const parts = [await bench.put(media_id, 1, page)]
    const finish = () => bench.pending.finish(user, media_id, parts)
    const answers = await Promise.allSettled([finish(), finish()])
    answers.push(...(await Promise.allSettled([finish()])))
    for (const answer of answers) failsWith('unsupported_media')((answer as PromiseRejectedResult).reason)
    assert.deepEqual(bench.memory.addresses(), [])
    assert.deepEqual((await bench.library.list({ user_id: user, limit: 10 })).items, [])
    await bench.settle()
    assert.deepEqual(await bench.jobs(media_id), { expire: 'done', purge: 'done', tidy: 'done' })
  })

  for (const [method, fault] of [
    ['completeUpload', 'lost'],
    ['completeUpload', 'refused'],
    ['head', 'refused'],
    ['get', 'refused'],
    ['heldOf', 'refused'],
    ['commit', 'refused'],
    ['commit', 'lost'],
    ['send', 'refused'],
  ] as const) {
    test(`finishing survives ${method} ${fault}`, async () => {
      const bench = openBench()
      const { media_id, parts, etag } = await begun(bench)
      bench.faults.set(method, fault)
      await bench.pending.finish(user, media_id, parts).catch(failsWith('unavailable'))
      const record = await bench.pending.finish(user, media_id, parts)
      assert.deepEqual([record.status, record.etag], ['uploaded', etag])
      assert.deepEqual(await bench.jobs(media_id), { expire: 'done', process: 'queued' })
      assert.deepEqual(bench.memory.addresses(), [`s3://temp/${media_id}.gif`])
    })
  }

  test('given up, they leave nothing; again is no error, and nothing else goes on', async () => {
    const bench = openBench()
    const { media_id, parts } = await begun(bench, { metadata: 'filename Zm9v', checksum: `sha256:${'0'.repeat(64)}` })
    const { upload } = await bench.pending.find(user, media_id)
    await bench.pending.abort(user, media_id)
    assert.deepEqual(bench.memory.addresses(), [])
    await bench.pending.abort(user, media_id)
    await assert.rejects(bench.pending.finish(user, media_id, parts), failsWith('not_found'))
    await assert.rejects(bench.pending.find(user, media_id), failsWith('not_found'))
    await assert.rejects(
      bench.objects.putPart(upload, { part_number: 1, size: 1, source: once(Buffer.alloc(1)) }),
      failsWith('not_found'),
    )
    await assert.rejects(bench.library.get(user, media_id), failsWith('not_found'))
    assert.deepEqual(await bench.events(media_id), ['media.created', 'media.aborted'])
    const { title, filename, upload: kept } = await bench.record(media_id)
    assert.deepEqual([title, filename, kept?.metadata, kept?.checksum], ['', null, null, null])
    await bench.settle()
    assert.deepEqual(await bench.jobs(media_id), { expire: 'done', purge: 'done', tidy: 'done' })
  })

  for (const fault of ['refused', 'lost'] as const) {
    test(`giving up survives a commit that is ${fault}`, async () => {
      const bench = openBench()
      const { media_id } = await begun(bench)
      bench.faults.set('commit', fault)
      await assert.rejects(bench.pending.abort(user, media_id), failsWith('unavailable'))
      await bench.pending.abort(user, media_id)
      await bench.settle()
      assert.deepEqual(bench.memory.addresses(), [])
      assert.deepEqual(await bench.jobs(media_id), { expire: 'done', purge: 'done', tidy: 'done' })
    })
  }

  test('complete, they cannot be given up', async () => {
    const bench = openBench()
    const { media_id, parts } = await begun(bench)
    await bench.pending.finish(user, media_id, parts)
    await assert.rejects(bench.pending.abort(user, media_id), failsWith('wrong_state'))
    await assert.rejects(bench.pending.find(user, media_id), failsWith('wrong_state'))
  })

  test('finished and given up at a time, they are one or the other', async () => {
    for (const finishFirst of [true, false]) {
      const bench = openBench()
      const { media_id, parts } = await begun(bench)
      const other = openPending({ ...bench, maxBytes: 100 * mebi, expirySeconds: 1 })
      const work = [() => bench.pending.finish(user, media_id, parts), () => other.abort(user, media_id)]
      if (!finishFirst) work.reverse()
      await Promise.allSettled(work.map((one) => one()))
      await bench.live(5_000)
      const { status } = await bench.record(media_id)
      assert.equal(bench.memory.addresses().length, status === 'deleted' ? 0 : 1, status)
    }
  })

  test('never completed, they expire and leave nothing', async () => {
    const bench = openBench()
    const { media_id } = await begun(bench)
    bench.clock.leap(7 * day - 120_000)
    await bench.live(0)
    assert.equal((await bench.record(media_id)).status, 'uploading')
    await bench.settle()
    assert.equal((await bench.record(media_id)).status, 'deleted')
    assert.deepEqual(bench.memory.addresses(), [])
    assert.deepEqual(await bench.jobs(media_id), { expire: 'done', purge: 'done', tidy: 'done' })
    assert.deepEqual(await bench.events(media_id), ['media.created', 'media.aborted', 'media.erased', 'media.purged'])
  })

  test('slower than raw media may lie unprocessed, they are left alone until their own time', async () => {
    const bench = openBench()
    const month = 30 * 86_400
    const slow = openPending({ ...bench, maxBytes: 100 * mebi, expirySeconds: month })
    const words = { door: 'tus' as const, title: 't', filename: 'a.gif', content_type: 'image/gif' }
    const { media_id } = await slow.begin({ user_id: user, ...words, file_size: null, part_size: partSize })
    await bench.put(media_id, 1, gif())
    bench.clock.leap(29 * day)
    await expireRaw({ ...bench, tempDays: 1, expirySeconds: month })
    assert.equal((await slow.finish(user, media_id)).status, 'uploaded')
    await bench.begin()
    bench.clock.leap(32 * day)
    await expireRaw({ ...bench, tempDays: 1, expirySeconds: month })
    assert.deepEqual(bench.memory.addresses(), [])
  })

  test('their media is removed, renamed and not retried like any other', async () => {
    const bench = openBench()
    const { media_id } = await begun(bench)
    assert.equal((await bench.library.rename(user, media_id, 'new')).record.title, 'new')
    await assert.rejects(bench.library.retry(user, media_id), failsWith('wrong_state'))
    await bench.library.remove(user, media_id)
    await assert.rejects(bench.pending.finish(user, media_id), failsWith('not_found'))
    await bench.settle()
    assert.deepEqual(bench.memory.addresses(), [])
    assert.deepEqual(await bench.jobs(media_id), { expire: 'done', purge: 'done', tidy: 'done' })
  })

  test('somebody else’s are not there', async () => {
    const bench = openBench()
    const { media_id, parts } = await begun(bench)
    await assert.rejects(bench.pending.find('eve', media_id), failsWith('not_found'))
    await assert.rejects(bench.pending.finish('eve', media_id, parts), failsWith('not_found'))
    await assert.rejects(bench.pending.abort('eve', media_id), failsWith('not_found'))
  })

  test('what cannot become a media is not begun', async () => {
    const bench = openBench()
    await assert.rejects(bench.begin({ file_size: 0 }), failsWith('file_empty'))
    await assert.rejects(bench.begin({ file_size: 101 * mebi }), failsWith('too_large'))
    await assert.rejects(
      bench.begin({ content_type: 'application/pdf', filename: 'a.pdf' }),
      failsWith('unsupported_media'),
    )
    bench.faults.set('commit', 'refused')
    await assert.rejects(bench.begin(), failsWith('unavailable'))
    assert.deepEqual(bench.memory.addresses(), [])
  })

  test('a beginning whose answer was lost on the way to us is answered', async () => {
    const bench = openBench()
    bench.faults.set('commit', 'lost')
    const { media_id } = await bench.begin()
    await bench.put(media_id, 1, gif())
    assert.equal((await bench.pending.finish(user, media_id)).status, 'uploaded')
  })

  test('a size that was left open is declared once, whatever happens beside it', async () => {
    const bench = openBench()
    const { media_id } = await bench.begin()
    const found = await bench.pending.find(user, media_id)
    await bench.library.rename(user, media_id, 'new')
    await bench.pending.declareSize(found, 43)
    await bench.pending.declareSize(found, 43)
    await assert.rejects(bench.pending.declareSize(found, 44), failsWith('size_mismatch'))
    await bench.put(media_id, 1, gif())
    assert.equal((await bench.pending.finish(user, media_id)).title, 'new')
    const other = await bench.begin()
    const open = await bench.pending.find(user, other.media_id)
    await assert.rejects(bench.pending.declareSize(open, 101 * mebi), failsWith('too_large'))
  })
})
