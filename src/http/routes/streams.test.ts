import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { Parser } from 'm3u8-parser'
import { request } from 'undici'
import { openDownloads } from '../../delivery/download.ts'
import { openEdge } from '../../delivery/edge.ts'
import { openSigner, openVerifier, type SignOptions } from '../../delivery/signer.ts'
import { openStreams } from '../../delivery/streams.ts'
import { type Clock, systemClock } from '../../media/clock.ts'
import { silentLog } from '../../media/log.ts'
import type { Rendition } from '../../media/record.ts'
import { problemOf } from '../errors.ts'
import { type Kit, openKit } from '../kit.test.ts'

/** Streams over HTTP as a player on some page has them: API and edge on one server, real files. */

const bucket = 'processed'
const page = 'https://app.example.com'
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const signer = openSigner({ keyPairId: 'KTEST', privateKey })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const verifier = openVerifier(
  new Map([
    ['KTEST', publicKey],
    ['KRSA', rsa.publicKey],
  ]),
)

const files: Record<string, string> = {
  'hls/master.m3u8':
    '#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="de",DEFAULT=YES,URI="audio.m3u8"\n' +
    '#EXT-X-STREAM-INF:BANDWIDTH=3000000,AUDIO="a"\n720p.m3u8\n',
  'hls/720p.m3u8':
    '#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP:URI="720p-init.mp4"\n' +
    '#EXTINF:4.0,\n720p-00001.m4s\n#EXT-X-ENDLIST\n',
  'hls/720p-init.mp4': 'init',
  'hls/720p-00001.m4s': 'segment',
  'storyboard/storyboard.vtt': 'WEBVTT\n\n00:00.000 --> 00:05.000\nsheet-001.jpg#xywh=0,0,160,90\n',
  'storyboard/sheet-001.jpg': 'sheet',
  '720p.mp4': 'film',
}
const types: Record<string, string> = { m3u8: 'application/vnd.apple.mpegurl', vtt: 'text/vtt', m4s: 'video/mp4' }

