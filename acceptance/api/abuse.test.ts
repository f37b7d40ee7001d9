import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { embeddedOnly, objectsOf, onEngines } from '../engines.ts'
import { type Judge, openJudge } from '../judge.ts'
import { makeSample } from '../samples.ts'
import { startTarget, type Target } from '../target.ts'

/** The direct door and the store's own addresses, in the hands of somebody who means no good. */

const mebi = 1024 * 1024
const partSize = 5 * mebi
const json = { 'content-type': 'application/json' }
const keyOf = (user: string) => `key-of-${user}`

/** How the store's addresses are written and refused: by the embedded store, or by S3. */
const store = onEngines
  ? { signature: 'X-Amz-Signature', expires: 'X-Amz-Expires', bucket: /^\/[^/]+/, other: '/processed-bucket' }
  : { signature: 'signature', expires: 'expires', bucket: /^\/store\/[^/]+/, other: '/store/processed' }
/** S3 has codes of its own. */
const refused = (answer: { status: number; code: string | null }, status: number, code: string) =>
  onEngines
    ? assert.equal(answer.status, s3Statuses[code] ?? status)
    : assert.deepEqual([answer.status, answer.code], [status, code])
/** What is signed there is the size as a header. */
const s3Statuses: Record<string, number> = { size_mismatch: 403 }

interface Plan {
  media_id: string
  part_size: number
  part_count: number
  parts: { part_number: number; url: string }[]
}
interface PartName {
  part_number: number
  etag: string
}

