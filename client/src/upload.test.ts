import assert from 'node:assert/strict'
import { openAsBlob } from 'node:fs'
import { appendFile, open, readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { MediaServiceError, ServiceUnreachable, SourceChanged, UploadAborted } from './errors.ts'
import { type Kit, openKit, until } from './kit.test.ts'
import { fileSource, folderResumeStore } from './node.ts'
import type { Progress } from './progress.ts'
import type { Fault, Rule } from './proxy.test.ts'
import type { Remembered, ResumeStore } from './resume.ts'
import type { Source } from './source.ts'

/** Bytes: five parts, the last one short. */
const size = 22 * 1024 * 1024 + 4321
const partSize = 5 * 1024 * 1024

describe('uploads in parts', () => {
  let kit: Kit
  let film: { path: string; sha256: string }
  before(async () => {
    kit = await openKit()
    film = await kit.makeFile(size)
  })
  after(async () => await kit[Symbol.asyncDispose]())
  beforeEach(() => {
    kit.proxy.breakBy(() => undefined)
    kit.proxy.passed.length = 0
  })
  const requests = (method: string, end: string) =>
    kit.proxy.passed.filter((one) => one.method === method && one.path.endsWith(end))
  const puts = () => kit.proxy.passed.filter(({ method }) => method === 'PUT')

  /** The first requests of a kind meet these faults. */
  function faults(method: string, end: string, list: (Fault | undefined)[]): Rule {
    let met = 0
    return (request) => (request.method === method && request.path.endsWith(end) ? list[met++] : undefined)
  }
  const upload = async (options: object = {}, source?: Source | Blob) =>
    await kit.client().upload(source ?? (await fileSource(film.path)), { title: 'Film', ...options })

  test('several parts at a time, none twice, bytes told as they are stored', async () => {
    const seen: Progress[] = []
    const record = await upload({ onProgress: (progress: Progress) => seen.push(progress) })
    assert.equal(record.status, 'uploaded')
    assert.match(record.etag ?? '', /-5$/)
    assert.equal(record.filename, 'film.mp4')
    assert.equal(await kit.storedSha256(record), film.sha256)
    assert.equal(kit.proxy.partBytes(), size)
    assert.deepEqual(seen.at(-1), { stored_bytes: size, sent_bytes: size, total: size })
    for (const [index, { stored_bytes, sent_bytes }] of seen.entries()) {
      assert.ok(stored_bytes <= sent_bytes && sent_bytes <= size)
      assert.ok(stored_bytes % partSize === 0 || (stored_bytes - (size % partSize)) % partSize === 0, `${stored_bytes}`)
      assert.ok(stored_bytes >= (seen[index - 1]?.stored_bytes ?? 0))
    }
  })

  test('a blob, whose bytes nobody can watch; one at a time', async () => {
    const record = await upload({ concurrency: 1 }, await openAsBlob(film.path))
    assert.equal(await kit.storedSha256(record), film.sha256)
    assert.equal(record.filename, 'file')
  })

  test('never more in memory than the parts under way', async () => {
    let [now, most] = [0, 0]
    const file = await open(film.path)
    const source: Source = {
      size,
      slice: async (start, end) => {
        most = Math.max(most, ++now)
        const bytes = new Uint8Array(end - start)
        await file.read(bytes, 0, bytes.length, start)
        return bytes
      },
    }
    const fetch: typeof globalThis.fetch = async (...request) => {
      const answer = await globalThis.fetch(...request)
      if (request[1]?.method === 'PUT') now--
      return answer
    }
    const record = await kit.client({ fetch }).upload(source, { title: 'Film', concurrency: 2, resume: false })
    await file.close()
    assert.equal(await kit.storedSha256(record), film.sha256)
    assert.equal(most, 2)
  })

  test('connections that break, refusals that pass, lost answers: waited out', async () => {
    const met: Fault[] = [
      { cutAfter: 1_000_000 },
      { status: 503 },
      { status: 429, headers: { 'retry-after': '1' } },
      { status: 500 },
    ]
    kit.proxy.breakBy(faults('PUT', '.mp4', met))
    const record = await upload()
    assert.equal(await kit.storedSha256(record), film.sha256)
    assert.equal(puts().length, 5 + met.length)
  })

  test('a part whose answer was lost is not sent again', async () => {
    kit.proxy.breakBy(faults('PUT', '.mp4', [{ loseAnswer: true }, undefined, { loseAnswer: true }]))
    const record = await upload()
    assert.equal(await kit.storedSha256(record), film.sha256)
    assert.equal(kit.proxy.partBytes(), size)
  })

  for (const end of ['/init', '/complete', '/parts']) {
    test(`the answer to ${end} is lost`, async () => {
      // Nothing is signed beforehand where it is the signing that is lost.
      const expired = end === '/parts' ? faults('PUT', '.mp4', [{ status: 403 }]) : undefined
      const lost = faults('POST', end, [{ loseAnswer: true }, { status: 502 }])
      kit.proxy.breakBy((request) => expired?.(request) ?? lost(request))
      const record = await upload()
      assert.equal(await kit.storedSha256(record), film.sha256)
      assert.ok(requests('POST', end).length >= 3)
    })
  }

  test('expired addresses are signed again', async () => {
    kit.proxy.breakBy(faults('PUT', '.mp4', Array(4).fill({ status: 403, body: '<Code>AccessDenied</Code>' })))
    const record = await upload()
    assert.equal(await kit.storedSha256(record), film.sha256)
    assert.ok(requests('POST', '/parts').length >= 1)
  })

  test('an address that is refused though fresh is told', async () => {
    const body = '<Error><Code>SignatureDoesNotMatch</Code><Message>Check your key.</Message></Error>'
    kit.proxy.breakBy(({ method }) => (method === 'PUT' ? { status: 403, body } : undefined))
    await assert.rejects(upload(), (error) => {
      assert.ok(error instanceof MediaServiceError)
      assert.deepEqual([error.status, error.code, error.detail], [403, 'SignatureDoesNotMatch', 'Check your key.'])
      return true
    })
  })

  test('it gives up when nothing moves for too long', async () => {
    kit.proxy.breakBy(({ method }) => (method === 'PUT' ? { status: 503 } : undefined))
    await assert.rejects(upload({ retryFor: 600 }), /Status 503/)
    kit.proxy.breakBy(({ method }) => (method === 'PUT' ? { cutAfter: 0 } : undefined))
    await assert.rejects(upload({ retryFor: 600 }), ServiceUnreachable)
    await assertClosed()
  })

  test('cancelled, and gone on with by another process: what is stored is not sent again', async () => {
    const resume = () => folderResumeStore(join(kit.folder, 'resume'))
    const stop = new AbortController()
    const onProgress = ({ stored_bytes }: Progress) => {
      if (stored_bytes >= 2 * partSize) stop.abort(new Error('enough'))
    }
    const error = await upload({ resume: resume(), signal: stop.signal, onProgress, concurrency: 1 }).catch(
      (error) => error,
    )
    assert.ok(error instanceof UploadAborted)
    assert.deepEqual([error.name, error.code, (error.cause as Error).message], ['AbortError', 'aborted', 'enough'])
    const before = kit.proxy.partBytes()
    const first: number[] = []
    const record = await upload({
      resume: resume(),
      title: 'Another',
      onProgress: (p: Progress) => first.push(p.stored_bytes),
    })
    assert.equal(record.media_id, error.media_id)
    assert.equal(record.title, 'Another')
    assert.equal(await kit.storedSha256(record), film.sha256)
    assert.equal(first[0], 2 * partSize)
    assert.equal(kit.proxy.partBytes() - before, size - 2 * partSize)
    const again = await upload({ resume: resume() })
    assert.notEqual(again.media_id, record.media_id)
  })

  test('gone on with under another profile, it starts anew', async () => {
    const resume = () => folderResumeStore(join(kit.folder, 'profiled'))
    const stop = new AbortController()
    const onProgress = ({ stored_bytes }: Progress) => {
      if (stored_bytes > 0) stop.abort(new Error('enough'))
    }
    const error = await upload({ resume: resume(), signal: stop.signal, onProgress }).catch((error) => error)
    assert.ok(error instanceof UploadAborted && error.media_id !== null)
    const record = await upload({ resume: resume(), profile: 'default' })
    assert.notEqual(record.media_id, error.media_id)
    assert.equal(await kit.storedSha256(record), film.sha256)
  })

  test('removed by somebody else on the way: it does not come back', async () => {
    let removing: Promise<void> | undefined
    kit.proxy.breakBy(({ method }) => (method === 'PUT' ? { delay: 200 } : undefined))
    const onProgress = ({ stored_bytes }: Progress) => {
      if (stored_bytes === 0) return
      removing ??= kit.client().remove(/[0-9a-f-]{36}/.exec(puts()[0]?.path ?? '')?.[0] ?? 'none')
    }
    await assert.rejects(upload({ onProgress, concurrency: 1 }), /Not found/)
    await removing
    assert.equal(requests('POST', '/init').length, 1)
  })

  test('cancelled at any moment: only the upload ends, and no file stays open', async () => {
    for (let n = 0; n < 40; n++) {
      const stop = new AbortController()
      const uploading = upload({ signal: stop.signal, formLimit: n % 2 ? 0 : size })
      await new Promise((resolve) => setTimeout(resolve, n % 20))
      stop.abort()
      await assert.rejects(uploading, UploadAborted)
    }
    await assertClosed()
  })

  /** This process lets the film go, as soon as a read that is under way has ended. */
  async function assertClosed(): Promise<void> {
    let left: string[] = []
    for (let tries = 0; tries < 100; tries++) {
      const names = await readdir('/proc/self/fd')
      const paths = await Promise.all(names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')))
      left = paths.filter((path) => path === film.path)
      if (left.length === 0) return
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    assert.deepEqual(left, [])
  }

  test('cancelled and removed', async () => {
    const stop = new AbortController()
    const onProgress = () => stop.abort()
    const error = await upload({ signal: stop.signal, removeOnAbort: true, onProgress }).catch((error) => error)
    assert.ok(error instanceof UploadAborted)
    assert.equal(error.media_id, null)
    const { items } = await kit.client().list({ status: 'uploading' })
    const media_id = requests('DELETE', '')[0]?.path.split('/').at(-1)
    assert.ok(media_id && !items.some((one) => one.media_id === media_id))
  })

  for (const removeOnAbort of [true, false]) {
    test(`cancelled while it begins: what has begun is ${removeOnAbort ? 'removed' : 'known'}`, async () => {
      const stop = new AbortController()
      kit.proxy.breakBy(({ path }) => {
        if (!path.endsWith('/init')) return undefined
        stop.abort()
        return { delay: 300 }
      })
      const error = await upload({ signal: stop.signal, removeOnAbort }).catch((error) => error)
      assert.ok(error instanceof UploadAborted)
      const { items } = await kit.client().list({ status: 'uploading' })
      assert.equal(puts().length, 0)
      const removed = requests('DELETE', '')[0]?.path.split('/').at(-1)
      assert.equal(items.length > 0 && items.some((one) => one.media_id === error.media_id), !removeOnAbort)
      assert.equal(removed !== undefined && !items.some((one) => one.media_id === removed), removeOnAbort)
    })
  }

  test('an abort while nobody answers the beginning ends it all the same', async () => {
    const stop = new AbortController()
    kit.proxy.breakBy(() => {
      stop.abort()
      return { delay: 20_000 }
    })
    const started = Date.now()
    await assert.rejects(upload({ signal: stop.signal }), UploadAborted)
    assert.ok(Date.now() - started < 15_000)
  })

  test('cancelled before it began', async () => {
    await assert.rejects(upload({ signal: AbortSignal.abort() }), UploadAborted)
    assert.equal(kit.proxy.passed.length, 0)
  })

  /** An upload that ended with `parts` stored, as it is remembered. */
  async function halfway(parts: number, name: string): Promise<{ store: ResumeStore; media_id: string }> {
    const store = folderResumeStore(join(kit.folder, name))
    const stop = new AbortController()
    const onProgress = (p: Progress) => p.stored_bytes >= parts * partSize && stop.abort()
    const error = await upload({ resume: store, signal: stop.signal, onProgress, concurrency: 1 }).catch(
      (error) => error,
    )
    assert.ok(error instanceof UploadAborted && error.media_id)
    return { store, media_id: error.media_id }
  }

  test('what was remembered is gone: it begins anew', async () => {
    const { store, media_id } = await halfway(1, 'gone')
    await kit.client().remove(media_id)
    const record = await upload({ resume: store })
    assert.notEqual(record.media_id, media_id)
    assert.equal(await kit.storedSha256(record), film.sha256)
  })

  test('what was remembered is complete: its media is the answer', async () => {
    const { store, media_id } = await halfway(1, 'complete')
    const remembered: Remembered[] = []
    const keeping: ResumeStore = {
      ...store,
      set: (key, value) => {
        remembered.push(value)
        return store.set(key, value)
      },
      // As if the process had ended before it could forget.
      remove: () => {},
    }
    assert.equal((await upload({ resume: keeping })).media_id, media_id)
    const sent = kit.proxy.partBytes()
    assert.equal((await upload({ resume: keeping })).media_id, media_id)
    assert.equal(kit.proxy.partBytes(), sent)
  })

  test('two that go on with the same upload get one media', async () => {
    const { store, media_id } = await halfway(1, 'two')
    const [one, other] = await Promise.all([upload({ resume: store }), upload({ resume: store })])
    assert.deepEqual([one.media_id, other.media_id], [media_id, media_id])
    assert.equal(await kit.storedSha256(one), film.sha256)
  })

  test('the process ended before the service answered: the same key brings the same upload', async () => {
    const store = folderResumeStore(join(kit.folder, 'unanswered'))
    kit.proxy.breakBy(({ path }) => (path.endsWith('/init') ? { loseAnswer: true } : undefined))
    await assert.rejects(upload({ resume: store, retryFor: 1 }), ServiceUnreachable)
    kit.proxy.breakBy(() => undefined)
    const before = await kit.client().list({ status: 'uploading', limit: 100 })
    const record = await upload({ resume: store })
    assert.ok(
      before.items.some(({ media_id }) => media_id === record.media_id),
      'a second upload was begun',
    )
  })

  test('a store that fails fails no upload', async () => {
    const fail = () => {
      throw new Error('no room')
    }
    const record = await upload({ resume: { get: fail, set: fail, remove: fail } })
    assert.equal(record.status, 'uploaded')
  })

  test('a file that changes on the way is refused, whatever its shape', async () => {
    const { path } = await kit.makeFile(size, 'changing.mp4')
    for (const source of [await fileSource(path), await openAsBlob(path)]) {
      await appendFile(path, 'x')
      await assert.rejects(upload({}, source), SourceChanged)
    }
    const source = await fileSource(path)
    const onProgress = async () => await appendFile(path, 'x')
    await assert.rejects(upload({ onProgress, concurrency: 1 }, source), SourceChanged)
  })

  test('no media: refused once complete, and forgotten', async () => {
    const { path } = await kit.makeFile(size, 'page.mp4')
    const file = await open(path, 'r+')
    await file.write(Buffer.from('<!doctype html>'.padEnd(70_000, ' ')), 0, 70_000, 0)
    await file.close()
    const resume = folderResumeStore(join(kit.folder, 'refused'))
    for (let n = 1; n <= 2; n++) {
      await assert.rejects(upload({ resume }, await fileSource(path)), /Unsupported media/)
      assert.equal(requests('POST', '/init').length, n)
    }
  })

  test('a checksum goes along, by parts even when the file is small', async () => {
    const { path, sha256 } = await kit.makeFile(200_000, 'small.mp4')
    const record = await upload({ checksum: `sha256:${sha256}` }, await fileSource(path))
    assert.equal(record.file_size, 200_000)
    assert.equal(requests('POST', '/init').length, 1)
  })

  test('a form that is more than the service takes goes in parts', async () => {
    await using small = await openKit({ env: { UPLOAD_FORM_LIMIT: '1000000' } })
    const { path, sha256 } = await small.makeFile(4_000_000)
    const record = await small.client().upload(await fileSource(path), { title: 'Film' })
    assert.equal(await small.storedSha256(record), sha256)
  })

  test('the service is killed and comes back, over and over', async () => {
    const { path, sha256 } = await kit.makeFile(60 * 2 ** 20, 'long.mp4')
    let stored = 0
    const uploading = upload(
      {
        onProgress: (progress: Progress) => {
          assert.ok(progress.stored_bytes >= stored, 'begun anew')
          stored = progress.stored_bytes
        },
      },
      await fileSource(path),
    )
    kit.proxy.breakBy(({ method }) => (method === 'PUT' ? { delay: 50 } : undefined))
    const kills = 3
    for (let n = 1; n <= kills; n++) {
      await until(() => stored >= n * 2 * partSize)
      await kit.restart(100)
    }
    const record = await uploading
    assert.equal(await kit.storedSha256(record), sha256)
    const again = kit.proxy.partBytes() - 60 * 2 ** 20
    assert.ok(again <= kills * 4 * partSize, `${again} bytes were sent twice`)
  })
})