describe('streams', () => {
  let kit: Kit
  let url = ''
  let media_id = ''
  let later = 0
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + later }
  before(async () => {
    ;({ kit, url } = await openSite(clock))
    media_id = await addStream(kit)
  })
  after(async () => await kit?.[Symbol.asyncDispose]())

  async function get(
    address: string,
    headers: Record<string, string> = {},
    method: 'GET' | 'HEAD' | 'OPTIONS' = 'GET',
  ) {
    const reply = await request(address, { headers, method })
    const bytes = Buffer.from(await reply.body.arrayBuffer())
    return { status: reply.statusCode, headers: reply.headers, bytes, text: bytes.toString() }
  }
  async function addressOf(rendition: string, query = '', headers: Record<string, string> = {}) {
    const accept = { accept: 'application/json', ...headers }
    const reply = await get(`${url}/api/media/download/${media_id}?rendition=${rendition}${query}`, accept)
    assert.equal(reply.status, 200, reply.text)
    return { ...JSON.parse(reply.text), set: [reply.headers['set-cookie'] ?? []].flat() as string[] }
  }
  async function refused(address: string, status: number, code: string) {
    const reply = await get(address)
    assert.deepEqual([reply.status, JSON.parse(reply.text).code], [status, code], address)
    assert.equal(reply.headers['content-type'], 'application/problem+json')
    assert.equal(reply.headers['cache-control'], 'no-store')
    assert.equal(reply.headers['access-control-allow-origin'], '*')
    return JSON.parse(reply.text).detail as string
  }
  /** The query of a signature of ours on another policy. */
  function signed(resource: string, options: Partial<SignOptions> = {}): string {
    const expires = Math.floor(clock.now() / 1000) + 600
    return new URL(signer.signUrl('https://x/', { expires, resource, ...options })).search.slice(1)
  }
  const resource = (folder = 'hls', id = media_id, version = 'v1') => `${url}/cdn/${id}/${version}/${folder}/*`
  const playlist = (query: string, file = 'master.m3u8') => `${url}/api/media/${media_id}/hls/${file}?${query}`

  test('from the download to the segment, with nothing but addresses, from any page', async () => {
    const { url: first, content_type, filename } = await addressOf('hls')
    assert.deepEqual([content_type, filename], ['application/vnd.apple.mpegurl', 'Mountain Adventure-hls.m3u8'])
    const anywhere = { origin: 'https://anybody.example', host: 'proxy.example', 'sec-fetch-site': 'cross-site' }
    const master = await get(first, anywhere)
    assert.deepEqual([master.status, master.headers['content-type']], [200, 'application/vnd.apple.mpegurl'])
    assert.equal(master.headers['cache-control'], 'no-store')
    assert.equal(master.headers['access-control-allow-origin'], '*')
    assert.equal(master.headers['x-content-type-options'], 'nosniff')
    assert.equal(master.headers.vary, 'Accept-Encoding')
    const variant = parse(master.text).playlists?.[0]?.uri ?? ''
    assert.ok(variant.startsWith(`${url}/api/media/${media_id}/hls/720p.m3u8?`))
    const { segments = [] } = parse((await get(variant, anywhere)).text)
    const segment = segments[0] ?? assert.fail('no segment')
    assert.ok(segment.uri.startsWith(`${url}/cdn/${media_id}/v1/hls/720p-00001.m4s?`))
    assert.equal((await get(segment.uri, anywhere)).text, 'segment')
    assert.equal((await get(segment.map?.uri ?? '')).text, 'init')
  })

  test('the redirect leads there too', async () => {
    const reply = await get(`${url}/api/media/download/${media_id}?rendition=hls`)
    assert.equal(reply.status, 302)
    assert.equal((await get(String(reply.headers.location))).status, 200)
  })

  test('the storyboard and its pictures', async () => {
    const { url: board } = await addressOf('storyboard.vtt')
    assert.ok(board.startsWith(`${url}/api/media/${media_id}/storyboard.vtt?`))
    const reply = await get(board)
    assert.match(String(reply.headers['content-type']), /^text\/vtt/)
    const sheet = /^http\S+$/m.exec(reply.text)?.[0] ?? ''
    assert.match(sheet, /#xywh=0,0,160,90$/)
    assert.equal((await get(sheet)).text, 'sheet')
  })

  test('gzip, HEAD and a preflight', async () => {
    const { url: first } = await addressOf('hls')
    const plain = await get(first)
    for (const accepted of ['gzip', 'br, GZIP;q=0.5', '*']) {
      const packed = await get(first, { 'accept-encoding': accepted })
      assert.equal(packed.headers['content-encoding'], 'gzip', accepted)
      assert.equal(gunzipSync(packed.bytes).toString(), plain.text)
    }
    for (const refusing of ['gzip;q=0', 'br', 'identity', '*;q=0', '']) {
      assert.equal((await get(first, { 'accept-encoding': refusing })).headers['content-encoding'], undefined, refusing)
    }
    const head = await get(first, {}, 'HEAD')
    assert.deepEqual([head.status, head.bytes.length, head.headers['content-length']], [200, 0, undefined])
    const preflight = await get(first, { origin: page, 'access-control-request-method': 'GET' }, 'OPTIONS')
    assert.deepEqual([preflight.status, preflight.headers['access-control-allow-methods']], [204, 'GET, HEAD, OPTIONS'])
    assert.equal((await request(first, { method: 'POST' })).statusCode, 405)
  })

  test('an address that is not for all of this stream is refused, and says why', async () => {
    await refused(playlist(''), 403, 'bad_signature')
    await refused(playlist(signed(resource('hls', 'another'))), 403, 'bad_signature')
    await refused(playlist(signed(resource('storyboard'))), 403, 'bad_signature')
    await refused(playlist(signed(`${url}/cdn/${media_id}/v1/hls/720p*`)), 403, 'bad_signature')
    await refused(playlist(signed(`${url}/cdn/${media_id}/v1/hls/master.m3u8`)), 403, 'bad_signature')
    await refused(playlist(signed(`${url}/cdn/${media_id}/v01/hls/*`)), 403, 'bad_signature')
    await refused(playlist(signed(`https://other.example/${media_id}/v1/hls/*`)), 403, 'bad_signature')
    await refused(playlist(signed('*')), 403, 'bad_signature')
    await refused(playlist(`${signed(resource())}&Policy=x`), 403, 'bad_signature')
    await refused(playlist(signed(resource(), { ip: '192.0.2.1' })), 403, 'bad_signature')
    const exact = `${url}/cdn/${media_id}/v1/hls/master.m3u8`
    const expires = Math.floor(clock.now() / 1000) + 600
    const canned = new URL(signer.signUrl(exact, { expires })).search.slice(1)
    assert.match(await refused(playlist(canned), 403, 'bad_signature'), /one file alone/)
    await refused(`${url}/api/media/${media_id}/storyboard.vtt?${signed(resource())}`, 403, 'bad_signature')
  })

  test('signatures by SHA-256 and RSA hold for what they name too', async () => {
    const own = openSigner({ keyPairId: 'KRSA', privateKey: rsa.privateKey, hash: 'SHA256' })
    const expires = Math.floor(clock.now() / 1000) + 600
    const query = new URL(own.signUrl('https://x/', { expires, resource: resource() })).search.slice(1)
    const { segments = [] } = parse((await get(playlist(query, '720p.m3u8'))).text)
    assert.match(segments[0]?.uri ?? '', /&Hash-Algorithm=SHA256$/)
    assert.equal((await get(segments[0]?.uri ?? '')).text, 'segment')
  })

  test('an expired one is refused', async () => {
    const { url: first, expires_at } = await addressOf('hls', '&expires_in=60')
    later = Date.parse(expires_at) - systemClock.now() + 1
    try {
      assert.match(await refused(first, 403, 'bad_signature'), /expired/)
    } finally {
      later = 0
    }
  })

  test('nothing but playlists of the folder, whatever the name', async () => {
    const query = signed(resource())
    for (const file of [
      'none.m3u8',
      '720p-init.mp4',
      '.m3u8',
      'master.m3u8%00',
      '..%2fhls%2fmaster.m3u8',
      '%2e%2e%2f720p.m3u8',
      '..%5cmaster.m3u8',
      'a%2f..%2fmaster.m3u8',
      '%252e%252e%252fmaster.m3u8',
      `${'a'.repeat(400)}.m3u8`,
      'm%C3%A4ster.m3u8',
      'master.m3u8%0a',
    ]) {
      await refused(playlist(query, file), 404, 'not_found')
    }
    for (const file of ['../../x', '%zz', '..;/x', '\\..\\x.m3u8', 'x/../master.m3u8', '/master.m3u8', '*']) {
      const reply = await get(`${url}/api/media/${media_id}/hls/`).then(
        async () => await raw(url, playlist(query, file)),
      )
      assert.ok([400, 403, 404].includes(reply), `${file}: ${reply}`)
    }
  })

  test('a thousand addresses with one byte changed are refused', async () => {
    const { url: first } = await addressOf('hls')
    const path = first.slice(url.length)
    for (let n = 0; n < 1_000; n++) {
      const at = 1 + Math.floor((((n * 7919) % 1_000) / 1_000) * (path.length - 1))
      const byte = 33 + ((n * 31 + at) % 94)
      const other = String.fromCharCode(byte === path.charCodeAt(at) ? byte + 1 : byte)
      const status = await raw(url, `${url}${path.slice(0, at)}${other}${path.slice(at + 1)}`)
      assert.ok([400, 403, 404].includes(status), `${status} for "${other}" at ${at} of ${path}`)
    }
  })

  test('a stream under way goes on when a newer version stands, and ends with the media', async () => {
    const own = await addStream(kit)
    const reply = await get(`${url}/api/media/download/${own}?rendition=hls`)
    const first = String(reply.headers.location)
    const record = await kit.metadata.get(own)
    await addFiles(kit, own, 2)
    const renditions = renditionsOf(own, 2)
    const version = record?.version ?? 0
    await kit.metadata.commit({ media_id: own, expect: { version }, patch: { renditions }, events: [] })
    const variant = parse((await get(first)).text).playlists?.[0]?.uri ?? ''
    assert.match((await get(variant)).text, /\/v1\/hls\/720p-00001\.m4s/)
    assert.equal((await request(`${url}/api/media/${own}`, { method: 'DELETE' })).statusCode, 204)
    await refused(first, 404, 'not_found')
    await refused(variant, 404, 'not_found')
  })

  test('by signed cookies: playlists and segments straight from the edge', async () => {
    const { url: first, set } = await addressOf('hls', '&cookies=true', { origin: page })
    assert.equal(first, `${url}/cdn/${media_id}/v1/hls/master.m3u8`)
    assert.equal(set.length, 3)
    const cookie = jarFor(set, first)
    const master = await get(first, { cookie, origin: page })
    assert.deepEqual([master.status, master.text], [200, files['hls/master.m3u8']])
    assert.equal(master.headers['access-control-allow-origin'], page)
    assert.equal(master.headers['access-control-allow-credentials'], 'true')
    assert.equal(master.headers.vary, 'Origin')
    for (const { uri } of parse(master.text).playlists ?? []) {
      const variant: string = new URL(uri, first).href
      const { segments = [] } = parse((await get(variant, { cookie: jarFor(set, variant) })).text)
      const segment: string = new URL(segments[0]?.uri ?? '', variant).href
      assert.equal((await get(segment, { cookie: jarFor(set, segment) })).text, 'segment')
    }
    assert.equal((await get(first)).status, 403)
    // They are sent nowhere else, and open nothing else.
    assert.equal(jarFor(set, `${url}/cdn/${media_id}/v1/720p.mp4`), '')
    assert.equal((await get(`${url}/cdn/${media_id}/v1/720p.mp4`, { cookie })).status, 403)
    assert.equal((await get(`${url}/cdn/${media_id}/v1/storyboard/sheet-001.jpg`, { cookie })).status, 403)
    const preflight = await get(first, { origin: page, 'access-control-request-method': 'GET' }, 'OPTIONS')
    assert.equal(preflight.headers['access-control-allow-credentials'], 'true')
    const foreign = await get(first, { cookie, origin: 'https://anybody.example' })
    assert.equal(foreign.headers['access-control-allow-origin'], '*')
    assert.equal(foreign.headers['access-control-allow-credentials'], undefined)
  })

  test('/openapi.json says that no identity is needed', async () => {
    await using strict = await openKit({
      env: { AUTH_JWT_SECRET: 's'.repeat(32) },
      streams: { open: async () => assert.fail() },
    })
    const { paths } = (await strict.app.inject({ url: '/openapi.json', headers: { host: 'localhost' } })).json()
    for (const path of ['/api/media/{media_id}/hls/{file}', '/api/media/{media_id}/storyboard.vtt']) {
      assert.deepEqual(Object.keys(paths[path]), ['get'], path)
      assert.deepEqual(paths[path].get.security, [])
    }
    assert.deepEqual(paths['/api/media/download/{media_id}'].get.security, [{ bearer: [] }])
  })

  test('cookies by redirect, and a page that may take them', async () => {
    const ask = `${url}/api/media/download/${media_id}?rendition=hls&cookies=true`
    const reply = await get(ask, { origin: page })
    assert.equal(reply.status, 302)
    assert.equal(reply.headers['access-control-allow-credentials'], 'true')
    assert.equal([reply.headers['set-cookie']].flat().length, 3)
    const preflight = await get(ask, { origin: page, 'access-control-request-method': 'GET' }, 'OPTIONS')
    assert.deepEqual([preflight.status, preflight.headers['access-control-allow-credentials']], [204, 'true'])
    const elsewhere = await get(`${url}/api/media`, { origin: page })
    assert.equal(elsewhere.headers['access-control-allow-credentials'], undefined)
    assert.equal((await get(ask.replace('=hls', '=720p'))).status, 422)
    // The name by which the API is called is another than the edge's: a browser would send the edge nothing.
    const wrong = await get(ask, { host: `localhost:${new URL(url).port}`, accept: 'application/json' })
    assert.deepEqual([wrong.status, JSON.parse(wrong.text).code], [409, 'cookies_unavailable'])
    assert.equal(wrong.headers['set-cookie'], undefined)
  })
})

