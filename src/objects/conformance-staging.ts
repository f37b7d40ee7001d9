import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MediaError } from '../media/errors.ts'
import { bucket, hasCode, kib, md5, mib, pieces, put, type Suite } from './conformance-kit.ts'

/** Bytes received before they have a name, and local files. */
export function describeStaging(suite: Suite): void {
  const { must, bytesAt, keys } = suite

  must('stores a local file, small and large', async () => {
    for (const size of [0, 5 * kib, 12 * mib]) {
      const bytes = randomBytes(size)
      const path = join(suite.folder, `local-${size}`)
      await writeFile(path, bytes)
      const stored = await suite.store.putFile({ bucket, key: `files/${size}` }, path, put)
      assert.equal(stored.size, size)
      assert.match(stored.etag, /^[0-9a-f]{32}(-\d+)?$/)
      if (!stored.etag.includes('-')) assert.equal(stored.etag, md5(bytes))
      assert.ok(bytes.equals(await bytesAt(`files/${size}`)))
    }
  })

  must('holds staged bytes under no name', async () => {
    const bytes = randomBytes(200 * kib)
    const staged = await suite.store.stage(pieces(bytes, 3333))
    assert.deepEqual([staged.size, staged.etag], [bytes.length, md5(bytes)])
    assert.deepEqual(await keys('staged/'), [])
    await staged.discard()
    await staged.discard()
    assert.deepEqual(await suite.opened.unfinished(), [])
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
      await (await suite.store.stage(counted(), { onHead })).discard()
      assert.equal(seen.length, 1)
      assert.ok(seen[0]?.head.equals(bytes.subarray(0, Math.min(size, 64 * kib))))
      assert.ok((seen[0]?.pulled ?? 0) <= 66 * kib)
    }
  })

  must('ends with what onHead throws', async () => {
    const refusal = new MediaError('unsupported_media', 'no')
    for (const size of [10, 300 * kib]) {
      const onHead = () => Promise.reject(refusal)
      await assert.rejects(suite.store.stage(pieces(randomBytes(size), 1000), { onHead }), refusal)
    }
    assert.deepEqual(await suite.opened.unfinished(), [])
  })

  must('passes on what the source throws and leaves nothing', async () => {
    const cut = new MediaError('upload_interrupted', 'cut')
    for (const good of [0, 1, 100, 3000]) {
      const broken = async function* () {
        for (let count = 0; count < good; count++) yield randomBytes(1000)
        throw cut
      }
      await assert.rejects(suite.store.stage(broken()), cut)
    }
    assert.deepEqual(await suite.opened.unfinished(), [])
  })

  must('stops at the limit, at once', async () => {
    const bytes = randomBytes(100_000)
    const exact = await suite.store.stage(pieces(bytes, 1000), { limit: 100_000 })
    await exact.discard()
    let pulled = 0
    const endless = async function* () {
      for (;;) {
        pulled += 1000
        yield bytes.subarray(0, 1000)
      }
    }
    await assert.rejects(suite.store.stage(endless(), { limit: 99_999 }), hasCode('too_large'))
    assert.equal(pulled, 100_000)
    assert.deepEqual(await suite.opened.unfinished(), [])
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
      await assert.rejects(suite.store.stage(stuck(), { signal: stop.signal }), reason)
    }
    const never = () =>
      (async function* (): AsyncIterable<Uint8Array> {
        await new Promise<never>(() => {})
        yield randomBytes(1)
      })()
    for (const later of [(work: () => void) => work(), setImmediate, queueMicrotask, process.nextTick]) {
      const stop = new AbortController()
      const refused = assert.rejects(suite.store.stage(never(), { signal: stop.signal }), /at the start/)
      later(() => stop.abort(new Error('at the start')))
      await refused
    }
    await assert.rejects(
      suite.store.stage(pieces(randomBytes(10), 1), { signal: AbortSignal.abort(new Error('early')) }),
      /early/,
    )
    assert.deepEqual(await suite.opened.unfinished(), [])
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
    const staged = await suite.store.stage(source())
    assert.equal(staged.etag, hash.digest('hex'))
    await staged.discard()
    assert.ok(peak - base < 96 * mib, `${Math.round((peak - base) / mib)} MiB more`)
  })
}
