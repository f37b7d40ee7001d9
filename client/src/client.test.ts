import assert from 'node:assert/strict'
import { openAsBlob } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { makeSample } from '../../acceptance/samples.ts'
import { createClient } from './client.ts'
import type { Media } from './contract.ts'
import { MediaServiceError, ServiceUnreachable } from './errors.ts'
import { type Kit, openKit } from './kit.test.ts'

describe('reading', () => {
  let kit: Kit
  let photo: File
  before(async () => {
    kit = await openKit({ role: 'all' })
    photo = await makeSample('photo.jpg')
  })
  after(async () => await kit[Symbol.asyncDispose]())
  const media = () => kit.client()
  const refusedWith = (code: string, status: number) => (error: unknown) => {
    assert.ok(error instanceof MediaServiceError, String(error))
    assert.deepEqual([error.code, error.status], [code, status])
    return true
  }

  test('upload, watch to the end, read, download, rename, remove', async () => {
    const { media_id } = await media().upload(photo, { title: 'Mountain Adventure' })
    const seen: Media[] = []
    for await (const record of media().watch(media_id)) seen.push(record)
    assert.equal(seen.at(-1)?.status, 'processed')
    const record = await media().get(media_id)
    assert.equal(record.filename, 'photo.jpg')
    const download = await media().downloadUrl(media_id, {
      rendition: 'thumbnail',
      expires_in: 60,
      disposition: 'attachment',
    })
    assert.match(download.content_type, /^image\//)
    const response = await media().download(media_id, { rendition: 'thumbnail' })
    assert.equal(
      (await response.arrayBuffer()).byteLength,
      record.renditions.find(({ name }) => name === 'thumbnail')?.file_size,
    )
    assert.equal((await media().update(media_id, { title: 'Gipfel' })).title, 'Gipfel')
    await assert.rejects(media().retry(media_id), refusedWith('wrong_state', 409))
    await media().remove(media_id)
    await media().remove(media_id)
    await assert.rejects(media().get(media_id), refusedWith('not_found', 404))
    await assert.rejects(media().watch(media_id)[Symbol.asyncIterator]().next(), refusedWith('not_found', 404))
  })

  test('pages, one by one and all of them', async () => {
    const titles = ['first of five', 'second of five', 'third of five', 'fourth of five', 'fifth of five']
    for (const title of titles) await media().upload(photo, { title })
    const page = await media().list({ limit: 2, q: 'of five', media_type: 'image' })
    assert.deepEqual(
      page.items.map(({ title }) => title),
      titles.slice(-2).reverse(),
    )
    const next = await media().list({ limit: 2, q: 'of five', cursor: page.next_cursor ?? '' })
    assert.deepEqual(
      next.items.map(({ title }) => title),
      [titles[2], titles[1]],
    )
    const all: string[] = []
    for await (const { title } of media().listAll({ limit: 2, q: 'of five' })) all.push(title)
    assert.deepEqual(all, titles.toReversed())
  })

  test('a watch goes on over broken connections, and frees them when left', async () => {
    const { media_id } = await media().upload(photo, { title: 'Watched' })
    kit.proxy.breakBy(({ path, n }) => (path.endsWith('/events') && n === 1 ? { cutAnswerAfter: 10 } : undefined))
    const seen: string[] = []
    for await (const { status } of media().watch(media_id)) seen.push(status)
    kit.proxy.breakBy(() => undefined)
    assert.equal(seen.at(-1), 'processed')
    assert.ok(kit.proxy.passed.filter(({ path }) => path === `/api/media/${media_id}/events`).length >= 2)
    for await (const _ of media().watch(media_id)) break
  })

  test('a watch ends with its signal', async () => {
    const { media_id } = await media().upload(photo, { title: 'Watched' })
    const stop = new AbortController()
    const reason = new Error('enough')
    const watching = async () => {
      for await (const _ of media().watch(media_id, { signal: stop.signal })) stop.abort(reason)
      for await (const _ of media().watch(media_id, { signal: stop.signal })) assert.fail('watched on')
    }
    await assert.rejects(watching(), reason)
  })

  test('a call ends with its signal, and says so', async () => {
    await assert.rejects(media().list({}, { signal: AbortSignal.abort(new Error('enough')) }), /enough/)
  })

  test('a refusal tells code, words and request', async () => {
    const error = await media()
      .list({ limit: 0 })
      .catch((error) => error)
    assert.ok(error instanceof MediaServiceError)
    assert.deepEqual([error.status, error.code, error.name], [422, 'invalid_request', 'MediaServiceError'])
    assert.match(error.detail, /limit/)
    assert.match(error.message, /^Invalid request: /)
    assert.ok(error.request_id)
  })

  test('no answer is told as such, without the query', async () => {
    const lost = createClient({ baseUrl: 'http://127.0.0.1:9/' })
    await assert.rejects(lost.list({ q: 'secret' }), (error) => {
      assert.ok(error instanceof ServiceUnreachable)
      assert.equal(error.message, 'No answer from http://127.0.0.1:9. Check the connection and try again.')
      assert.ok(error.cause)
      return true
    })
  })

  test('what stands between says no in its own words', async () => {
    const page = { status: 502, body: '<html>Bad Gateway</html>', headers: { 'content-type': 'text/html' } }
    kit.proxy.breakBy(() => page)
    await assert.rejects(media().list(), refusedWith('http_502', 502))
    kit.proxy.breakBy(() => undefined)
  })

  test('an address that is none', () => {
    for (const baseUrl of ['', 'media.example.com', 'ftp://media', 'http://']) {
      assert.throws(() => createClient({ baseUrl }), TypeError)
    }
    createClient({ baseUrl: 'https://example.com/media//' })
  })

  test('small files go by form: blobs, files on disk, sources', async () => {
    const { path, sha256 } = await kit.makeFile(300_000, 'small.mp4')
    const { fileSource } = await import('./node.ts')
    for (const file of [await openAsBlob(path), await fileSource(path)]) {
      const progress: number[] = []
      const record = await media().upload(file, {
        title: 'Small',
        filename: 'Ümläut "1".mp4',
        onProgress: ({ stored_bytes, sent_bytes, total }) => progress.push(stored_bytes, sent_bytes, total),
      })
      assert.equal(record.filename, 'Ümläut "1".mp4')
      assert.equal(await kit.storedSha256(record), sha256)
      assert.deepEqual(progress.slice(-3), [300_000, 300_000, 300_000])
    }
    assert.ok(!kit.proxy.passed.some(({ path }) => path.endsWith('/init')))
  })

  test('a profile is named through either door; one that is not offered is refused', async () => {
    const file = join(kit.folder, 'profiles.json')
    await writeFile(file, JSON.stringify({ small: { image: { widths: [32], avif: null } } }))
    await using offering = await openKit({ env: { PROFILES_FILE: file } })
    for (const formLimit of [undefined, 0]) {
      const named = async (profile?: string) =>
        await offering.client().upload(photo, { title: 'Named', profile, formLimit })
      assert.equal((await named('small')).profile, 'small')
      assert.equal((await named()).profile, null)
      await assert.rejects(named('large'), refusedWith('unknown_profile', 422))
    }
    assert.ok(offering.proxy.passed.some(({ path }) => path.endsWith('/init')))
    assert.ok(offering.proxy.passed.some(({ path }) => path === '/api/media/upload'))
  })

  test('a form is sent again when the line breaks or the service asks to wait', async () => {
    const faults = [{ cutAfter: 0 }, { status: 503, headers: { 'retry-after': '0' } }, { status: 429 }]
    kit.proxy.breakBy(({ path, n }) => (path === '/api/media/upload' ? faults[n - 1] : undefined))
    const record = await media().upload(photo, { title: 'Again' })
    kit.proxy.breakBy(() => undefined)
    assert.equal(record.file_size, photo.size)
  })

  test('what is no file is refused here, with the way to make one of it', async () => {
    const from = kit.proxy.passed.length
    const { fileSource } = await import('./node.ts')
    const unawaited = fileSource(import.meta.filename)
    for (const given of ['/film.mp4', undefined, null, new Uint8Array(9), unawaited, { size: 9 }]) {
      const uploading = media().upload(given as unknown as Blob, { title: 'No file' })
      await assert.rejects(uploading, (error) => {
        assert.ok(error instanceof TypeError)
        assert.match(error.message, /Blob.*File.*Source.*fileSource\(path\).*@media-service\/client\/node/)
        return true
      })
    }
    assert.equal(kit.proxy.passed.length, from)
  })

  test('what is refused is not tried again', async () => {
    const from = kit.proxy.passed.length
    const text = new File(['<html>'], 'page.mp4', { type: 'video/mp4' })
    await assert.rejects(media().upload(text, { title: 'No video' }), refusedWith('unsupported_media', 415))
    await assert.rejects(media().upload(photo, { title: ' ' }), refusedWith('title_missing', 422))
    assert.equal(kit.proxy.passed.length - from, 2)
  })
})

test('a token is sent, and asked for once more when it has expired', async () => {
  await using kit = await openKit({ env: { AUTH_JWT_SECRET: 'x'.repeat(32) } })
  const { SignJWT } = await import('jose')
  const secret = new TextEncoder().encode('x'.repeat(32))
  const sign = async (time: string) =>
    await new SignJWT({ sub: 'u1' }).setProtectedHeader({ alg: 'HS256' }).setExpirationTime(time).sign(secret)
  const [old, fresh] = [await sign('1 hour ago'), await sign('1 hour')]
  let asked = 0
  const media = kit.client({ token: () => (asked++ % 2 === 0 ? old : fresh) })
  const record = await media.upload(await makeSample('photo.jpg'), { title: 'Mine' })
  assert.equal(record.user_id, 'u1')
  assert.equal((await kit.client({ token: fresh }).list()).items.length, 1)
  await assert.rejects(kit.client({ token: old }).list(), /No identity/)
})
