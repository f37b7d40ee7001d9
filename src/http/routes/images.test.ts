import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import sharp from 'sharp'
import { request } from 'undici'
import { openStorage, type Storage } from '../../delivery/cache/storage.ts'
import { openDownloads } from '../../delivery/download.ts'
import { type Images, openImages } from '../../delivery/images/images.ts'
import { openSigner, openVerifier } from '../../delivery/signer.ts'
import { type Clock, isoTime, systemChance, systemClock } from '../../media/clock.ts'
import { silentLog } from '../../media/log.ts'
import type { Rendition } from '../../media/record.ts'
import { parseSettings } from '../../media/setting.ts'
import { hasLocalFiles, type ObjectStore } from '../../objects/port.ts'
import { processingSettings } from '../../processing/settings.ts'
import { probeSandbox } from '../../processing/tools/sandbox.ts'
import { openTransforming, type Transforming } from '../../processing/transforming.ts'
import { problemOf } from '../errors.ts'
import { type Kit, openKit, until } from '../kit.test.ts'

/** Pictures on the fly over HTTP, made by the real picture process out of real files. */

const bucket = 'processed'
const chrome = 'image/avif,image/webp,image/*,*/*;q=0.8'
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const signer = openSigner({ keyPairId: 'KTEST', privateKey })
const verifier = openVerifier(new Map([['KTEST', publicKey]]))

