import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { MediaError } from '../media/errors.ts'
import { bucket, etagOfPieces, hasCode, mib, pieces, put, type Suite, slices } from './conformance-kit.ts'
import { type Part, partLimit, type UploadRef } from './port.ts'

const partSize = 5 * mib

/** Objects that come in parts, in any order. */
export function describeParts(suite: Suite): void {
  const { must, bytesAt, keys } = suite

  async function begin(key: string, part_size: number | null = partSize): Promise<UploadRef> {
    return await suite.store.beginUpload({ bucket, key }, { ...put, part_size })
  }
  async function send(upload: UploadRef, part_number: number, bytes: Uint8Array): Promise<Part> {
    return await suite.store.putPart(upload, { part_number, source: pieces(bytes, 65_536), size: bytes.length })
  }
  async function sendAll(upload: UploadRef, parts: readonly Uint8Array[]): Promise<Part[]> {
    return await Promise.all(parts.map((bytes, index) => send(upload, index + 1, bytes)))
  }
  const numbers = async (upload: UploadRef) =>
    (await suite.store.heldOf(upload)).parts.map(({ part_number }) => part_number)

  must('makes one object of parts sent in any order and at a time', async () => {
    const bytes = randomBytes(3 * partSize + 17)
    const parts = slices(bytes, partSize)
    const upload = await begin('parts/any.mp4')
    const sent = await Promise.all([2, 4, 1, 3].map((n) => send(upload, n, parts[n - 1] ?? bytes)))
    const held = await suite.store.heldOf(upload)
    assert.deepEqual(
      held.parts,
      sent.toSorted((a, b) => a.part_number - b.part_number),
    )
    assert.equal(held.offset, bytes.length)
    assert.equal(await suite.store.head(upload.ref), null)
    assert.deepEqual(await keys('parts/'), [])
    const { last_modified, ...fixed } = await suite.store.completeUpload(upload, held.parts)
    assert.deepEqual(fixed, {
      ref: upload.ref,
      size: bytes.length,
      etag: etagOfPieces(bytes, partSize),
      content_type: 'video/mp4',
    })
    assert.deepEqual(await suite.store.head(upload.ref), { ...fixed, last_modified })
    assert.ok(bytes.equals(await bytesAt('parts/any.mp4')))
    assert.deepEqual(await keys('parts/'), ['parts/any.mp4'])
    assert.deepEqual(await suite.opened.unfinished(), [])
  })

  must('takes one part for a whole object', async () => {
    const bytes = randomBytes(100)
    const upload = await begin('parts/one')
    await send(upload, 1, bytes)
    assert.equal((await suite.store.completeUpload(upload)).etag, etagOfPieces(bytes, partSize))
    assert.ok(bytes.equals(await bytesAt('parts/one')))
  })

  must('puts a part in the place of the one before', async () => {
    const bytes = randomBytes(partSize + 1000)
    const [first = bytes, last = bytes] = slices(bytes, partSize)
    const upload = await begin('parts/replaced')
    await sendAll(upload, [randomBytes(partSize), randomBytes(2000)])
    const [again] = await sendAll(upload, [first, last])
    assert.deepEqual((await suite.store.heldOf(upload)).parts[0], again)
    assert.equal((await suite.store.completeUpload(upload)).etag, etagOfPieces(bytes, partSize))
    assert.ok(bytes.equals(await bytesAt('parts/replaced')))
  })

  must('has no part when sending it again was cut', async () => {
    const bytes = randomBytes(2 * partSize)
    const [first = bytes, second = bytes] = slices(bytes, partSize)
    const upload = await begin('parts/cut')
    const sent = await sendAll(upload, [first, second])
    const cut = new MediaError('upload_interrupted', 'cut')
    const broken = async function* () {
      yield randomBytes(2 * mib)
      throw cut
    }
    await assert.rejects(suite.store.putPart(upload, { part_number: 2, source: broken(), size: partSize }), cut)
    assert.deepEqual(await numbers(upload), [1])
    await assert.rejects(suite.store.completeUpload(upload, sent), hasCode('invalid_parts'))
    await send(upload, 2, second)
    await suite.store.completeUpload(upload, sent)
    assert.ok(bytes.equals(await bytesAt('parts/cut')))
  })

  must('keeps two senders of one part apart: the later one stands', async () => {
    const upload = await begin('parts/two')
    const [early, late] = [randomBytes(partSize), randomBytes(partSize)]
    const gate = openGate()
    const held = async function* () {
      yield early.subarray(0, mib)
      await gate.passed
      yield early.subarray(mib)
    }
    const first = suite.store.putPart(upload, { part_number: 1, source: held(), size: partSize })
    await gate.reached
    const second = send(upload, 1, late)
    gate.open()
    const [, stands] = await Promise.all([first, second])
    assert.deepEqual((await suite.store.heldOf(upload)).parts, [stands])
    await suite.store.completeUpload(upload, [stands])
    assert.ok(late.equals(await bytesAt('parts/two')))
  })

  must('sends away who still sends a part when the upload ends', async () => {
    for (const ending of ['complete', 'abort'] as const) {
      const bytes = randomBytes(partSize)
      const upload = await begin(`parts/straggler-${ending}`)
      await send(upload, 1, bytes)
      const gate = openGate()
      const slow = async function* () {
        yield randomBytes(2 * mib)
        await gate.passed
        yield randomBytes(partSize - 2 * mib)
      }
      const late = [1, 2].map((part_number) =>
        assert.rejects(
          suite.store.putPart(upload, { part_number: part_number + 1, source: slow(), size: partSize }),
          hasCode('not_found'),
        ),
      )
      await gate.reached
      const end = ending === 'complete' ? suite.store.completeUpload(upload) : suite.store.abortUpload(upload)
      setImmediate(gate.open)
      await Promise.all([end, ...late])
      await assert.rejects(send(upload, 1, bytes), hasCode('not_found'))
      if (ending === 'complete') assert.ok(bytes.equals(await bytesAt(upload.ref.key)))
      else assert.equal(await suite.store.head(upload.ref), null)
      assert.deepEqual(await suite.opened.unfinished(), [])
    }
  })

  must('completes once', async () => {
    const bytes = randomBytes(1000)
    const upload = await begin('parts/once')
    const parts = await sendAll(upload, [bytes])
    const all = await Promise.allSettled([1, 2, 3].map(() => suite.store.completeUpload(upload, parts)))
    assert.equal(all.filter(({ status }) => status === 'fulfilled').length, 1)
    for (const one of all) if (one.status === 'rejected') assert.ok(hasCode('not_found')(one.reason))
    await assert.rejects(suite.store.completeUpload(upload, parts), hasCode('not_found'))
    await assert.rejects(suite.store.heldOf(upload), hasCode('not_found'))
    await suite.store.abortUpload(upload)
    assert.ok(bytes.equals(await bytesAt('parts/once')))
  })

  must('refuses to complete what is not whole, and goes on', async () => {
    const bytes = randomBytes(partSize + 1000)
    const upload = await begin('parts/refused')
    await assert.rejects(suite.store.completeUpload(upload), hasCode('invalid_parts'))
    const [one, two] = await sendAll(upload, slices(bytes, partSize))
    assert.ok(one && two)
    const three = { part_number: 3, etag: one.etag }
    const other = { part_number: 2, etag: one.etag }
    for (const named of [[], [two], [one, two, three], [one, other], [one, one], [{ part_number: 2, etag: 'x' }]]) {
      await assert.rejects(suite.store.completeUpload(upload, named), hasCode('invalid_parts'), JSON.stringify(named))
    }
    assert.deepEqual(await numbers(upload), [1, 2])
    await suite.store.completeUpload(upload, [two, one])
    assert.ok(bytes.equals(await bytesAt('parts/refused')))
  })

  must('drops parts that are not named', async () => {
    const bytes = randomBytes(partSize + 1000)
    const upload = await begin('parts/dropped')
    const sent = await sendAll(upload, [...slices(bytes, partSize), randomBytes(70_000)])
    const { size } = await suite.store.completeUpload(upload, sent.slice(0, 2).reverse())
    assert.equal(size, bytes.length)
    assert.ok(bytes.equals(await bytesAt('parts/dropped')))
  })

  must('refuses a gap, and a short part before the last', async () => {
    const upload = await begin('parts/gap')
    await send(upload, 1, randomBytes(partSize))
    await send(upload, 3, randomBytes(10))
    assert.deepEqual((await suite.store.heldOf(upload)).offset, partSize)
    await assert.rejects(suite.store.completeUpload(upload), hasCode('invalid_parts'))
    await send(upload, 2, randomBytes(partSize - 1))
    await assert.rejects(suite.store.completeUpload(upload), hasCode('invalid_parts'))
    await suite.store.abortUpload(upload)
  })

  must('takes a part of exactly its size', async () => {
    const upload = await begin('parts/size')
    for (const [size, bytes] of [
      [100, 99],
      [100, 101],
      [100, 0],
      [0, 1],
      [partSize, partSize - 1],
      [partSize + 1, partSize + 1],
    ] as const) {
      const source = pieces(randomBytes(bytes), 65_536)
      const refused = suite.store.putPart(upload, { part_number: 1, source, size })
      await assert.rejects(refused, hasCode('size_mismatch'), `${bytes} of ${size}`)
      assert.deepEqual(await numbers(upload), [])
    }
    let pulled = 0
    const endless = async function* () {
      for (;;) {
        pulled += 1000
        yield new Uint8Array(1000)
      }
    }
    const refused = suite.store.putPart(upload, { part_number: 1, source: endless(), size: 100_000 })
    await assert.rejects(refused, hasCode('size_mismatch'))
    assert.equal(pulled, 101_000)
    await suite.store.abortUpload(upload)
  })

  must('takes the numbers that S3 takes', async () => {
    const upload = await begin('parts/numbers')
    for (const number of [0, -1, 1.5, Number.NaN, partLimit + 1]) {
      await assert.rejects(send(upload, number, randomBytes(10)), hasCode('invalid_parts'), String(number))
    }
    await send(upload, partLimit, randomBytes(10))
    assert.deepEqual(await numbers(upload), [partLimit])
    await suite.store.abortUpload(upload)
  })

  must('takes the first part for the size of all when none was said', async () => {
    const bytes = randomBytes(2 * (partSize + 7) + 10)
    const upload = await begin('parts/unsaid', null)
    const [first = bytes, ...others] = slices(bytes, partSize + 7)
    await send(upload, 1, first)
    await Promise.all(others.map((part, index) => send(upload, index + 2, part)))
    assert.equal((await suite.store.completeUpload(upload)).etag, etagOfPieces(bytes, partSize + 7))
    assert.ok(bytes.equals(await bytesAt('parts/unsaid')))
  })

  must('knows its uploads', async () => {
    const upload = await begin('parts/known')
    const strangers = [
      { ...upload, upload_id: 'f'.repeat(32) },
      { ...upload, upload_id: '../../etc/passwd' },
      { ...upload, upload_id: '' },
      { ...upload, ref: { bucket, key: 'parts/other' } },
      { ...upload, ref: { bucket: 'other-bucket', key: 'parts/known' } },
    ]
    for (const stranger of strangers) {
      const { store } = suite
      await assert.rejects(send(stranger, 1, randomBytes(10)), hasCode('not_found'))
      await assert.rejects(store.append(stranger, pieces(randomBytes(10), 10), { offset: 0 }), hasCode('not_found'))
      await assert.rejects(store.heldOf(stranger), hasCode('not_found'))
      await assert.rejects(store.completeUpload(stranger), hasCode('not_found'))
      await store.abortUpload(stranger)
    }
    assert.deepEqual(await suite.store.heldOf(upload), { parts: [], offset: 0 })
    for (const key of ['../a', '', 'a//b', '.hidden']) await assert.rejects(begin(key), hasCode('internal'))
    await suite.store.abortUpload(upload)
    await suite.store.abortUpload(upload)
    assert.deepEqual(await suite.opened.unfinished(), [])
  })

  must('can be stopped while it waits for a part', async () => {
    const upload = await begin('parts/stopped')
    for (const later of [(work: () => void) => work(), setImmediate]) {
      const stop = new AbortController()
      const stuck = async function* (): AsyncIterable<Uint8Array> {
        yield randomBytes(1000)
        await new Promise<never>(() => {})
      }
      const options = { part_number: 1, source: stuck(), size: 5000, signal: stop.signal }
      const refused = assert.rejects(suite.store.putPart(upload, options), /the sender left/)
      later(() => stop.abort(new Error('the sender left')))
      await refused
    }
    assert.deepEqual(await numbers(upload), [])
    await suite.store.abortUpload(upload)
  })

  must('holds after a restart what it has acknowledged', async () => {
    const bytes = randomBytes(2 * partSize + 5)
    const parts = slices(bytes, partSize)
    const upload = await begin('parts/restart')
    await suite.opened.reopen()
    const sent: Part[] = []
    for (const [index, part] of parts.entries()) {
      sent.push(await send(upload, index + 1, part))
      await suite.opened.reopen()
      assert.deepEqual((await suite.store.heldOf(upload)).parts, sent)
    }
    await suite.store.completeUpload(upload, sent)
    await suite.opened.reopen()
    await assert.rejects(suite.store.heldOf(upload), hasCode('not_found'))
    assert.equal((await suite.store.head(upload.ref))?.etag, etagOfPieces(bytes, partSize))
    assert.ok(bytes.equals(await bytesAt('parts/restart')))
  })
}

/** A place at which a source waits. */
function openGate() {
  const passed = Promise.withResolvers<void>()
  const reached = Promise.withResolvers<void>()
  return {
    get passed() {
      reached.resolve()
      return passed.promise
    },
    reached: reached.promise,
    open: passed.resolve,
  }
}
