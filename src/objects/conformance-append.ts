import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { MediaError } from '../media/errors.ts'
import { bucket, etagOfPieces, hasCode, kib, mib, type Opened, pieces, put, type Suite } from './conformance-kit.ts'
import type { ObjectStore, UploadRef } from './port.ts'

const partSize = 5 * mib

/** Objects whose bytes are appended, over broken lines. */
export function describeAppending(suite: Suite): void {
  const { must, bytesAt } = suite

  async function begin(key: string, part_size: number | null = partSize): Promise<UploadRef> {
    return await suite.store.beginUpload({ bucket, key }, { ...put, part_size })
  }

  must('gives the same object however its bytes were cut into appends', async () => {
    const bytes = randomBytes(2 * partSize + 300 * kib)
    const cuts = fc.array(fc.record({ at: fc.nat(bytes.length), broken: fc.boolean() }), { maxLength: 6 })
    let run = 0
    await fc.assert(
      fc.asyncProperty(cuts, fc.integer({ min: 30_000, max: 3 * mib }), async (given, piece) => {
        const key = `append/any-${++run}`
        await appendInCuts(suite, await begin(key), { bytes, cuts: given, piece })
        assert.equal((await suite.store.head({ bucket, key }))?.etag, etagOfPieces(bytes, partSize))
        assert.ok(bytes.equals(await bytesAt(key)))
        await suite.store.remove({ bucket, key })
      }),
      { numRuns: 12 },
    )
    assert.deepEqual(await suite.opened.unfinished(), [])
  })

  must('cuts what no part size was said for into parts of 8 MiB', async () => {
    const bytes = randomBytes(9 * mib)
    const upload = await begin('append/unsaid', null)
    assert.equal(await suite.store.append(upload, pieces(bytes, 65_536), { offset: 0 }), bytes.length)
    const { parts } = await suite.store.heldOf(upload)
    assert.deepEqual(
      parts.map(({ size }) => size),
      [8 * mib, mib],
    )
    assert.equal((await suite.store.completeUpload(upload)).etag, etagOfPieces(bytes, 8 * mib))
  })

  must('goes on only where it stopped', async () => {
    const upload = await begin('append/offset')
    const append = (offset: number, size: number) =>
      suite.store.append(upload, pieces(randomBytes(size), 1000), { offset })
    for (const offset of [1, -1]) await assert.rejects(append(offset, 10), hasCode('wrong_offset'))
    assert.equal(await append(0, 0), 0)
    assert.equal(await append(0, 5000), 5000)
    for (const offset of [0, 4999, 5001]) await assert.rejects(append(offset, 10), hasCode('wrong_offset'))
    assert.equal(await append(5000, 0), 5000)
    assert.equal((await suite.store.heldOf(upload)).offset, 5000)
    await suite.store.abortUpload(upload)
  })

  must('keeps what came before the source threw', async () => {
    const upload = await begin('append/threw')
    const bytes = randomBytes(partSize + 100_000)
    const cut = new MediaError('upload_interrupted', 'cut')
    const broken = async function* () {
      yield* pieces(bytes, 50_000)
      throw cut
    }
    await assert.rejects(suite.store.append(upload, broken(), { offset: 0 }), cut)
    await suite.opened.reopen()
    assert.equal((await suite.store.heldOf(upload)).offset, bytes.length)
    assert.equal((await suite.store.completeUpload(upload)).etag, etagOfPieces(bytes, partSize))
    assert.ok(bytes.equals(await bytesAt('append/threw')))
  })

  must('keeps what came before it was stopped', async () => {
    const upload = await begin('append/stopped')
    const stop = new AbortController()
    const stuck = async function* () {
      yield randomBytes(1000)
      setImmediate(() => stop.abort(new Error('the sender left')))
      await new Promise<never>(() => {})
    }
    await assert.rejects(suite.store.append(upload, stuck(), { offset: 0, signal: stop.signal }), /the sender left/)
    assert.equal((await suite.store.heldOf(upload)).offset, 1000)
    await suite.store.abortUpload(upload)
  })

  must('keeps what fits when more comes than may', async () => {
    const upload = await begin('append/limit')
    const bytes = randomBytes(3000)
    const append = (from: number, to: number) =>
      suite.store.append(upload, pieces(bytes.subarray(from, to), 700), { offset: from, limit: 2500 })
    assert.equal(await append(0, 1000), 1000)
    await assert.rejects(append(1000, 3000), hasCode('too_large'))
    assert.equal((await suite.store.heldOf(upload)).offset, 2500)
    await assert.rejects(append(2500, 2501), hasCode('too_large'))
    assert.equal(await append(2500, 2500), 2500)
    await suite.store.completeUpload(upload)
    assert.ok(bytes.subarray(0, 2500).equals(await bytesAt('append/limit')))
  })

  must('sends away who still appends when the upload ends', async () => {
    for (const ending of ['complete', 'abort'] as const) {
      const upload = await begin(`append/straggler-${ending}`)
      const bytes = randomBytes(1000)
      await suite.store.append(upload, pieces(bytes, 1000), { offset: 0 })
      const reached = Promise.withResolvers<void>()
      const passed = Promise.withResolvers<void>()
      const slow = async function* () {
        reached.resolve()
        await passed.promise
        yield randomBytes(1000)
      }
      const late = assert.rejects(suite.store.append(upload, slow(), { offset: 1000 }), hasCode('not_found'))
      await reached.promise
      const end = ending === 'complete' ? suite.store.completeUpload(upload) : suite.store.abortUpload(upload)
      setImmediate(passed.resolve)
      await Promise.all([end, late])
      if (ending === 'complete') assert.ok(bytes.equals(await bytesAt(upload.ref.key)))
      assert.deepEqual(await suite.opened.unfinished(), [])
    }
  })
}

type Reopened = { store: ObjectStore; opened: Pick<Opened, 'reopen'> }

interface Cuts {
  bytes: Uint8Array
  /** Where an append ends, and whether its source breaks there. */
  cuts: { at: number; broken: boolean }[]
  /** Bytes of a chunk. */
  piece: number
}

/** Appends bytes in pieces, asking each time how far it came, and completes. */
export async function appendInCuts(suite: Reopened, upload: UploadRef, { bytes, cuts, piece }: Cuts): Promise<void> {
  const ends = [...cuts, { at: bytes.length, broken: false }].sort((a, b) => a.at - b.at)
  for (const { at, broken } of ends) {
    const { offset } = await suite.store.heldOf(upload)
    const source = async function* () {
      yield* pieces(bytes.subarray(offset, at), piece)
      if (broken) throw new MediaError('upload_interrupted', 'cut')
    }
    const appended = suite.store.append(upload, source(), { offset })
    if (broken) {
      await assert.rejects(appended, hasCode('upload_interrupted'))
      await suite.opened.reopen()
    } else assert.equal(await appended, at)
  }
  await suite.store.completeUpload(upload)
}
