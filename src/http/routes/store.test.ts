import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { systemClock } from '../../media/clock.ts'
import { gif } from '../../uploads/kit.test.ts'
import { type Kit, openKit, until } from '../kit.test.ts'

const mebi = 1024 * 1024
const partSize = 5 * mebi

/** An upload of two parts: the second has 1 000 bytes. */
async function begin(kit: Kit, file_size = partSize + 1_000) {
  const payload = { title: 'A', filename: 'a.gif', content_type: 'image/gif', file_size }
  const plan = (await kit.app.inject({ method: 'POST', url: '/api/media/upload/init', payload })).json()
  const { upload } = await kit.pending.find('local', plan.media_id)
  return {
    plan,
    first: new URL(plan.parts[0].url),
    last: new URL(plan.parts.at(-1).url),
    held: async () => (await kit.objects.heldOf(upload)).parts.map(({ part_number, size }) => [part_number, size]),
  }
}

/** What a server answers to bytes that are not quite a request. */
function sendRaw(url: URL, head: string[], bytes: Uint8Array = new Uint8Array()) {
  const socket = connect(Number(url.port), url.hostname)
  socket.on('error', () => {})
  socket.write(`PUT ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\n${head.join('\r\n')}\r\n\r\n`)
  socket.write(bytes)
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  const answered = async (status: RegExp) => {
    await until(() => status.test(text) && text.includes('\r\n\r\n'))
    socket.destroy()
    return text
  }
  return { socket, text: () => text, answered }
}

const put = async (url: URL | string, bytes: Uint8Array, headers: Record<string, string> = {}) => {
  const answer = await fetch(url, { method: 'PUT', body: new Uint8Array(bytes), headers })
  return { status: answer.status, headers: answer.headers, json: await answer.json().catch(() => null) }
}