describe('pictures on the fly', () => {
  let site: Site
  let photo = ''
  before(async () => {
    site = await openSite()
    photo = await site.add({ master: ['master.jpg', await scene(2000, 1000).jpeg({ quality: 95 }).toBuffer()] })
  })
  after(async () => await site?.close())

  async function get(address: string, headers: Record<string, string> = {}, method: 'GET' | 'HEAD' | 'POST' = 'GET') {
    const reply = await request(address, { headers, method })
    const bytes = Buffer.from(await reply.body.arrayBuffer())
    return { status: reply.statusCode, headers: reply.headers, bytes, code: codeIn(bytes) }
  }
  /** The signed address, by the door that clients use. */
  async function told(media_id: string, image: string, query = '') {
    const path = `/api/media/download/${media_id}?image=${encodeURIComponent(image)}${query}`
    const reply = await get(site.url + path, { accept: 'application/json' })
    return { status: reply.status, ...JSON.parse(reply.bytes.toString()) }
  }
  async function made(media_id: string, image: string, accept = chrome) {
    const { url } = await told(media_id, image)
    const reply = await get(url, { accept })
    assert.equal(reply.status, 200, reply.bytes.toString().slice(0, 300))
    return { ...reply, metadata: await sharp(reply.bytes).metadata() }
  }
  const colourAt = async (bytes: Buffer, x: number, y: number) => {
    const { data, info } = await sharp(bytes).removeAlpha().raw().toBuffer({ resolveWithObject: true })
    return [...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3)]
  }
  const isNear = (colour: number[], wanted: number[]) =>
    colour.every((one, at) => Math.abs(one - (wanted[at] ?? 0)) < 30)

  test('the address is told as of any download, signed for exactly this', async () => {
    const { url, content_type, filename, file_size, expires_at } = await told(photo, 'w=400,h=300,fit=cover')
    const path = `/i/${photo}/width=400,height=300,fit=cover,gravity=0.5x0.5,format=auto?Expires=`
    assert.ok(url.startsWith(site.url + path), url)
    assert.deepEqual([content_type, filename, file_size], ['image/*', 'Mountain Adventure-image.jpg', null])
    assert.ok(Date.parse(expires_at) > systemClock.now())
    const redirect = await get(`${site.url}/api/media/download/${photo}?image=w%3D50`)
    assert.deepEqual([redirect.status, redirect.code], [302, null])
    assert.equal((await get(String(redirect.headers.location))).status, 200)
  })

  test('in the format that the reader takes', async () => {
    const formats = { [chrome]: 'image/avif', 'image/webp': 'image/webp', '*/*': 'image/jpeg' }
    for (const [accept, type] of Object.entries(formats)) {
      const { headers, metadata } = await made(photo, 'width=300', accept)
      assert.deepEqual([headers['content-type'], headers.vary], [type, 'Accept'])
      assert.deepEqual([metadata.width, metadata.height], [300, 150])
    }
    const { headers } = await made(photo, 'width=300,format=png')
    assert.deepEqual([headers['content-type'], headers.vary], ['image/png', undefined])
  })

  test('with what a browser needs to keep it, and nothing to run it', async () => {
    const { headers, bytes } = await made(photo, 'width=310')
    assert.match(String(headers['cache-control']), /^private, max-age=3(?:600|599), immutable$/)
    assert.match(String(headers.etag), /^"[0-9a-f]{32}"$/)
    assert.deepEqual(
      [headers['x-content-type-options'], headers['content-security-policy'], headers['access-control-allow-origin']],
      ['nosniff', 'sandbox', '*'],
    )
    const { url } = await told(photo, 'width=310')
    const again = await get(url, { accept: chrome, 'if-none-match': String(headers.etag) })
    assert.deepEqual([again.status, again.bytes.length], [304, 0])
    const head = await get(url, { accept: chrome }, 'HEAD')
    assert.deepEqual([head.status, head.bytes.length], [200, 0])
    assert.equal(head.headers['content-length'], String(bytes.length))
    const part = await get(url, { accept: chrome, range: 'bytes=0-9' })
    assert.deepEqual([part.status, part.bytes], [206, bytes.subarray(0, 10)])
    assert.equal((await get(url, { accept: chrome }, 'POST')).status, 405)
  })

  const sizes: [string, number, number][] = [
    ['width=400', 400, 200],
    ['height=100', 200, 100],
    ['width=400,height=400', 400, 200],
    ['width=400,height=400,fit=cover', 400, 400],
    ['width=300,height=400,fit=cover,gravity=auto', 300, 400],
    ['width=400,height=400,fit=pad', 400, 400],
    ['width=3000', 2000, 1000],
    ['width=3000,height=3000,fit=cover', 1000, 1000],
    ['width=1,height=1,fit=cover', 1, 1],
    ['format=webp', 2000, 1000],
  ]
  for (const [options, width, height] of sizes) {
    test(`${options} is ${width} × ${height}`, async () => {
      const { metadata } = await made(photo, options, 'image/webp')
      assert.deepEqual([metadata.width, metadata.height], [width, height])
    })
  }

  test('what is cut off is what was asked', async () => {
    const corner = async (gravity: string) => {
      const { bytes } = await made(photo, `width=100,height=100,fit=cover,format=png,gravity=${gravity}`)
      return await colourAt(bytes, 50, 50)
    }
    assert.ok(isNear(await corner('left'), red))
    assert.ok(isNear(await corner('right'), blue))
    assert.ok(isNear(await corner('0x0.5'), red))
    const { bytes } = await made(photo, 'width=100,height=100,fit=pad,format=jpeg,background=00ff00')
    assert.ok(isNear(await colourAt(bytes, 50, 5), [0, 255, 0]))
    assert.ok(isNear(await colourAt(bytes, 20, 50), red))
  })

  test('quality makes it smaller', async () => {
    const low = await made(photo, 'width=800,format=jpeg,quality=20')
    const high = await made(photo, 'width=800,format=jpeg,quality=95')
    assert.ok(low.bytes.length * 2 < high.bytes.length, `${low.bytes.length} and ${high.bytes.length}`)
  })

  test('what shows through stays so where the format can', async () => {
    const create = { width: 60, height: 40, channels: 4 as const, background: { r: 255, g: 0, b: 0, alpha: 0.5 } }
    const glass = await site.add({ master: ['master.webp', await sharp({ create }).webp().toBuffer()] })
    for (const accept of ['*/*', 'image/webp', 'image/avif']) {
      assert.equal((await made(glass, 'width=30', accept)).metadata.hasAlpha, true, accept)
    }
    assert.equal((await made(glass, 'width=30', '*/*')).metadata.format, 'png')
    const flat = await made(glass, 'width=30,format=jpeg')
    assert.ok(isNear(await colourAt(flat.bytes, 15, 10), [255, 128, 128]))
  })

  test('an animation goes on, unless it is not to', async () => {
    const frames = await Promise.all([red, blue].map((one) => scene(90, 60, one).png().toBuffer()))
    const bytes = await sharp(frames, { join: { animated: true } })
      .webp()
      .toBuffer()
    const moving = await site.add({ 'webp-1600': ['webp-1600.webp', bytes] })
    const { metadata } = await made(moving, 'width=45')
    assert.deepEqual([metadata.format, metadata.pages, metadata.width, metadata.height], ['webp', 2, 45, 30])
    for (const fit of ['cover,gravity=auto', 'cover', 'pad']) {
      const { metadata: cut } = await made(moving, `width=20,height=20,fit=${fit},format=webp`)
      assert.deepEqual([cut.pages, cut.width, cut.height], [2, 20, 20], fit)
    }
    assert.ok(((await made(moving, 'width=45,anim=false,format=webp')).metadata.pages ?? 1) === 1)
    assert.equal((await made(moving, 'width=45', '*/*')).metadata.format, 'jpeg')
  })

  test('a hundred who ask for one wait for one, and those who come later find it', async () => {
    const { url } = await told(photo, 'width=555')
    const before = site.makes()
    const replies = await Promise.all(Array.from({ length: 100 }, () => get(url, { accept: chrome })))
    assert.ok(replies.every(({ status }) => status === 200))
    await get(url, { accept: chrome })
    const { url: other } = await told(photo, 'w=555,f=auto', '&expires_in=60')
    await get(other, { accept: chrome })
    assert.equal(site.makes() - before, 1)
  })

  test('more than can be made soon are told to come later', async () => {
    const addresses = await Promise.all(
      Array.from({ length: 30 }, async (_, at) => (await told(photo, `width=${600 + at},format=webp`)).url),
    )
    const replies = await Promise.all(addresses.map((url) => get(url)))
    const refused = replies.filter(({ status }) => status === 429)
    // Two are made, sixteen wait.
    assert.equal(replies.filter(({ status }) => status === 200).length, 18)
    assert.deepEqual(
      [...new Set(refused.map(({ code, headers }) => `${code} ${headers['retry-after']}`))],
      ['slow_down 2'],
    )
    assert.equal((await get(addresses.at(-1) ?? '')).status, 200, 'later it is made')
  })

  test('what nobody waits for any more is not made', async () => {
    const { url } = await told(photo, 'width=1999,height=999,fit=cover,format=png')
    const aborts = site.aborts()
    const patience = new AbortController()
    const asked = request(url, { signal: patience.signal })
    const begun = site.makes()
    await until(() => site.makes() > begun)
    patience.abort()
    await assert.rejects(asked)
    await until(() => site.aborts() > aborts)
  })

  test('only by a right signature', async () => {
    const { url } = await told(photo, 'width=320')
    const refused = async (address: string, status = 403) => {
      const { status: got, headers, bytes } = await get(address)
      assert.equal(got, status, address)
      assert.equal(headers['content-type'], 'application/problem+json')
      assert.equal(headers['cache-control'], 'no-store')
      return JSON.parse(bytes.toString()).code
    }
    assert.equal(await refused(url.replace('width=320', 'width=321')), 'bad_signature')
    assert.equal(await refused(url.split('?')[0] ?? ''), 'bad_signature')
    assert.equal(await refused(`${url}&x=1`), 'bad_signature')
    const sign = (path: string) =>
      signer.signUrl(site.url + path, { expires: Math.floor(systemClock.now() / 1000) + 60 })
    assert.equal(await refused(sign(`/i/${photo}/size=5`), 422), 'invalid_request')
    assert.equal(await refused(sign(`/i/${photo}/width=5/more`), 404), 'not_found')
    assert.equal(await refused(sign('/i/00000000-0000-4000-8000-000000000000/width=5'), 404), 'not_found')
  })

  test('what cannot be made is refused when its address is asked for, with words', async () => {
    const { status, code, detail } = await told(photo, 'width=9000')
    assert.deepEqual([status, code], [422, 'invalid_request'])
    assert.match(detail, /at most 4096 pixels/)
    assert.equal((await told(photo, 'width=50', '&rendition=thumbnail')).status, 422)
    assert.equal((await told(photo, 'width=50', '&cookies=true')).status, 422)
    assert.equal((await told(photo, 'width=50', '&disposition=attachment')).status, 422)
    const none = await site.add({}, { status: 'uploaded', playable: false })
    assert.deepEqual([(await told(none, 'width=50')).status, (await told(none, 'width=50')).code], [409, 'not_ready'])
  })

  test('to be saved under its name', async () => {
    const { url, filename } = await told(photo, 'width=50,format=png', '&disposition=attachment')
    assert.equal(filename, 'Mountain Adventure-image.png')
    const { headers } = await get(url)
    assert.match(String(headers['content-disposition']), /^attachment; filename="Mountain Adventure-image\.png"/)
  })

  test('of a video that which stands for it', async () => {
    const video = await site.add({ thumbnail: ['thumbnail.jpg', await scene(640, 360).jpeg().toBuffer()] })
    assert.equal((await made(video, 'width=64')).metadata.height, 36)
  })

  test('of a deleted media nothing is served, and nothing is kept', async () => {
    const media_id = await site.add({ master: ['master.jpg', await scene(200, 100).jpeg().toBuffer()] })
    const { url } = await told(media_id, 'width=100')
    assert.equal((await get(url)).status, 200)
    assert.equal(site.keysOf(media_id).length, 1)
    await site.remove(media_id)
    site.wait(1_001)
    assert.deepEqual([(await get(url)).status, site.keysOf(media_id).length], [404, 0])
  })

  test('a store that is far away is asked once', async () => {
    await using far = await openSite({ remote: true })
    const media_id = await far.add({ master: ['master.jpg', await scene(200, 100).jpeg().toBuffer()] })
    for (const width of [10, 20, 30]) {
      const path = `/api/media/download/${media_id}?image=width%3D${width}`
      const { headers } = await get(far.url + path)
      assert.equal((await get(String(headers.location))).status, 200)
    }
    assert.equal(far.fetches(), 1)
  })
})

