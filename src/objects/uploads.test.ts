import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import {
  appendFile,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { systemClock } from '../media/clock.ts'
import { appendInCuts } from './conformance-append.ts'
import { all, collect, etagOfPieces, hasCode, pieces, slices } from './conformance-kit.ts'
import { openFilesystemObjects } from './filesystem.ts'
import { hasPresignedDoor, type UploadRef } from './port.ts'

const bucket = 'b'
const type = { content_type: 'video/mp4' }

/** What is special about parts in one file; what every engine must do is in the conformance suite. */
describe('filesystem uploads', () => {
  let root: string
  let now = 1_000_000
  /** Sleeps a thousand times shorter than asked. */
  const clock = { now: () => now, sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms / 1_000, signal) }
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'uploads-'))
  })
  after(async () => await rm(root, { recursive: true, force: true }))

  const open = async (name: string, options: { hashing?: 'off' } = {}) =>
    await openFilesystemObjects({ root: join(root, name), clock, ...options })
  type Store = Awaited<ReturnType<typeof open>>
  const folderOf = (name: string, { upload_id }: UploadRef) => join(root, name, '.uploads', upload_id)
  const begin = (store: Store, key: string, part_size: number | null = 1000) =>
    store.beginUpload({ bucket, key }, { ...type, part_size })
  const send = (store: Store, upload: UploadRef, part_number: number, bytes: Uint8Array) =>
    store.putPart(upload, { part_number, source: pieces(bytes, 300), size: bytes.length })
  const bytesOf = async (store: Store, upload: UploadRef) => await collect((await store.get(upload.ref)).body)

  test('parts lie at their place in one file from the start', async () => {
    const store = await open('place')
    const upload = await begin(store, 'a')
    const bytes = randomBytes(2500)
    const [one = bytes, two = bytes, three = bytes] = slices(bytes, 1000)
    await send(store, upload, 3, three)
    await send(store, upload, 1, one)
    await send(store, upload, 2, two)
    assert.ok(bytes.equals(await readFile(join(folderOf('place', upload), 'data'))))
    await store.completeUpload(upload)
    assert.ok(bytes.equals(await readFile(join(root, 'place', bucket, 'a'))))
    await store.close()
  })

  test('any cutting of small parts into appends, with restarts between, gives the same', async () => {
    let store = await open('cuts')
    const suite = {
      get store() {
        return store
      },
      opened: {
        reopen: async () => {
          await store.close()
          store = await open('cuts')
        },
      },
    }
    let run = 0
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4000 }),
        fc.uint8Array({ minLength: 1, maxLength: 9000, size: 'max' }),
        fc.array(fc.record({ at: fc.nat(9000), broken: fc.boolean() }), { maxLength: 5 }),
        fc.integer({ min: 1, max: 3000 }),
        async (part_size, array, cuts, piece) => {
          const bytes = Buffer.from(array)
          fc.pre(bytes.length / part_size < 60)
          const within = cuts.map(({ at, broken }) => ({ at: Math.min(at, bytes.length), broken }))
          const upload = await begin(store, `run-${++run}`, part_size)
          await appendInCuts(suite, upload, { bytes, cuts: within, piece })
          assert.equal((await store.head(upload.ref))?.etag, etagOfPieces(bytes, part_size))
          assert.ok(bytes.equals(await bytesOf(store, upload)))
        },
      ),
      { numRuns: 40 },
    )
    await store.close()
  })

  test('a journal torn anywhere holds what was whole before', async () => {
    const store = await open('torn')
    const upload = await begin(store, 'a')
    const ends: number[] = []
    const path = join(folderOf('torn', upload), 'parts.log')
    for (const n of [1, 2, 3]) {
      await send(store, upload, n, randomBytes(n * 10))
      ends.push((await readFile(path)).length)
    }
    await store.close()
    const whole = await readFile(path)
    for (let length = 0; length <= whole.length; length++) {
      await writeFile(path, whole.subarray(0, length))
      const torn = await open('torn')
      const { parts } = await torn.heldOf(upload)
      assert.equal(parts.length, ends.filter((end) => end <= length).length, `${length} bytes`)
      await send(torn, upload, 9, randomBytes(10))
      assert.equal((await torn.heldOf(upload)).parts.at(-1)?.part_number, 9)
      await torn.close()
    }
    await writeFile(path, whole)
    await appendFile(path, Buffer.alloc(4096))
    const zeroed = await open('torn')
    assert.equal((await zeroed.heldOf(upload)).parts.length, 3)
    await zeroed.close()
  })

  test('completing goes on after a crash at any step', async () => {
    const bytes = randomBytes(2500)
    const parts = slices(bytes, 1000)
    for (const step of ['begun', 'truncated', 'attributes', 'renamed'] as const) {
      const name = `crash-${step}`
      const first = await open(name)
      const upload = await begin(first, 'a/b')
      for (const [index, part] of [...parts, randomBytes(20)].entries()) await send(first, upload, index + 1, part)
      const named = (await first.heldOf(upload)).parts.slice(0, 3)
      await cp(folderOf(name, upload), join(root, 'kept', step), { recursive: true })
      await first.completeUpload(upload, named)
      await first.close()
      // As a crash would have left it: the upload's folder is there again, and of the object what the step had made.
      await cp(join(root, 'kept', step), folderOf(name, upload), { recursive: true })
      const object = join(root, name, bucket, 'a')
      if (step === 'begun' || step === 'truncated') await unlink(join(object, '.b.json'))
      if (step !== 'renamed') await unlink(join(object, 'b'))
      else await unlink(join(folderOf(name, upload), 'data'))
      if (step === 'truncated') {
        const journal = join(folderOf(name, upload), 'parts.log')
        const again = await open(name)
        await again.heldOf(upload)
        await again.close()
        const lines = (await readFile(journal, 'latin1')).split('\n').filter((line) => !line.includes('"n":4'))
        await writeFile(journal, lines.join('\n'))
        await truncate(join(folderOf(name, upload), 'data'), 2500)
      }
      const second = await open(name)
      if (step === 'renamed') await assert.rejects(second.completeUpload(upload, named), hasCode('not_found'))
      else await second.completeUpload(upload, named)
      assert.equal((await second.head(upload.ref))?.etag, etagOfPieces(bytes, 1000))
      assert.ok(bytes.equals(await bytesOf(second, upload)))
      await assert.rejects(second.heldOf(upload), hasCode('not_found'))
      assert.deepEqual(await readdir(join(root, name, '.uploads')), [])
      await second.close()
    }
  })

  test('a completion that cannot be stored loses nothing', async () => {
    const store = await open('unstored')
    const bytes = randomBytes(1500)
    const upload = await begin(store, 'in/the/way')
    for (const [index, part] of slices(bytes, 1000).entries()) await send(store, upload, index + 1, part)
    const inTheWay = join(root, 'unstored', bucket, 'in/the/.way.json')
    await mkdir(inTheWay, { recursive: true })
    await assert.rejects(store.completeUpload(upload), hasCode('internal'))
    await rm(inTheWay, { recursive: true })
    assert.equal((await store.heldOf(upload)).offset, 1500)
    await store.completeUpload(upload)
    assert.ok(bytes.equals(await bytesOf(store, upload)))
    await store.close()
  })

  test('what a slow sender has sent is durable soon, though he goes on', async () => {
    const store = await open('slow')
    const upload = await begin(store, 'a', 1_000_000)
    const gate = Promise.withResolvers<void>()
    const bytes = randomBytes(5000)
    const slow = async function* () {
      yield bytes.subarray(0, 100)
      await until(async () => (await store.heldOf(upload)).offset === 100)
      yield bytes.subarray(100, 3000)
      await until(async () => (await store.heldOf(upload)).offset === 3000)
      await gate.promise
      yield bytes.subarray(3000)
    }
    const appended = store.append(upload, slow(), { offset: 0 })
    await until(async () => (await store.heldOf(upload)).offset === 3000)
    const beside = await openFilesystemObjects({ root: join(root, 'slow'), clock, owns: false })
    assert.equal((await beside.heldOf(upload)).offset, 3000)
    await beside.close()
    gate.resolve()
    assert.equal(await appended, 5000)
    assert.equal((await store.completeUpload(upload)).etag, etagOfPieces(bytes, 1_000_000))
    assert.ok(bytes.equals(await bytesOf(store, upload)))
    await store.close()
  })

  test('a sender that is stuck gives way to one that sends the same', async () => {
    const store = await open('stuck')
    const upload = await begin(store, 'a')
    const reached = Promise.withResolvers<void>()
    const stuck = async function* () {
      yield randomBytes(10)
      reached.resolve()
      await new Promise<never>(() => {})
    }
    const gone = assert.rejects(
      store.putPart(upload, { part_number: 1, source: stuck(), size: 1000 }),
      hasCode('upload_interrupted'),
    )
    await reached.promise
    const bytes = randomBytes(1000)
    const sent = send(store, upload, 1, bytes)
    const left = new AbortController()
    const leaving = assert.rejects(
      store.putPart(upload, { part_number: 1, source: pieces(bytes, 10), size: 1000, signal: left.signal }),
      /left the queue/,
    )
    left.abort(new Error('left the queue'))
    await leaving
    now += 6_000
    await Promise.all([gone, sent])
    await store.completeUpload(upload)
    assert.ok(bytes.equals(await bytesOf(store, upload)))
    await store.close()
  })

  test('when no size was said, the last part may come first', async () => {
    const mib = 2 ** 20
    const store = await open('widened')
    for (const [name, size, last] of [
      ['apart', 7 * mib, 100],
      ['overlapping', 7 * mib, 6 * mib + 5],
      ['beside itself', 13 * mib, 6 * mib],
    ] as const) {
      const bytes = randomBytes(2 * size + last)
      const parts = slices(bytes, size)
      const upload = await begin(store, name.replace(' ', '-'), null)
      const sending = [2, 0, 1].map((n) => send(store, upload, n + 1, parts[n] ?? bytes))
      await Promise.all(sending)
      assert.equal((await store.completeUpload(upload)).etag, etagOfPieces(bytes, size), name)
      assert.ok(bytes.equals(await bytesOf(store, upload)))
    }
    const uneven = await begin(store, 'uneven', null)
    for (const n of [1, 2]) await send(store, uneven, n, randomBytes(6 * mib))
    await assert.rejects(send(store, uneven, 3, randomBytes(7 * mib)), hasCode('size_mismatch'))
    assert.equal((await store.heldOf(uneven)).parts.length, 2)
    await store.abortUpload(uneven)
    await store.close()
  })

  test('10 000 parts are no burden', async () => {
    const store = await open('many')
    const upload = await begin(store, 'a', 10)
    const bytes = randomBytes(100_000)
    const parts = slices(bytes, 10)
    for (let start = 0; start < parts.length; start += 1000) {
      await Promise.all(parts.slice(start, start + 1000).map((part, n) => send(store, upload, start + n + 1, part)))
    }
    await store.close()
    const again = await open('many')
    const from = performance.now()
    const { parts: held } = await again.heldOf(upload)
    assert.equal(held.length, 10_000)
    await again.heldOf(upload)
    const took = performance.now() - from
    assert.ok(took < 1_000, `listing took ${Math.round(took)} ms`)
    assert.equal((await again.completeUpload(upload, held)).etag, etagOfPieces(bytes, 10))
    assert.ok(bytes.equals(await bytesOf(again, upload)))
    await again.close()
  })

  test('expires uploads that were never completed', async () => {
    const store = await open('expiring')
    now = 1_000_000
    const old = await begin(store, 'old')
    await send(store, old, 1, randomBytes(10))
    const other = await store.beginUpload({ bucket: 'other', key: 'old' }, { ...type, part_size: null })
    now = 2_000_000
    const fresh = await begin(store, 'fresh')
    await rename(join(folderOf('expiring', fresh), 'upload.json'), join(root, 'about'))
    assert.deepEqual(await all(store.expire(bucket, { doneBefore: 0, anyBefore: 1_500_000 })), [])
    await rename(join(root, 'about'), join(folderOf('expiring', fresh), 'upload.json'))
    await assert.rejects(store.heldOf(old), hasCode('not_found'))
    await store.heldOf(other)
    await store.heldOf(fresh)
    await rm(join(folderOf('expiring', fresh), 'upload.json'))
    await all(store.expire(bucket, { doneBefore: 0, anyBefore: Date.parse('2999-01-01') }))
    assert.deepEqual(await readdir(join(root, 'expiring', '.uploads')), [other.upload_id])
    await store.close()
  })

  test('without hashing, ETags are opaque, and parts are told apart all the same', async () => {
    const store = await open('opaque', { hashing: 'off' })
    const upload = await begin(store, 'a')
    const first = await send(store, upload, 1, Buffer.alloc(1000))
    const again = await send(store, upload, 1, Buffer.alloc(1000))
    assert.match(first.etag, /^[0-9a-f]{32}$/)
    assert.notEqual(first.etag, again.etag)
    await assert.rejects(store.completeUpload(upload, [first]), hasCode('invalid_parts'))
    assert.match((await store.completeUpload(upload, [again])).etag, /^[0-9a-f]{32}-1$/)
    const appended = await begin(store, 'b')
    await store.append(appended, pieces(Buffer.alloc(2500), 100), { offset: 0 })
    assert.match((await store.completeUpload(appended)).etag, /^[0-9a-f]{32}-3$/)
    await store.close()
  })

  test('addresses are given by a store that has been told how', async () => {
    assert.equal(hasPresignedDoor(await open('unsigned')), false)
    const presign = { baseUrl: () => 'http://x', secret: randomBytes(32) }
    const store = await openFilesystemObjects({ root: join(root, 'signed'), clock, presign })
    assert.equal(hasPresignedDoor(store), true)
  })
})

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await systemClock.sleep(2)
}
