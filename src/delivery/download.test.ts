import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, test } from 'node:test'
import { codeOf, MediaError } from '../media/errors.ts'
import { type MediaPatch, type MediaRecord, newRecord, type Rendition } from '../media/record.ts'
import { type DownloadRequest, openDownloads } from './download.ts'
import { openSigner, openVerifier } from './signer.ts'

const media_id = '550e8400-e29b-41d4-a716-446655440000'
const now = Date.parse('2026-11-22T12:00:00.750Z')
const s3 = (file: string) => `s3://processed-bucket/${media_id}/v2/${file}`

function rendition(name: string, file: string, content_type: string): Rendition {
  const unknown = { width: null, height: null, bitrate: null, duration: null }
  return { name, s3_url: s3(file), content_type, file_size: file.length, etag: 'e', ...unknown }
}

const processed: MediaPatch = {
  status: 'processed',
  playable: true,
  processed_s3_url: s3('720p.mp4'),
  thumbnail_s3_url: s3('thumbnail.jpg'),
  renditions: [rendition('720p', '720p.mp4', 'video/mp4'), rendition('thumbnail', 'thumbnail.jpg', 'image/jpeg')],
}

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const signer = openSigner({ keyPairId: 'K', privateKey })
const verifier = openVerifier(new Map([['K', publicKey]]))

function ask(patch: MediaPatch, request: Partial<DownloadRequest> = {}) {
  const record: MediaRecord = newRecord({
    media_id,
    user_id: 'ann',
    title: 'Mountain Adventure',
    media_type: 'video',
    upload_time: '2026-11-22T11:00:00.000Z',
    status: 'uploaded',
    ...patch,
  })
  const get = async (id: string) => (id === media_id ? record : null)
  const downloads = openDownloads({
    metadata: { get },
    signer,
    bucket: 'processed-bucket',
    baseUrl: 'https://cdn.example.com',
    publicUrl: 'https://media.example.com',
    cookieReach: { domain: 'example.com', pages: ['https://app.example.com'] },
    clock: { now: () => now, sleep: async () => {} },
  })
  return downloads.download({ user_id: 'ann', media_id, ...request })
}

async function refused(code: string, patch: MediaPatch, request: Partial<DownloadRequest> = {}): Promise<MediaError> {
  const error = await ask(patch, request).then(
    () => assert.fail('was not refused'),
    (error) => error,
  )
  assert.equal(codeOf(error), code)
  assert.ok(error instanceof MediaError)
  return error
}