const red = [220, 20, 30]
const blue = [20, 40, 200]

/** Its left half of one colour, the right of another, with some grain. */
function scene(width: number, height: number, left = red) {
  const [r = 0, g = 0, b = 0] = left
  const noise = { type: 'gaussian' as const, mean: 128, sigma: 12 }
  const [x, y, z] = blue as [number, number, number]
  return sharp({ create: { width, height, channels: 3, background: { r: x, g: y, b: z } } }).composite([
    { input: { create: { width: width / 2, height, channels: 3, background: { r, g, b } } }, left: 0, top: 0 },
    { input: { create: { width, height, channels: 3, background: '#888', noise } }, blend: 'soft-light' },
  ])
}

function codeIn(bytes: Buffer): string | null {
  try {
    return JSON.parse(bytes.toString()).code ?? null
  } catch {
    return null
  }
}

interface Site extends AsyncDisposable {
  url: string
  /** A media with these renditions: file and bytes. */
  add(files: Record<string, [string, Buffer]>, patch?: { status: 'uploaded'; playable: boolean }): Promise<string>
  remove(media_id: string): Promise<void>
  keysOf(media_id: string): string[]
  /** Moves the clock on. */
  wait(ms: number): void
  makes(): number
  aborts(): number
  fetches(): number
  close(): Promise<void>
}