describe('abuse', () => {
  let folder: string
  let dataDir: string
  let target: Target
  let ada: Judge
  let eve: Judge
  let photo: Uint8Array<ArrayBuffer>

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'abuse-'))
    dataDir = join(folder, 'data')
    const keys = ['ada', 'eve'].map((user) => `${createHash('sha256').update(keyOf(user)).digest('hex')} ${user}`)
    const AUTH_API_KEYS_FILE = join(folder, 'keys')
    await writeFile(AUTH_API_KEYS_FILE, keys.join('\n'))
    target = await startTarget({ dataDir, env: { AUTH_API_KEYS_FILE } })
    ada = await openJudge(target.url, { authorization: `Bearer ${keyOf('ada')}` })
    eve = await openJudge(target.url, { authorization: `Bearer ${keyOf('eve')}` })
    photo = new Uint8Array(await (await makeSample('photo.jpg')).arrayBuffer())
  })
  after(async () => {
    await target.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const ask = async (method: string, path: string, body?: object, by = ada) =>
    await by.ask(method, `/api/media${path}`, body ? { headers: json, body: JSON.stringify(body) } : {})

  async function init(change: object = {}): Promise<Plan> {
    const words = { title: 'A', filename: 'a.jpg', content_type: 'image/jpeg', file_size: photo.length }
    const answer = await ask('POST', '/upload/init', { ...words, ...change })
    assert.equal(answer.status, 201, answer.text)
    return answer.json
  }

  async function send(url: string | URL, body: Uint8Array<ArrayBuffer>) {
    const answer = await fetch(url, { method: 'PUT', body })
    const text = await answer.text()
    const code = answer.status === 200 ? null : onEngines ? text : (JSON.parse(text) as { code: string }).code
    return { status: answer.status, code, etag: answer.headers.get('etag') ?? '' }
  }

  /** An upload whose only part is there. */
  async function sent() {
    const plan = await init()
    const url = plan.parts[0]?.url ?? ''
    const { etag } = await send(url, photo)
    return { plan, url, parts: [{ part_number: 1, etag }] }
  }

  const complete = async (plan: Plan, parts: PartName[], by = ada) =>
    await ask('POST', `/upload/${plan.media_id}/complete`, { parts }, by)

  const held = async (plan: Plan) =>
    (await ask('GET', `/upload/${plan.media_id}`)).json.parts.map(({ part_number }: PartName) => part_number)

  /** Files of an upload or a media, anywhere in the store. */
  async function filesOf({ media_id }: Plan, upload_id: string) {
    const all = await objectsOf(dataDir)
    return all.filter((name) => name.includes(media_id) || name.includes(upload_id))
  }
  const uploadIn = (plan: Plan) => new URL(plan.parts[0]?.url ?? '').searchParams.get('uploadId') ?? ''

  function altered(url: string, change: (url: URL) => void): URL {
    const copy = new URL(url)
    change(copy)
    return copy
  }

  const alterations: [string, (url: URL, other: URL) => void][] = [
    ['another part number', (url) => url.searchParams.set('partNumber', '2')],
    ['another size', (url) => url.searchParams.set('size', '1')],
    ['another upload', (url, other) => url.searchParams.set('uploadId', other.searchParams.get('uploadId') ?? '')],
    ['a later expiry', (url) => url.searchParams.set(store.expires, '99999999999')],
    ['a signature of another address', (url, other) => url.searchParams.set(store.signature, signatureOf(other))],
    ['an altered signature', (url) => url.searchParams.set(store.signature, signatureOf(url).replace(/^./, flip))],
    ['no signature', (url) => url.searchParams.delete(store.signature)],
    ['a doubled parameter', (url) => url.searchParams.append('partNumber', '1')],
    ['one parameter more', (url) => url.searchParams.append('x', '1')],
  ]
  const signatureOf = (url: URL) => url.searchParams.get(store.signature) ?? ''
  const flip = (letter: string) => (letter === 'a' ? 'b' : 'a')
  for (const [name, change] of alterations) {
    const options = name === 'a doubled parameter' ? embeddedOnly('harmless, and Ceph takes it') : {}
    test(`an address with ${name} is refused`, options, async () => {
      const [plan, other] = [await init(), await init()]
      const [url = '', otherUrl = ''] = [plan.parts[0]?.url, other.parts[0]?.url]
      const answer = await send(
        altered(url, (copy) => change(copy, new URL(otherUrl))),
        photo,
      )
      refused(answer, 403, 'bad_signature')
      assert.deepEqual([await held(plan), await held(other)], [[], []])
    })
  }

  for (const [name, path] of [
    ['another key', (url: URL, other: URL) => [url.pathname, other.pathname]],
    ['another bucket', () => [store.bucket, store.other]],
    ['a way out', () => [/[^/]+$/, '..%2f..%2fkeys']],
  ] as [string, (url: URL, other: URL) => [string | RegExp, string]][]) {
    test(`an address with ${name} is refused`, async () => {
      const [plan, other] = [await init(), await init()]
      const [url, otherUrl] = [new URL(plan.parts[0]?.url ?? ''), new URL(other.parts[0]?.url ?? '')]
      url.pathname = url.pathname.replace(...path(url, otherUrl))
      const answer = await send(url, photo)
      refused(answer, 403, 'bad_signature')
    })
  }

  for (const [name, change] of [
    ['more', 1],
    ['fewer', -1],
  ] as const) {
    test(`a part with ${name} bytes than signed is refused`, async () => {
      const plan = await init()
      const answer = await send(plan.parts[0]?.url ?? '', new Uint8Array(photo.length + change))
      refused(answer, 422, 'size_mismatch')
      assert.deepEqual(await held(plan), [])
    })
  }

  test('a body that goes on beyond its announced length adds nothing to the part', async () => {
    const { url, plan } = await sent()
    const { hostname, port, host, pathname, search } = new URL(url)
    const socket = connect(Number(port), hostname)
    socket.on('error', () => {})
    socket.write(`PUT ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${photo.length}\r\n\r\n`)
    socket.write(photo)
    socket.write('and something more\r\n\r\n')
    socket.resume()
    await once(socket, 'close')
    const { json } = await ask('GET', `/upload/${plan.media_id}`)
    assert.ok([0, photo.length].includes(json.stored_bytes), `${json.stored_bytes} bytes: the part, or none of it`)
  })

  test('an address replayed after the end changes nothing', async () => {
    const { plan, url, parts } = await sent()
    const { json: media } = await complete(plan, parts)
    const other = photo.map((byte) => byte ^ 1)
    refused(await send(url, other), 404, 'not_found')
    assert.equal((await ask('GET', `/${plan.media_id}`)).json.etag, media.etag)
    assert.equal((await complete(plan, parts)).json.etag, media.etag)
  })

  test('an address replayed after giving up leaves nothing', async () => {
    const { plan, url } = await sent()
    assert.equal((await ask('DELETE', `/upload/${plan.media_id}`)).status, 204)
    assert.equal((await send(url, photo)).status, 404)
    assert.deepEqual(await filesOf(plan, uploadIn(plan)), [])
  })

  test('somebody else’s upload is not there', async () => {
    const { plan, parts } = await sent()
    const path = `/upload/${plan.media_id}`
    const answers = [
      await ask('GET', path, undefined, eve),
      await ask('POST', `${path}/parts`, { part_numbers: [1] }, eve),
      await complete(plan, parts, eve),
      await ask('DELETE', path, undefined, eve),
      await ask('GET', `/${plan.media_id}`, undefined, eve),
      await ask('DELETE', `/${plan.media_id}`, undefined, eve),
    ]
    assert.deepEqual(
      answers.map(({ status, json }) => [status, json.code]),
      answers.map(() => [404, 'not_found']),
    )
    assert.equal((await complete(plan, parts)).status, 200)
  })

  test('nobody’s identity begins nothing', async () => {
    const answer = await fetch(`${target.url}/api/media/upload/init`, { method: 'POST', headers: json, body: '{}' })
    assert.equal(answer.status, 401)
  })

  const lists: [string, (etag: string) => PartName[], string][] = [
    ['a part that was never sent', (etag) => [one(1, etag), one(2, etag)], 'invalid_parts'],
    ['a gap', (etag) => [one(2, etag)], 'invalid_parts'],
    ['another ETag', () => [one(1, `"${'0'.repeat(32)}"`)], 'invalid_parts'],
    ['one part twice', (etag) => [one(1, etag), one(1, etag)], 'invalid_parts'],
    ['no part', () => [], 'invalid_request'],
    ['a part zero', (etag) => [one(0, etag)], 'invalid_request'],
    ['a part too many', (etag) => [one(10_001, etag)], 'invalid_request'],
  ]
  const one = (part_number: number, etag: string) => ({ part_number, etag })
  for (const [name, list, code] of lists) {
    test(`a list of parts with ${name} is refused, and the upload goes on`, async () => {
      const { plan, parts } = await sent()
      const answer = await complete(plan, list(parts[0]?.etag ?? ''))
      assert.deepEqual([answer.status, answer.json.code], [422, code])
      assert.equal((await complete(plan, parts)).status, 200)
    })
  }

  test('a list without the last part is refused: the size was declared', async () => {
    const file = new Uint8Array(partSize + 1)
    file.set(photo)
    const plan = await init({ file_size: file.length })
    const { etag } = await send(plan.parts[0]?.url ?? '', file.subarray(0, partSize))
    const answer = await complete(plan, [one(1, etag)])
    assert.deepEqual([answer.status, answer.json.code], [422, 'size_mismatch'])
    const last = await send(plan.parts[1]?.url ?? '', file.subarray(partSize))
    const unordered = [one(2, last.etag), one(1, etag)]
    assert.equal((await complete(plan, unordered)).status, 200, 'in which order they are named does not matter')
  })

  test('completed again and again, eight at a time, it is one media', async () => {
    const { plan, parts } = await sent()
    const answers = await Promise.all(Array.from({ length: 8 }, () => complete(plan, parts)))
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
    assert.equal(new Set(answers.map(({ json }) => json.etag)).size, 1)
    const { text } = await ask('GET', `/${plan.media_id}/events`)
    assert.equal([...text.matchAll(/"status":"uploaded"/g)].length <= 1, true)
    const { json: page } = await ask('GET', '?limit=100')
    assert.equal(page.items.filter(({ media_id }: Plan) => media_id === plan.media_id).length, 1)
  })

  test('completed by one who hangs up before the answer, it is complete when asked again', async () => {
    const { plan, parts } = await sent()
    const { hostname, port, host } = new URL(target.url)
    const body = JSON.stringify({ parts })
    const socket = connect(Number(port), hostname)
    socket.on('error', () => {})
    const head = [
      `POST /api/media/upload/${plan.media_id}/complete HTTP/1.1`,
      `Host: ${host}`,
      `Authorization: Bearer ${keyOf('ada')}`,
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
    ]
    await new Promise<void>((resolve) => socket.write(`${head.join('\r\n')}\r\n\r\n${body}`, () => resolve()))
    socket.destroy()
    assert.equal((await complete(plan, parts)).status, 200)
  })

  test('given up, it cannot be completed', async () => {
    const { plan, parts } = await sent()
    await ask('DELETE', `/upload/${plan.media_id}`)
    assert.equal((await complete(plan, parts)).status, 404)
  })

  test('completed, it cannot be given up: the media is removed as others are', async () => {
    const { plan, parts } = await sent()
    await complete(plan, parts)
    const answer = await ask('DELETE', `/upload/${plan.media_id}`)
    assert.deepEqual([answer.status, answer.json.code], [409, 'wrong_state'])
    assert.equal((await ask('DELETE', `/${plan.media_id}`)).status, 204)
    assert.equal((await complete(plan, parts)).status, 404)
  })

  test('a file too large, or of a wrong type, is not begun', async () => {
    const begin = async (change: object) => {
      const words = { title: 'A', filename: 'a.jpg', content_type: 'image/jpeg', file_size: 1, ...change }
      const { status, json } = await ask('POST', '/upload/init', words)
      return [status, json.code]
    }
    assert.deepEqual(await begin({ file_size: 5 * 1024 ** 4 + 1 }), [413, 'too_large'])
    assert.deepEqual(await begin({ file_size: Number.MAX_SAFE_INTEGER }), [413, 'too_large'])
    assert.deepEqual(await begin({ file_size: 0 }), [422, 'file_empty'])
    assert.deepEqual(await begin({ content_type: 'text/html', filename: 'a.html' }), [415, 'unsupported_media'])
  })

  test('a page sent as a film is refused at the end, leaves nothing, and is refused again', async () => {
    const page = new TextEncoder().encode('<!doctype html><script>alert(1)</script>')
    const plan = await init({ filename: 'a.mp4', content_type: 'video/mp4', file_size: page.length })
    const { etag } = await send(plan.parts[0]?.url ?? '', page)
    for (let times = 0; times < 2; times++) {
      const answer = await complete(plan, [one(1, etag)])
      assert.deepEqual([answer.status, answer.json.code], [415, 'unsupported_media'])
    }
    assert.equal((await ask('GET', `/${plan.media_id}`)).status, 404)
    assert.deepEqual(await filesOf(plan, uploadIn(plan)), [])
  })

  test('5 TiB and ten thousand addresses are no burden', async () => {
    const plan = await init({ file_size: 5 * 1024 ** 4 })
    assert.ok(plan.part_count > 9_900 && plan.part_count <= 10_000)
    const numbers = Array.from({ length: plan.part_count }, (_, index) => index + 1)
    const urls = new Set<string>()
    for (let at = 0; at < numbers.length; at += 1_000) {
      const [answer, health] = await Promise.all([
        ask('POST', `/upload/${plan.media_id}/parts`, { part_numbers: numbers.slice(at, at + 1_000) }),
        fetch(`${target.url}/healthz`),
      ])
      assert.equal(health.status, 200)
      for (const { url } of answer.json.parts) urls.add(url)
    }
    assert.equal(urls.size, plan.part_count)
    const answer = await complete(
      plan,
      numbers.map((number) => one(number, `"${'0'.repeat(32)}"`)),
    )
    assert.deepEqual([answer.status, answer.json.code], [422, 'invalid_parts'])
    assert.equal((await ask('DELETE', `/upload/${plan.media_id}`)).status, 204)
  })

  test('a straggler that is still sending when the upload ends writes nothing', async () => {
    const file = new Uint8Array(partSize + 1)
    file.set(photo)
    const plan = await init({ file_size: file.length })
    const parts: PartName[] = []
    for (const [index, { url }] of plan.parts.entries()) {
      const { etag } = await send(url, file.subarray(index * partSize, (index + 1) * partSize))
      parts.push(one(index + 1, etag))
    }
    const { hostname, port, host, pathname, search } = new URL(plan.parts[0]?.url ?? '')
    const socket = connect(Number(port), hostname)
    socket.on('error', () => {})
    socket.write(`PUT ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${partSize}\r\n\r\n`)
    const { json: media } = await complete(plan, parts)
    socket.write(new Uint8Array(partSize))
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk
    })
    while (!/^HTTP\/1.1 \d/.test(text)) await sleep(5)
    socket.destroy()
    // Whichever came first: the part was gone at the end, or the end was there before the part.
    if (media.code === 'invalid_parts') return
    assert.match(text, /^HTTP\/1.1 404/)
    assert.equal((await ask('GET', `/${plan.media_id}`)).json.etag, media.etag)
  })

  test('an upload that takes too long is gone, and its addresses before it', async () => {
    const own = join(folder, 'short')
    const short = await startTarget({ dataDir: own, env: { UPLOAD_EXPIRY_SECONDS: '1' } })
    try {
      const judge = await openJudge(short.url)
      const words = { title: 'A', filename: 'a.jpg', content_type: 'image/jpeg', file_size: photo.length }
      const { json: plan } = await judge.ask('POST', '/api/media/upload/init', {
        headers: json,
        body: JSON.stringify(words),
      })
      const url = plan.parts[0]?.url ?? ''
      assert.equal((await send(url, photo)).status, 200)
      let late = await send(url, photo)
      for (; late.status === 200; late = await send(url, photo)) await sleep(100)
      refused(late, 403, 'bad_signature')
      const path = `/api/media/upload/${plan.media_id}`
      while ((await judge.ask('GET', path)).status !== 404) await sleep(100)
      const left = async () => (await objectsOf(own)).filter((name) => /[0-9a-f]{32}|-/.test(name))
      while ((await left()).length > 0) await sleep(100)
    } finally {
      await short.stop()
    }
  })
})