describe('download addresses', () => {
  test('the main rendition, for an hour, signed for exactly its file', async () => {
    const { url, ...rest } = await ask(processed)
    assert.deepEqual(rest, {
      expires_at: '2026-11-22T13:00:00.000Z',
      content_type: 'video/mp4',
      file_size: 8,
      filename: 'Mountain Adventure.mp4',
    })
    assert.deepEqual(verifier.read(url), {
      resource: `https://cdn.example.com/${media_id}/v2/720p.mp4`,
      expires: Date.parse(rest.expires_at) / 1000,
    })
  })

  test('renditions by name', async () => {
    assert.match((await ask(processed, { rendition: '720p' })).url, /\/720p\.mp4\?/)
    const thumbnail = await ask(processed, { rendition: 'thumbnail', expires_in: 60 })
    assert.match(thumbnail.url, /\/thumbnail\.jpg\?/)
    assert.equal(thumbnail.filename, 'Mountain Adventure-thumbnail.jpg')
    assert.equal(thumbnail.expires_at, '2026-11-22T12:01:00.000Z')
    const { detail } = await refused('rendition_not_found', processed, { rendition: '4k' })
    assert.match(detail ?? '', /720p, thumbnail/)
  })

  test('the lifetime has bounds', async () => {
    for (const expires_in of [0, -1, 1.5, Number.NaN, 604_801, Number.POSITIVE_INFINITY]) {
      await refused('invalid_request', processed, { expires_in })
    }
    for (const expires_in of [1, 604_800]) assert.ok(await ask(processed, { expires_in }))
  })

  test('before anything is playable, and after failing', async () => {
    for (const status of ['uploading', 'uploaded', 'processing'] as const) await refused('not_ready', { status })
    const error = { code: 'undecodable', message: 'The file is cut.' }
    const { detail } = await refused('wrong_state', { status: 'failed', error })
    assert.match(detail ?? '', /The file is cut\./)
  })

  test('playable while the rest is still made', async () => {
    const early: MediaPatch = { ...processed, status: 'processing' }
    assert.ok(await ask(early))
    const { detail } = await refused('not_ready', early, { rendition: 'webp-1600' })
    assert.match(detail ?? '', /webp-1600/)
  })

  test('foreign, unknown and deleted media are one answer', async () => {
    await refused('not_found', processed, { user_id: 'bob' })
    await refused('not_found', processed, { media_id: 'other' })
    await refused('not_found', { ...processed, status: 'deleted' })
  })

  test('a disposition is signed into the address', async () => {
    const title = 'Ünsere "Reise"/Teil 1.mov'
    const { url, filename } = await ask({ ...processed, title, filename: 'IMG_1.MOV' }, { disposition: 'attachment' })
    assert.equal(filename, 'Ünsere _Reise__Teil 1.mp4')
    const value = new URL(url).searchParams.get('response-content-disposition')
    assert.equal(
      value,
      `attachment; filename="_nsere _Reise__Teil 1.mp4"; filename*=UTF-8''${'%C3%9Cnsere%20_Reise__Teil%201.mp4'}`,
    )
    // As it stands: what a browser makes of the address is the same text.
    assert.equal(new URL(url).href, url)
    assert.ok(verifier.read(url))
  })

  test('a record whose renditions do not tell still gives an address', async () => {
    const { content_type, file_size } = await ask({ ...processed, renditions: [] })
    assert.deepEqual({ content_type, file_size }, { content_type: 'video/mp4', file_size: null })
    const thumbnail = await ask({ ...processed, renditions: [] }, { rendition: 'thumbnail' })
    assert.equal(thumbnail.content_type, 'image/jpeg')
  })

  const streams: MediaPatch = {
    ...processed,
    duration: 7_200.5,
    renditions: [
      ...(processed.renditions ?? []),
      rendition('hls', 'hls/master.m3u8', 'application/vnd.apple.mpegurl'),
      rendition('storyboard.vtt', 'storyboard/storyboard.vtt', 'text/vtt'),
      rendition('storyboard', 'storyboard/sheet-001.jpg', 'image/jpeg'),
    ],
  }
  const inSeconds = (expires_at: string) => Date.parse(expires_at) / 1000 - Math.floor(now / 1000)

  test('a stream is signed as a whole, and served by the API', async () => {
    for (const [name, route, folder] of [
      ['hls', 'hls/master.m3u8', 'hls'],
      ['storyboard.vtt', 'storyboard.vtt', 'storyboard'],
    ]) {
      const { url, expires_at, cookies } = await ask(streams, { rendition: name })
      assert.ok(url.startsWith(`https://media.example.com/api/media/${media_id}/${route}?Policy=`))
      const { grant } = verifier.readPolicy(new URL(url).search.slice(1))
      const expires = Date.parse(expires_at) / 1000
      assert.deepEqual(grant, { resource: `https://cdn.example.com/${media_id}/v2/${folder}/*`, expires })
      assert.equal(cookies, undefined)
    }
    const sheet = await ask(streams, { rendition: 'storyboard' })
    assert.match(sheet.url, /^https:\/\/cdn\.example\.com\/.*\/storyboard\/sheet-001\.jpg\?Expires=/)
  })

  test('a stream lives for playing it twice and an hour, unless the caller says', async () => {
    const life = async (patch: MediaPatch, expires_in?: number) =>
      inSeconds((await ask({ ...streams, ...patch }, { rendition: 'hls', expires_in })).expires_at)
    assert.equal(await life({}), 2 * 7_200.5 + 3_600)
    assert.equal(await life({ duration: 0.2 }), 3_601)
    assert.equal(await life({ duration: null }), 3_600)
    assert.equal(await life({ duration: 1_000_000 }), 604_800)
    assert.equal(await life({}, 60), 60)
    assert.equal(await life({}, 604_800), 604_800)
    assert.equal(inSeconds((await ask(streams)).expires_at), 3_600)
  })

  test('a stream is not saved, but shown', async () => {
    await refused('invalid_request', streams, { rendition: 'hls', disposition: 'attachment' })
    const { url } = await ask(streams, { rendition: 'hls', disposition: 'inline' })
    assert.doesNotMatch(url, /disposition/)
  })

  test('a stream whose files lie elsewhere is ours to mend, and no policy covers them', async () => {
    const renditions = [rendition('hls', 'master.m3u8', 'application/vnd.apple.mpegurl')]
    await refused('internal', { ...streams, renditions }, { rendition: 'hls' })
  })

  test('signed cookies: a plain address, and what opens its folder alone', async () => {
    const cookies = { host: 'media.example.com:443' }
    const { url, ...rest } = await ask(streams, { rendition: 'hls', cookies })
    assert.equal(url, `https://cdn.example.com/${media_id}/v2/hls/master.m3u8`)
    const set = rest.cookies ?? []
    assert.deepEqual(
      set.map((one) => one.split('=', 1)[0]),
      ['CloudFront-Policy', 'CloudFront-Key-Pair-Id', 'CloudFront-Signature'],
    )
    const attributes = `; Domain=example.com; Path=/${media_id}/v2/hls/; Max-Age=18001; HttpOnly; Secure; SameSite=Lax`
    for (const one of set) assert.ok(one.endsWith(attributes), one)
    const sent = set.map((one) => one.split(';', 1)[0]).join('; ')
    assert.equal(
      verifier.read(url.replace('master.m3u8', '720p-00001.m4s'), sent).expires,
      Date.parse(rest.expires_at) / 1000,
    )
    assert.throws(() => verifier.read(`https://cdn.example.com/${media_id}/v2/720p.mp4`, sent), /another address/)
    await refused('invalid_request', streams, { rendition: '720p', cookies })
    await refused('cookies_unavailable', streams, { rendition: 'hls', cookies: { host: '127.0.0.1:8080' } })
  })
})