async function openSite({ remote = false } = {}): Promise<Site> {
  let [url, later, makes, aborts, fetches] = ['', 0, 0, 0, 0]
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + later }
  let images: Images | undefined
  let parts: { storage: Storage; maker: Transforming } | undefined
  const downloads = () =>
    openDownloads({ metadata: kit.metadata, signer, bucket, baseUrl: `${url}/cdn`, publicUrl: url, clock })
  const kit: Kit = await openKit({
    clock,
    downloads: { download: (asked) => downloads().download(asked) },
    images: (asked, reply) => images?.handle(asked, reply),
  })
  url = await kit.listen()
  const newId = () => systemChance.uuid().replaceAll('-', '')
  const limits = { limit: 50_000_000, memoryBytes: 1_000_000 }
  const storage = await openStorage({ folder: join(kit.folder, 'cache'), ...limits, newId, log: silentLog })
  const settings = parseSettings(processingSettings, {})
  const workRoot = join(kit.folder, 'work')
  const sandbox = await probeSandbox('auto')
  const maker = await openTransforming({ sandbox, settings, workRoot, clock: systemClock, chance: systemChance })
  parts = { storage, maker }
  images = openImages({
    metadata: kit.metadata,
    objects: remote ? farAway(kit.objects, () => fetches++) : kit.objects,
    verifier,
    storage,
    maker: {
      make: async (order) => {
        makes++
        order.signal.addEventListener('abort', () => aborts++)
        return await maker.make(order)
      },
    },
    clock,
    log: silentLog,
    publicUrl: url,
    problemOf: (error) => problemOf(error, 'test'),
    atOnce: 2,
  })

  async function close(): Promise<void> {
    images?.close()
    await kit[Symbol.asyncDispose]()
    await parts?.maker.close()
    await parts?.storage.close()
  }

  return {
    url,
    add: async (files, patch = { status: 'uploaded', playable: true }) => {
      const media_id = await kit.addMedia({ media_type: 'image', ...patch })
      const renditions: Rendition[] = []
      for (const [name, [file, bytes]] of Object.entries(files)) {
        const ref = { bucket, key: `${media_id}/v1/${file}` }
        const path = join(kit.folder, file)
        await writeFile(path, bytes)
        const { etag, size } = await kit.objects.putFile(ref, path, { content_type: 'image/any' })
        const about = { width: null, height: null, bitrate: null, duration: null, content_type: 'image/any' }
        renditions.push({ name, s3_url: `s3://${bucket}/${ref.key}`, etag, file_size: size, ...about })
      }
      await kit.metadata.commit({ media_id, expect: {}, patch: { renditions } })
      return media_id
    },
    remove: async (media_id) => {
      const events = [{ type: 'media.deleted' as const, at: isoTime(clock.now()) }]
      await kit.metadata.commit({ media_id, expect: {}, patch: { status: 'deleted' }, events })
    },
    keysOf: (media_id) => [...storage.keys()].filter((key) => key.startsWith(media_id)),
    wait: (ms) => {
      later += ms
    },
    makes: () => makes,
    aborts: () => aborts,
    fetches: () => fetches,
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** The same store without files of this disk. */
function farAway(objects: ObjectStore, onFetch: () => void): ObjectStore {
  assert.ok(hasLocalFiles(objects))
  const { pathOf: _, ...rest } = objects
  return {
    ...rest,
    get: async (ref, options) => {
      onFetch()
      return await objects.get(ref, options)
    },
  }
}