/** API and edge on one server, as `wiring` makes them. */
async function openSite(clock: Clock): Promise<{ kit: Kit; url: string }> {
  let url = ''
  const given = () => ({
    metadata: kit.metadata,
    objects: kit.objects,
    bucket,
    clock,
    publicUrl: url,
    baseUrl: `${url}/cdn`,
  })
  const edge = () =>
    openEdge({
      ...given(),
      verifier,
      log: silentLog,
      basePath: '/cdn',
      publicBaseUrl: `${url}/cdn`,
      problemOf: (error) => problemOf(error, 'test'),
      corsOrigins: [page],
    })
  const kit: Kit = await openKit({
    clock,
    env: { CORS_ORIGINS: page },
    downloads: {
      download: (asked) => openDownloads({ ...given(), signer, cookieReach: { pages: [page] } }).download(asked),
    },
    streams: { open: (asked) => openStreams({ ...given(), verifier }).open(asked) },
    edge: (asked, reply) => edge().handle(asked, reply),
  })
  url = await kit.listen()
  return { kit, url }
}

function renditionsOf(media_id: string, version: number): Rendition[] {
  const about = { file_size: 1, etag: 'e', width: null, height: null, bitrate: null, duration: null }
  return [
    ['720p', '720p.mp4', 'video/mp4'],
    ['hls', 'hls/master.m3u8', 'application/vnd.apple.mpegurl'],
    ['storyboard.vtt', 'storyboard/storyboard.vtt', 'text/vtt'],
  ].map(([name = '', file, content_type = '']) => {
    return { name, s3_url: `s3://${bucket}/${media_id}/v${version}/${file}`, content_type, ...about }
  })
}

