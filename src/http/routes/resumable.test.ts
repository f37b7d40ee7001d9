import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type Kit, openKit } from '../kit.test.ts'
import { open, picture, type Reply, send } from './sender.test.ts'

const run = promisify(execFile)
const base = '/api/media/upload/tus'
const named = `${base}?filename=Summer%20at%20sea.gif`
const v6 = { 'upload-draft-interop-version': '6' }
const partial = { 'content-type': 'application/partial-upload' }
const problemTypes = 'https://iana.org/assignments/http-problem-types'

describe('resumable uploads by the draft', { timeout: 60_000 }, () => {
  let kit: Kit
  let url: string
  before(async () => {
    kit = await openKit()
    url = await kit.listen()
  })
  after(async () => await kit[Symbol.asyncDispose]())

  const ask = async (method: string, path: string, headers: Record<string, string> = {}, body?: Uint8Array) =>
    await send(url, { method, path, headers: { ...v6, ...headers }, ...(body ? { body } : {}) })
  const append = async (path: string, offset: number, last: boolean, body: Uint8Array, more = {}) => {
    const complete = last ? '?1' : '?0'
    return await ask(
      'PATCH',
      path,
      { ...partial, 'upload-offset': String(offset), 'upload-complete': complete, ...more },
      body,
    )
  }
  const begin = async (bytes: Uint8Array, more: Record<string, string> = {}) => {
    const begun = await ask('POST', named, { 'upload-complete': '?0', ...more }, bytes)
    assert.equal(begun.status, 201, begun.body)
    return begun.headers.location ?? ''
  }
  const head = async (path: string) => await ask('HEAD', path)
  const idOf = (path: string) => path.split('/').at(-1) ?? ''
  const problemOf = ({ status, body }: Reply) => ({ ...JSON.parse(body), answered: status })

  async function bytesOf(media_id: string): Promise<Buffer> {
    const record = await kit.metadata.get(media_id)
    const [, bucket = '', key = ''] = /^s3:\/\/([^/]+)\/(.+)$/.exec(record?.temp_s3_url ?? '') ?? []
    const { body } = await kit.objects.get({ bucket, key })
    const chunks: Uint8Array[] = []
    for await (const chunk of body) chunks.push(Uint8Array.from(chunk))
    return Buffer.concat(chunks)
  }

  test('takes a file in one request, and says first where it could go on', async () => {
    const bytes = picture(100_000)
    const answer = await ask('POST', named, { 'upload-complete': '?1', 'content-type': 'image/gif' }, bytes)
    assert.equal(answer.status, 201)
    const [first] = answer.interim
    assert.equal(first?.status, 104)
    assert.match(first?.headers.location ?? '', /^\/api\/media\/upload\/tus\/[0-9a-f-]{36}$/)
    assert.equal(first?.headers['upload-draft-interop-version'], '6')
    assert.match(first?.headers['upload-limit'] ?? '', /^max-size=5497558138880, min-size=1, max-age=3\d{3}, expires=3/)
    assert.equal(answer.headers.location, first?.headers.location)
    assert.equal(answer.headers['upload-complete'], '?1')
    assert.equal(answer.headers['upload-offset'], '100000')
    const record = JSON.parse(answer.body)
    assert.deepEqual(
      [record.media_id, record.status, record.title, record.file_size],
      [answer.headers['media-id'], 'uploaded', 'Summer at sea', 100_000],
    )
    assert.ok((await bytesOf(record.media_id)).equals(bytes))
  })

  test('sends interim answers only to those who speak its version', async () => {
    for (const [version, count] of [
      ['5', 1],
      ['7', 1],
      ['8', 1],
      ['3', 0],
      ['9', 0],
      [null, 0],
    ] as const) {
      const said: Record<string, string> = version === null ? {} : { 'upload-draft-interop-version': version }
      const headers = { ...said, 'upload-complete': '?1' }
      const answer = await send(url, { method: 'POST', path: named, headers, body: picture(100) })
      assert.equal(answer.status, 201)
      assert.equal(answer.interim.length, count, `version ${version}`)
      if (count) assert.equal(answer.interim[0]?.headers['upload-draft-interop-version'], version)
    }
  })

  test('takes a whole file in the words of iOS 17, which no interim answer tells to go on here', async () => {
    const former = { 'upload-draft-interop-version': '3', 'upload-incomplete': '?0' }
    const bytes = picture(50_000)
    const { status, interim, body } = await ask('POST', `${base}?title=Former`, former, bytes)
    assert.deepEqual([status, interim], [201, []])
    const { media_id, file_size } = JSON.parse(body)
    assert.deepEqual([(await kit.metadata.get(media_id))?.status, file_size], ['uploaded', 50_000])
  })

  test('takes a file in many requests, of a length that nobody says', async () => {
    const bytes = picture(90_000)
    const begun = await ask('POST', named, { 'upload-complete': '?0' }, bytes.subarray(0, 20_000))
    assert.deepEqual(
      [begun.status, begun.headers['upload-complete'], begun.headers['upload-offset']],
      [201, '?0', '20000'],
    )
    const path = begun.headers.location ?? ''
    const more = await append(path, 20_000, false, bytes.subarray(20_000))
    assert.deepEqual(
      [more.status, more.headers['upload-complete'], more.headers['upload-offset']],
      [204, '?0', '90000'],
    )
    const asked = await head(path)
    assert.deepEqual(
      [asked.status, asked.headers['upload-complete'], asked.headers['upload-offset']],
      [204, '?0', '90000'],
    )
    assert.equal(asked.headers['upload-length'], undefined)
    assert.equal(asked.headers['cache-control'], 'no-store')
    assert.match(asked.headers['upload-limit'] ?? '', /max-age=\d+/)
    const last = await append(path, 90_000, true, Buffer.alloc(0))
    assert.deepEqual([last.status, last.headers['upload-complete']], [200, '?1'])
    assert.equal(JSON.parse(last.body).status, 'uploaded')
    assert.ok((await bytesOf(idOf(path))).equals(bytes))
    const after = await head(path)
    assert.deepEqual([after.headers['upload-complete'], after.headers['upload-length']], ['?1', '90000'])
  })

  test('goes on after a cut from where the interim answer said', async () => {
    const bytes = picture(500_000)
    const sending = await open(url, {
      method: 'POST',
      path: named,
      headers: { ...v6, 'upload-complete': '?1', 'content-length': String(bytes.length) },
    })
    await sending.write(bytes.subarray(0, 200_000))
    const interim = await sending.next()
    const path = interim?.headers.location ?? ''
    await sleep(50)
    sending.cut()
    const asked = await head(path)
    const offset = Number(asked.headers['upload-offset'])
    assert.ok(offset > 0 && offset <= 200_000, `${offset}`)
    assert.deepEqual([asked.headers['upload-complete'], asked.headers['upload-length']], ['?0', '500000'])
    const last = await append(path, offset, true, bytes.subarray(offset))
    assert.equal(last.status, 200)
    assert.ok((await bytesOf(idOf(path))).equals(bytes))
  })

  test('tells how far it is while it is under way, as durable', async () => {
    const sending = await open(url, {
      method: 'POST',
      path: named,
      headers: { ...v6, 'upload-complete': '?1', 'content-length': '300000' },
    })
    const bytes = picture(300_000)
    await sending.write(bytes.subarray(0, 200_000))
    const [begun, further] = [await sending.next(), await sending.next()]
    assert.deepEqual([begun?.status, further?.status], [104, 104])
    assert.equal(further?.headers['upload-offset'], '200000')
    assert.equal(further?.headers.location, undefined)
    const { upload } = await kit.pending.find('local', idOf(begun?.headers.location ?? ''))
    assert.equal((await kit.objects.heldOf(upload)).offset, 200_000)
    await sending.write(bytes.subarray(200_000))
    assert.equal((await sending.answer()).status, 201)
  })

  test('an append elsewhere is refused, with the place where it is to go on', async () => {
    const path = await begin(picture(1_000))
    const refused = await append(path, 500, false, picture(10))
    assert.equal(refused.headers['upload-offset'], '1000')
    assert.equal(refused.headers['upload-complete'], '?0')
    const { type, answered, code, ...problem } = problemOf(refused)
    assert.deepEqual([type, answered, code], [`${problemTypes}#mismatching-upload-offset`, 409, 'wrong_offset'])
    assert.deepEqual([problem['expected-offset'], problem['provided-offset']], [1_000, 500])
  })

  test('what is complete is not added to; the last request again has its answer again', async () => {
    const bytes = picture(1_000)
    const path = await begin(Buffer.alloc(0))
    assert.equal((await append(path, 0, true, bytes)).status, 200)
    const more = await append(path, 1_000, true, picture(10))
    assert.equal(more.headers['upload-complete'], '?1')
    assert.deepEqual(
      [problemOf(more).type, problemOf(more).answered, problemOf(more).code],
      [`${problemTypes}#completed-upload`, 400, 'wrong_state'],
    )
    const again = await append(path, 1_000, true, Buffer.alloc(0))
    assert.deepEqual([again.status, JSON.parse(again.body).media_id], [200, idOf(path)])
    assert.ok((await bytesOf(idOf(path))).equals(bytes))
  })

  test('lengths that do not agree are refused', async () => {
    const differing = { 'upload-complete': '?1', 'upload-length': '999' }
    assert.equal((await ask('POST', named, differing, picture(1_000))).status, 400)
    const path = await begin(picture(1_000), { 'upload-length': '5000' })
    for (const answer of [
      await append(path, 1_000, true, picture(1_000)),
      await append(path, 1_000, false, picture(1_000), { 'upload-length': '4000' }),
    ]) {
      assert.deepEqual(
        [problemOf(answer).type, problemOf(answer).answered],
        [`${problemTypes}#inconsistent-upload-length`, 400],
      )
    }
    assert.equal((await head(path)).headers['upload-offset'], '1000')
    const over = await append(path, 1_000, false, picture(4_001))
    assert.equal(over.status, 413)
  })

  test('refuses with problems, and keeps nothing of what was refused', async () => {
    const count = async () => (await kit.metadata.list({ user_id: 'local', limit: 100 })).items.length
    const before = await count()
    const refused: [string, Record<string, string>, Uint8Array, number, string][] = [
      [base, { 'upload-complete': '?1' }, picture(10), 422, 'title_missing'],
      [named, { 'upload-complete': 'yes' }, picture(10), 400, 'malformed_request'],
      [named, {}, picture(10), 400, 'malformed_request'],
      [named, { 'upload-complete': '?1' }, Buffer.alloc(0), 422, 'file_empty'],
      [named, { 'upload-complete': '?0', 'upload-length': 'many' }, picture(10), 400, 'malformed_request'],
      [named, { 'upload-complete': '?0', 'upload-length': String(6 * 1024 ** 4) }, picture(10), 413, 'too_large'],
      [
        `${base}?title=A`,
        { 'upload-complete': '?0', 'content-type': 'text/html' },
        picture(10),
        415,
        'unsupported_media',
      ],
      [named, { 'upload-complete': '?1' }, Buffer.from('no media'), 415, 'unsupported_media'],
    ]
    for (const [path, headers, body, status, code] of refused) {
      const answer = await ask('POST', path, headers, body)
      assert.deepEqual([answer.status, problemOf(answer).code], [status, code], JSON.stringify(headers))
    }
    assert.equal(await count(), before)

    const path = await begin(picture(10))
    const offset = { 'upload-offset': '10' }
    const complete = { 'upload-complete': '?0' }
    assert.equal(
      (await ask('PATCH', path, { ...offset, ...complete, 'content-type': 'image/gif' }, picture(1))).status,
      415,
    )
    assert.equal((await ask('PATCH', path, { ...partial, ...complete }, picture(1))).status, 400)
    assert.equal((await ask('PATCH', path, { ...partial, ...offset }, picture(1))).status, 400)
    assert.equal((await ask('PATCH', path, { ...partial, ...complete, 'upload-offset': '-1' }, picture(1))).status, 400)
    // Version 5 names no type for what is appended.
    const older = { ...offset, ...complete, 'upload-draft-interop-version': '5' }
    assert.equal((await ask('PATCH', path, older, picture(1))).status, 204)
  })

  test('an empty file of a length that nobody says is refused at its end', async () => {
    const path = await begin(Buffer.alloc(0))
    const answer = await append(path, 0, true, Buffer.alloc(0))
    assert.deepEqual([answer.status, problemOf(answer).code], [422, 'file_empty'])
  })

  test('given up, it is gone', async () => {
    const path = await begin(picture(1_000))
    assert.equal((await ask('DELETE', path)).status, 204)
    assert.equal((await head(path)).status, 404)
    assert.equal((await append(path, 1_000, true, picture(1))).status, 404)
    assert.equal((await kit.metadata.get(idOf(path)))?.status, 'deleted')
  })

  test('takes the name from the address, from Content-Disposition, or as tus says it', async () => {
    const names: [string, Record<string, string>, string, string | null][] = [
      [`${base}?title=At%20sea`, {}, 'At sea', null],
      [base, { 'content-disposition': 'attachment; filename="a \\"b\\".gif"' }, 'a "b"', 'a "b".gif'],
      [base, { 'content-disposition': "inline; filename=x.gif; filename*=UTF-8''%C3%A9t%C3%A9.gif" }, 'été', 'été.gif'],
      [base, { 'content-disposition': Buffer.from('inline; filename="été.gif"').toString('latin1') }, 'été', 'été.gif'],
      [base, { 'upload-metadata': `filename ${Buffer.from('tus.gif').toString('base64')}` }, 'tus', 'tus.gif'],
    ]
    for (const [path, headers, title, filename] of names) {
      const { status, headers: told, body } = await ask('POST', path, { 'upload-complete': '?0', ...headers })
      assert.equal(status, 201, body)
      const record = await kit.metadata.get(told['media-id'] ?? '')
      assert.deepEqual([record?.title, record?.filename], [title, filename])
    }
  })

  test('what tus has begun the draft goes on with, and back', async () => {
    const bytes = picture(300_000)
    const tus = { 'tus-resumable': '1.0.0', 'upload-draft-interop-version': '' }
    const chunk = { ...tus, 'content-type': 'application/offset+octet-stream' }
    const metadata = `filename ${Buffer.from('both.gif').toString('base64')}`
    const begun = await send(url, {
      method: 'POST',
      path: base,
      headers: { ...chunk, 'upload-length': '300000', 'upload-metadata': metadata },
      body: bytes.subarray(0, 50_000),
    })
    const path = begun.headers.location ?? ''
    assert.deepEqual([begun.status, (await head(path)).headers['upload-length']], [201, '300000'])
    assert.equal((await append(path, 50_000, false, bytes.subarray(50_000, 120_000))).status, 204)
    const asked = await send(url, { method: 'HEAD', path, headers: tus })
    assert.deepEqual([asked.headers['upload-offset'], asked.headers['upload-metadata']], ['120000', metadata])
    const headers = { ...chunk, 'upload-offset': '120000' }
    assert.equal(
      (await send(url, { method: 'PATCH', path, headers, body: bytes.subarray(120_000, 200_000) })).status,
      204,
    )
    const last = await append(path, 200_000, true, bytes.subarray(200_000))
    assert.deepEqual([last.status, last.headers['upload-complete']], [200, '?1'])
    assert.equal((await send(url, { method: 'HEAD', path, headers: tus })).headers['upload-offset'], '300000')
    assert.ok((await bytesOf(idOf(path))).equals(bytes))
  })

  test('who asks how far it is sends the sender away', async () => {
    const bytes = picture(300_000)
    const path = await begin(Buffer.alloc(0))
    const sending = await open(url, {
      method: 'PATCH',
      path,
      headers: { ...v6, ...partial, 'upload-complete': '?1', 'upload-offset': '0', 'content-length': '300000' },
    })
    await sending.write(bytes.subarray(0, 100_000))
    await sleep(50)
    const offset = Number((await head(path)).headers['upload-offset'])
    assert.ok(offset > 0)
    const displaced = await sending.answer()
    assert.deepEqual([displaced.status, displaced.headers['upload-complete']], [409, '?0'])
    assert.equal((await append(path, offset, true, bytes.subarray(offset))).status, 200)
    assert.ok((await bytesOf(idOf(path))).equals(bytes))
  })

  test('over HTTP/2 the interim answer comes as well, and a cut stream is gone on with', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'draft-'))
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
    const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
    await run('openssl', [...request, '-subj', '/CN=localhost', '-keyout', key, '-out', cert])
    const secure = await openKit({ env: { TLS_CERT_FILE: cert, TLS_KEY_FILE: key } })
    const address = await secure.listen()
    const session = connect(address, { rejectUnauthorized: false })
    try {
      const bytes = picture(300_000)
      const begun = session.request({ ':method': 'POST', ':path': named, ...v6, 'upload-complete': '?1' })
      begun.on('error', () => {})
      begun.write(bytes.subarray(0, 150_000))
      const [interim] = await once(begun, 'headers')
      assert.deepEqual([interim[':status'], interim['upload-draft-interop-version']], [104, '6'])
      await sleep(50)
      begun.destroy()
      const asked = session.request({ ':method': 'HEAD', ':path': interim.location, ...v6 })
      const [told] = await once(asked, 'response')
      assert.deepEqual([told[':status'], told['upload-offset'], told['upload-complete']], [204, '150000', '?0'])
      const dropped = connect(address, { rejectUnauthorized: false })
      dropped.on('error', () => {})
      const second = dropped.request({
        ...{ ':method': 'PATCH', ':path': interim.location, ...v6, ...partial },
        ...{ 'upload-complete': '?1', 'upload-offset': '150000' },
      })
      second.on('error', () => {})
      second.write(bytes.subarray(150_000, 200_000))
      await sleep(100)
      dropped.destroy()
      const again = session.request({ ':method': 'HEAD', ':path': interim.location, ...v6 })
      const [further] = await once(again, 'response')
      assert.deepEqual([further['upload-offset'], further['upload-complete']], ['200000', '?0'])
      const last = session.request({
        ...{ ':method': 'PATCH', ':path': interim.location, ...v6, ...partial },
        ...{ 'upload-complete': '?1', 'upload-offset': '200000' },
      })
      last.end(bytes.subarray(200_000))
      const [answer] = await once(last, 'response')
      assert.deepEqual([answer[':status'], answer['upload-complete'], answer['upload-offset']], [200, '?1', '300000'])
    } finally {
      session.destroy()
      await secure[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    }
  })

  test('a key makes one media', async () => {
    const bytes = picture(2_000)
    const headers = { 'upload-complete': '?1', 'idempotency-key': 'once-by-draft' }
    const first = await ask('POST', named, headers, bytes)
    const again = await ask('POST', named, headers, bytes)
    assert.deepEqual([first.status, again.status, again.headers['idempotency-replayed']], [201, 201, 'true'])
    assert.equal(JSON.parse(again.body).media_id, JSON.parse(first.body).media_id)
  })
})
