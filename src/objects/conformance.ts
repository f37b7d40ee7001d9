import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { codeOf, MediaError } from '../media/errors.ts'
import type { ObjectStore, PutOptions } from './port.ts'

export interface Opened {
  store: ObjectStore
  /** Names of everything that is held outside the buckets: received and not committed. */
  unfinished(): Promise<readonly string[]>
  /** Closes the store and removes what it kept. */
  end(): Promise<void>
}

export interface ObjectsSuite {
  open(): Promise<Opened>
  /** Tests that the driver cannot pass, each with the reason. */
  exceptions?: Record<string, string>
}

const bucket = 'suite-bucket'
const put: PutOptions = { content_type: 'video/mp4' }
const kib = 1024
const mib = 1024 * kib

/** What every driver of the port must do. Its test file says only how to open it. */
export function describeObjects(name: string, { open, exceptions = {} }: ObjectsSuite): void {
  describe(`objects: ${name}`, () => {
    let opened: Opened
    let store: ObjectStore
    let folder: string
    before(async () => {
      opened = await open()
      store = opened.store
      folder = await mkdtemp(join(tmpdir(), 'objects-suite-'))
    })
    after(async () => {
      await opened.end()
      await rm(folder, { recursive: true, force: true })
    })

    const given = new Set<string>()
    function must(title: string, work: () => Promise<void>): void {
      given.add(title)
      const reason = exceptions[title]
      test(title, reason === undefined ? {} : { skip: reason }, work)
    }
    async function hold(key: string, bytes: Uint8Array, options: PutOptions = put) {
      return await (await store.stage(pieces(bytes, 50_000))).commit({ bucket, key }, options)
    }
    async function bytesAt(key: string, range?: { start: number; end: number }): Promise<Buffer> {
      const { body } = await store.get({ bucket, key }, range ? { range } : {})
      return await collect(body)
    }
    async function keys(prefix: string): Promise<string[]> {
      const found: string[] = []
      for await (const { ref } of store.list(bucket, prefix)) found.push(ref.key)
      return found
    }

    for (const size of [0, 1, 64 * kib - 1, 64 * kib, 64 * kib + 1, mib + 64 * kib, 3 * mib + 17]) {
      must(`gives back ${size} bytes with their MD5 as ETag`, async () => {
        const bytes = randomBytes(size)
        const key = `whole/${size}.mp4`
        const stored = await hold(key, bytes)
        const { last_modified, ...fixed } = stored
        assert.deepEqual(fixed, { ref: { bucket, key }, size, etag: md5(bytes), content_type: 'video/mp4' })
        assert.equal(last_modified % 1000, 0)
        assert.deepEqual(await store.head({ bucket, key }), stored)
        const { object, body } = await store.get({ bucket, key })
        assert.deepEqual(object, stored)
        assert.ok(bytes.equals(await collect(body)))
      })
    }

    must('gives ranges', async () => {
      const bytes = randomBytes(2 * mib + 5)
      await hold('ranges.bin', bytes)
      const last = bytes.length - 1
      for (const [start, end] of [
        [0, 0],
        [last, last],
        [0, last],
        [1, 700 * kib],
        [mib - 1, mib],
        [mib, last],
      ] as const) {
        const got = await bytesAt('ranges.bin', { start, end })
        assert.ok(bytes.subarray(start, end + 1).equals(got), `${start}–${end}`)
      }
    })

    must('answers for what is not there', async () => {
      const ref = { bucket, key: 'nothing/here.mp4' }
      assert.equal(await store.head(ref), null)
      await assert.rejects(store.get(ref), hasCode('not_found'))
      await store.remove(ref)
      await store.markDone(ref)
      assert.equal(await store.removePrefix(bucket, 'nothing/'), 0)
      assert.deepEqual(await keys('nothing/'), [])
      assert.equal(await store.head({ bucket: 'no-such-bucket', key: 'a' }), null)
    })

    must('replaces bytes and attributes together', async () => {
      const [old, fresh] = [randomBytes(1000), randomBytes(1000)]
      await hold('again.bin', old)
      const stored = await hold('again.bin', fresh, { content_type: 'image/png' })
      assert.equal(stored.etag, md5(fresh))
      assert.deepEqual(await store.head({ bucket, key: 'again.bin' }), stored)
      assert.equal(stored.content_type, 'image/png')
      assert.ok(fresh.equals(await bytesAt('again.bin')))
    })

    must('removes', async () => {
      await hold('gone/one', randomBytes(10))
      await hold('gone/two', randomBytes(10))
      await store.remove({ bucket, key: 'gone/one' })
      await store.remove({ bucket, key: 'gone/one' })
      assert.equal(await store.head({ bucket, key: 'gone/one' }), null)
      assert.deepEqual(await keys('gone/'), ['gone/two'])
    })

    must('lists by key, whatever the folders', async () => {
      const mixed = ['l/b', 'l/a/2', 'l/a/1', 'l/a-b', 'l/a.b', 'l/a0', 'l/B', 'l/z/y/x']
      for (const key of mixed) await hold(key, randomBytes(3))
      assert.deepEqual(await keys('l/'), [...mixed].sort())
      assert.deepEqual(await keys('l/a/'), ['l/a/1', 'l/a/2'])
      assert.deepEqual(await keys('l/a'), ['l/a-b', 'l/a.b', 'l/a/1', 'l/a/2', 'l/a0'])
      assert.deepEqual(await keys('l/none'), [])
      const [first] = await all(store.list(bucket, 'l/z/'))
      assert.deepEqual([first?.ref, first?.size], [{ bucket, key: 'l/z/y/x' }, 3])
    })

    must('removes a prefix and not its neighbours', async () => {
      for (const key of ['p/a/1', 'p/a/v1/2', 'p/ab/1', 'p/a-b', 'p/b']) await hold(key, randomBytes(3))
      assert.equal(await store.removePrefix(bucket, 'p/a/'), 2)
      assert.deepEqual(await keys('p/'), ['p/a-b', 'p/ab/1', 'p/b'])
      await hold('p/a/1', randomBytes(3))
      assert.deepEqual(await keys('p/a/'), ['p/a/1'])
    })

    must('refuses keys that are not ours', async () => {
      const hostile = [
        '',
        '/',
        '/a',
        'a/',
        'a//b',
        '.',
        '..',
        '../a',
        'a/../../b',
        'a/..',
        './a',
        '.hidden',
        'a/.b',
        'a\\b',
      ]
      for (const key of [...hostile, 'a b', 'a\0b', 'a%2e', 'ä', 'a\nb', '~', 'x'.repeat(2000), '$(id)']) {
        const ref = { bucket, key }
        const bytes = await store.stage(pieces(randomBytes(10), 10))
        await assert.rejects(bytes.commit(ref, put), hasCode('internal'), JSON.stringify(key))
        await assert.rejects(store.head(ref), hasCode('internal'))
        await assert.rejects(store.get(ref), hasCode('internal'))
        await assert.rejects(store.remove(ref), hasCode('internal'))
      }
      for (const prefix of ['', 'a', '../', '/', 'a/../', './']) {
        await assert.rejects(store.removePrefix(bucket, prefix), hasCode('internal'), JSON.stringify(prefix))
      }
      await assert.rejects(store.head({ bucket: '..', key: 'a' }), hasCode('internal'))
      assert.deepEqual(await opened.unfinished(), [])
    })

    must('stores a local file, small and large', async () => {
      for (const size of [0, 5 * kib, 12 * mib]) {
        const bytes = randomBytes(size)
        const path = join(folder, `local-${size}`)
        await writeFile(path, bytes)
        const stored = await store.putFile({ bucket, key: `files/${size}` }, path, put)
        assert.equal(stored.size, size)
        assert.match(stored.etag, /^[0-9a-f]{32}(-\d+)?$/)
        if (!stored.etag.includes('-')) assert.equal(stored.etag, md5(bytes))
        assert.ok(bytes.equals(await bytesAt(`files/${size}`)))
      }
    })

    must('holds staged bytes under no name', async () => {
      const bytes = randomBytes(200 * kib)
      const staged = await store.stage(pieces(bytes, 3333))
      assert.deepEqual([staged.size, staged.etag], [bytes.length, md5(bytes)])
      assert.deepEqual(await keys('staged/'), [])
      await staged.discard()
      await staged.discard()
      assert.deepEqual(await opened.unfinished(), [])
      await assert.rejects(staged.commit({ bucket, key: 'staged/late' }, put), hasCode('internal'))
    })

    must('shows the head once, before more is taken', async () => {
      const bytes = randomBytes(300 * kib)
      for (const size of [0, 10, 64 * kib, 300 * kib]) {
        const seen: { head: Buffer; pulled: number }[] = []
        let pulled = 0
        const counted = async function* () {
          for await (const piece of pieces(bytes.subarray(0, size), 1000)) {
            pulled += piece.length
            yield piece
          }
        }
        const onHead = (head: Uint8Array) => void seen.push({ head: Buffer.from(head), pulled })
        await (await store.stage(counted(), { onHead })).discard()
        assert.equal(seen.length, 1)
        assert.ok(seen[0]?.head.equals(bytes.subarray(0, Math.min(size, 64 * kib))))
        assert.ok((seen[0]?.pulled ?? 0) <= 66 * kib)
      }
    })

    must('ends with what onHead throws', async () => {
      const refusal = new MediaError('unsupported_media', 'no')
      for (const size of [10, 300 * kib]) {
        const onHead = () => Promise.reject(refusal)
        await assert.rejects(store.stage(pieces(randomBytes(size), 1000), { onHead }), refusal)
      }
      assert.deepEqual(await opened.unfinished(), [])
    })

    must('passes on what the source throws and leaves nothing', async () => {
      const cut = new MediaError('upload_interrupted', 'cut')
      for (const good of [0, 1, 100, 3000]) {
        const broken = async function* () {
          for (let count = 0; count < good; count++) yield randomBytes(1000)
          throw cut
        }
        await assert.rejects(store.stage(broken()), cut)
      }
      assert.deepEqual(await opened.unfinished(), [])
    })

    must('stops at the limit, at once', async () => {
      const bytes = randomBytes(100_000)
      const exact = await store.stage(pieces(bytes, 1000), { limit: 100_000 })
      await exact.discard()
      let pulled = 0
      const endless = async function* () {
        for (;;) {
          pulled += 1000
          yield bytes.subarray(0, 1000)
        }
      }
      await assert.rejects(store.stage(endless(), { limit: 99_999 }), hasCode('too_large'))
      assert.equal(pulled, 100_000)
      assert.deepEqual(await opened.unfinished(), [])
    })

    must('can be stopped, even while the source is stuck', async () => {
      for (const before of [0, 10, 5000]) {
        const stop = new AbortController()
        const reason = new Error('stopped')
        const stuck = async function* () {
          for (let count = 0; count < before; count++) yield bytes
          setImmediate(() => stop.abort(reason))
          await new Promise<never>(() => {})
        }
        const bytes = randomBytes(1000)
        await assert.rejects(store.stage(stuck(), { signal: stop.signal }), reason)
      }
      const never = () =>
        (async function* (): AsyncIterable<Uint8Array> {
          await new Promise<never>(() => {})
          yield randomBytes(1)
        })()
      for (const later of [(work: () => void) => work(), setImmediate, queueMicrotask, process.nextTick]) {
        const stop = new AbortController()
        const refused = assert.rejects(store.stage(never(), { signal: stop.signal }), /at the start/)
        later(() => stop.abort(new Error('at the start')))
        await refused
      }
      await assert.rejects(
        store.stage(pieces(randomBytes(10), 1), { signal: AbortSignal.abort(new Error('early')) }),
        /early/,
      )
      assert.deepEqual(await opened.unfinished(), [])
    })

    must('lets a reader leave at any point', async () => {
      await hold('left.bin', randomBytes(3 * mib))
      for (let count = 0; count < 20; count++) {
        const { body } = await store.get({ bucket, key: 'left.bin' })
        for await (const chunk of body) {
          assert.ok(chunk.length >= 64 * kib)
          break
        }
        const unread = (await store.get({ bucket, key: 'left.bin' })).body[Symbol.asyncIterator]()
        await unread.return?.()
        assert.equal((await unread.next()).done, true)
      }
      const stop = new AbortController()
      const { body } = await store.get({ bucket, key: 'left.bin' }, { signal: stop.signal })
      const reading = body[Symbol.asyncIterator]()
      await reading.next()
      stop.abort(new Error('reader left'))
      await assert.rejects(reading.next(), /reader left/)
    })

    must('keeps many at a time apart', async () => {
      const all = Array.from({ length: 40 }, (_, n) => ({ key: `many/${n % 7}/${n}`, bytes: randomBytes(n * 20_000) }))
      const stored = await Promise.all(all.map(({ key, bytes }) => hold(key, bytes)))
      for (const [n, { key, bytes }] of all.entries()) {
        assert.equal(stored[n]?.etag, md5(bytes))
        assert.ok(bytes.equals(await bytesAt(key)))
      }
      const same = await Promise.all(all.map(({ bytes }) => hold('many/same', bytes)))
      const winner = await store.head({ bucket, key: 'many/same' })
      assert.ok(same.some(({ etag }) => etag === winner?.etag))
      assert.equal(md5(await bytesAt('many/same')), winner?.etag)
    })

    must('removes and puts under one prefix at a time', async () => {
      const work = Array.from({ length: 30 }, async (_, n) => {
        if (n % 3 === 2) await store.removePrefix(bucket, 'race/a/')
        else await hold(`race/a/v${n % 2}/${n}`, randomBytes(100))
      })
      await Promise.all(work)
      for (const key of await keys('race/')) assert.equal((await bytesAt(key)).length, 100)
      await store.removePrefix(bucket, 'race/a/')
      assert.deepEqual(await keys('race/'), [])
    })

    must('takes 300 MB in flat memory', async () => {
      const piece = randomBytes(64 * kib)
      const count = 4800
      const hash = createHash('md5')
      const base = process.memoryUsage().rss
      let peak = base
      const source = async function* () {
        for (let sent = 0; sent < count; sent++) {
          hash.update(piece)
          if (sent % 50 === 0) peak = Math.max(peak, process.memoryUsage().rss)
          yield piece
        }
      }
      const staged = await store.stage(source())
      assert.equal(staged.etag, hash.digest('hex'))
      await staged.discard()
      assert.ok(peak - base < 96 * mib, `${Math.round((peak - base) / mib)} MiB more`)
    })

    must('says whether it would take a write', async () => await store.ping())

    test('every exception is of a test that exists', () => {
      assert.deepEqual(
        Object.keys(exceptions).filter((title) => !given.has(title)),
        [],
      )
    })
  })
}

export function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex')
}

export async function* pieces(bytes: Uint8Array, size: number): AsyncIterable<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size)
}

export async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await all(body))
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

export function hasCode(code: string): (error: unknown) => boolean {
  return (error) => codeOf(error) === code
}