async function addFiles({ objects }: Kit, media_id: string, version: number): Promise<void> {
  for (const [file, text] of Object.entries(files)) {
    async function* body() {
      yield Buffer.from(text)
    }
    const staged = await objects.stage(body())
    const content_type = types[file.split('.').at(-1) ?? ''] ?? 'video/mp4'
    await staged.commit({ bucket, key: `${media_id}/v${version}/${file}` }, { content_type })
  }
}

async function addStream(kit: Kit): Promise<string> {
  const media_id = await kit.addMedia({ status: 'processing', playable: true, duration: 4 })
  await addFiles(kit, media_id, 1)
  const patch = { renditions: renditionsOf(media_id, 1), processed_s3_url: `s3://${bucket}/${media_id}/v1/720p.mp4` }
  const version = (await kit.metadata.get(media_id))?.version ?? 0
  await kit.metadata.commit({ media_id, expect: { version }, patch, events: [] })
  return media_id
}

/** What a browser sends to `address` of the cookies it was given. */
function jarFor(set: readonly string[], address: string): string {
  const { pathname } = new URL(address)
  const sent = set.filter((one) => pathname.startsWith(/; Path=([^;]*)/.exec(one)?.[1] ?? 'none'))
  return sent.map((one) => one.split(';', 1)[0]).join('; ')
}

/** The status for an address that is sent as it stands, which clients would mend. */
async function raw(url: string, address: string): Promise<number> {
  const { hostname, port } = new URL(url)
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const { connect } = await import('node:net')
  const socket = connect(Number(port), hostname, () => {
    socket.write(`GET ${address.slice(url.length)} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: close\r\n\r\n`)
  })
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk) => {
    text += chunk
  })
  socket.on('error', reject).on('close', () => resolve(Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0)))
  return await promise
}

function parse(text: string) {
  const parser = new Parser()
  parser.push(text)
  parser.end()
  return parser.manifest
}