describe('the store’s own addresses', () => {
  test('take a part from any page, whatever its type, and answer its ETag', async () => {
    await using kit = await openKit({ env: { AUTH_JWT_SECRET: 'x'.repeat(32) } })
    await kit.listen()
    const { upload } = await kit.pending.find(
      'ada',
      (
        await kit.pending.begin({
          ...{ user_id: 'ada', door: 'direct', title: 'A', filename: 'a.gif', content_type: 'image/gif' },
          ...{ file_size: 43, part_size: partSize },
        })
      ).media_id,
    )
    const { presignPart } = kit.objects as unknown as { presignPart: (...given: unknown[]) => Promise<string> }
    const url = await presignPart(upload, { part_number: 1, size: 43, expires_in: 60 })
    for (const type of ['image/gif', 'application/json', 'application/x-www-form-urlencoded', 'x/y; z=1']) {
      const foreign = { origin: 'https://elsewhere.example', 'sec-fetch-site': 'cross-site', 'content-type': type }
      const { status, headers } = await put(url, gif(), foreign)
      assert.equal(status, 200, type)
      assert.match(headers.get('etag') ?? '', /^"[0-9a-f]{32}"$/)
      assert.equal(headers.get('access-control-allow-origin'), '*')
      assert.match(headers.get('access-control-expose-headers') ?? '', /ETag/)
      assert.equal(headers.get('x-content-type-options'), 'nosniff')
    }
    const preflight = await fetch(url, {
      method: 'OPTIONS',
      headers: { origin: 'https://elsewhere.example', 'access-control-request-method': 'PUT' },
    })
    assert.equal(preflight.status, 204)
    assert.equal(preflight.headers.get('access-control-allow-methods'), 'PUT')
    assert.equal(preflight.headers.get('access-control-allow-headers'), '*')
    for (const method of ['GET', 'HEAD', 'POST', 'DELETE']) {
      assert.equal((await fetch(url, { method })).status, 405, method)
    }
  })

  test('refuse a body of another size before it is sent', async () => {
    await using kit = await openKit()
    await kit.listen()
    const { last, held } = await begin(kit)
    const refused = sendRaw(last, ['Content-Length: 999', 'Expect: 100-continue'])
    assert.match(await refused.answered(/^HTTP\/1.1 422 [^]*"size_mismatch"/), /access-control-allow-origin: \*/i)
    await sendRaw(last, ['Transfer-Encoding: chunked', 'Expect: 100-continue']).answered(
      /^HTTP\/1.1 411 [^]*"length_required"/,
    )
    assert.deepEqual(await held(), [])
  })

  test('ask for the body of one who waits to be asked', async () => {
    await using kit = await openKit()
    await kit.listen()
    const { last, held } = await begin(kit)
    const { socket, text, answered } = sendRaw(last, [
      'Content-Length: 1000',
      'Expect: 100-continue',
      'Connection: close',
    ])
    await until(() => text().startsWith('HTTP/1.1 100'))
    socket.write(Buffer.alloc(1_000))
    await answered(/HTTP\/1.1 200 OK/)
    assert.deepEqual(await held(), [[2, 1_000]])
  })

  test('a cut body leaves nothing, and what it was to replace is gone', async () => {
    await using kit = await openKit()
    await kit.listen()
    const { first, held } = await begin(kit)
    assert.equal((await put(first, gif(partSize))).status, 200)
    const { socket } = sendRaw(first, [`Content-Length: ${partSize}`], Buffer.alloc(2 * mebi))
    while ((await held()).length > 0) await systemClock.sleep(5)
    socket.destroy()
    await kit.app.inject('/healthz')
    await systemClock.sleep(50)
    assert.deepEqual(await held(), [])
    assert.equal((await put(first, gif(partSize))).status, 200)
    assert.deepEqual(await held(), [[1, partSize]])
    assert.deepEqual(await readdir(join(kit.folder, 'objects/.staging')), [])
  })

  test('refuse every address that is not just as it was signed', async () => {
    await using kit = await openKit()
    await kit.listen()
    const { last, held } = await begin(kit)
    const other = await begin(kit)
    const changed = (change: (url: URL) => void) => {
      const url = new URL(last)
      change(url)
      return url
    }
    const set = (name: string, value: string) => changed((url) => url.searchParams.set(name, value))
    const signature = last.searchParams.get('signature') ?? ''
    const cases: Record<string, URL> = {
      'another part': set('partNumber', '1'),
      'another size': set('size', '1001'),
      'any size': set('size', ''),
      'another upload': set('uploadId', other.last.searchParams.get('uploadId') ?? ''),
      'another signature': set('signature', other.last.searchParams.get('signature') ?? ''),
      'an altered signature': set('signature', `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`),
      'a longer signature': set('signature', `${signature}=`),
      'no signature': changed((url) => url.searchParams.delete('signature')),
      'a later expiry': set('expires', '9999999999'),
      'another key': changed((url) => {
        url.pathname = other.last.pathname
      }),
      'another bucket': changed((url) => {
        url.pathname = url.pathname.replace('/temp/', '/processed/')
      }),
      'a key beside it': changed((url) => {
        url.pathname += 'x'
      }),
      'a doubled parameter': changed((url) => url.searchParams.append('partNumber', '2')),
      'one parameter more': changed((url) => url.searchParams.append('acl', 'public-read')),
    }
    for (const [name, url] of Object.entries(cases)) {
      const { status, json } = await put(url, Buffer.alloc(1_000))
      assert.deepEqual([status, json?.code], [403, 'bad_signature'], name)
    }
    assert.deepEqual(await held(), [])
    assert.deepEqual(await other.held(), [])
    const reordered = new URL(last)
    reordered.search = new URLSearchParams([...last.searchParams].reverse()).toString()
    assert.equal((await put(reordered, Buffer.alloc(1_000))).status, 200)
  })

  test('refuse an address that has expired', async () => {
    let ahead = 0
    const clock = { ...systemClock, now: () => systemClock.now() + ahead }
    await using kit = await openKit({ clock })
    await kit.listen()
    const { last, plan } = await begin(kit)
    ahead = 2 * 3_600_000
    const { status, json } = await put(last, Buffer.alloc(1_000))
    assert.deepEqual([status, json.code], [403, 'bad_signature'])
    const url = `/api/media/upload/${plan.media_id}/parts`
    const late = await kit.app.inject({ method: 'POST', url, payload: { part_numbers: [2] } })
    assert.equal(late.statusCode, 404, 'the upload has expired too: nothing is signed beyond it')
  })

  test('after the end of an upload its addresses write nothing', async () => {
    await using kit = await openKit()
    await kit.listen()
    const { first, plan } = await begin(kit, 43)
    const { headers } = await put(first, gif())
    const payload = { parts: [{ part_number: 1, etag: headers.get('etag') }] }
    const url = `/api/media/upload/${plan.media_id}/complete`
    const done = (await kit.app.inject({ method: 'POST', url, payload })).json()
    assert.equal(done.status, 'uploaded')
    const replayed = await put(first, Buffer.alloc(43, 1))
    assert.deepEqual([replayed.status, replayed.json.code], [404, 'not_found'])
    const key = { bucket: 'temp', key: `${plan.media_id}.gif` }
    assert.equal((await kit.objects.head(key))?.etag, done.etag)
  })

  test('a straggler that is still sending at the end fails, and writes nothing', async () => {
    await using kit = await openKit()
    await kit.listen()
    const { first, plan, held } = await begin(kit, 43)
    const { headers } = await put(first, gif())
    const etag = headers.get('etag') ?? ''
    const straggler = sendRaw(first, ['Content-Length: 43', 'Connection: close'], Buffer.alloc(20, 1))
    while ((await held()).length > 0) await systemClock.sleep(5)
    const parts = [{ part_number: 1, etag }]
    const url = `/api/media/upload/${plan.media_id}/complete`
    const refused = (await kit.app.inject({ method: 'POST', url, payload: { parts } })).json()
    assert.equal(refused.code, 'invalid_parts', 'the part is being sent again')
    assert.equal((await kit.app.inject({ method: 'DELETE', url: url.replace('/complete', '') })).statusCode, 204)
    await straggler.answered(/^HTTP\/1.1 404 /)
  })
})
