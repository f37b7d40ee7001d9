import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import { Upload } from 'tus-js-client'
import { silentLog } from '../../media/log.ts'
import { type Kit, openKit, until } from '../kit.test.ts'
import { open, picture, type Reply, send } from './sender.test.ts'

const base = '/api/media/upload/tus'
const tus = { 'tus-resumable': '1.0.0' }
const chunkType = { 'content-type': 'application/offset+octet-stream' }
const base64 = (text: string | Uint8Array) => Buffer.from(text).toString('base64')
const named = { 'upload-metadata': `filename ${base64('Summer at sea.gif')},filetype ${base64('image/gif')}` }

describe('tus', { timeout: 60_000 }, () => {
  let kit: Kit
  let url: string
  before(async () => {
    kit = await openKit({ env: { CORS_ORIGINS: 'https://app.example' } })
    url = await kit.listen()
  })
  after(async () => await kit[Symbol.asyncDispose]())

  const ask = async (method: string, path: string, headers: Record<string, string> = {}, body?: Uint8Array) =>
    await send(url, { method, path, headers: { ...tus, ...headers }, ...(body ? { body } : {}) })

  async function create(size: number | null, headers: Record<string, string> = {}): Promise<string> {
    const length: Record<string, string> =
      size === null ? { 'upload-defer-length': '1' } : { 'upload-length': String(size) }
    const { status, headers: told, body } = await ask('POST', base, { ...named, ...length, ...headers })
    assert.equal(status, 201, body)
    return told.location ?? ''
  }
  const patch = async (path: string, offset: number, body: Uint8Array, headers: Record<string, string> = {}) =>
    await ask('PATCH', path, { ...chunkType, 'upload-offset': String(offset), ...headers }, body)
  const head = async (path: string) => await ask('HEAD', path)
  const openPatch = async (path: string, offset: number, length: number) =>
    await open(url, {
      method: 'PATCH',
      path,
      headers: { ...tus, ...chunkType, 'upload-offset': String(offset), 'content-length': String(length) },
    })
  const recordAt = async (path: string) => await kit.metadata.get(path.split('/').at(-1) ?? '')
  const codeOf = ({ body }: Reply) => JSON.parse(body).code

  async function bytesAt(path: string): Promise<Buffer> {
    const record = await recordAt(path)
    const [, bucket = '', key = ''] = /^s3:\/\/([^/]+)\/(.+)$/.exec(record?.temp_s3_url ?? '') ?? []
    const { body } = await kit.objects.get({ bucket, key })
    return Buffer.concat(await chunksOf(body))
  }

  /** Goes on from what HEAD says until all is there. */
  async function finish(path: string, bytes: Buffer): Promise<void> {
    const offset = Number((await head(path)).headers['upload-offset'])
    const { status, headers } = await patch(path, offset, bytes.subarray(offset))
    assert.equal(status, 204)
    assert.equal(headers['upload-offset'], String(bytes.length))
    assert.ok((await bytesAt(path)).equals(bytes), 'the bytes are not those that were sent')
  }

  test('takes metadata with blanks after its commas, as TUSKit writes it', async () => {
    const metadata = `filename ${base64('a.gif')}, filetype ${base64('image/gif')}, title ${base64('Alps')}`
    const created = await ask('POST', base, { 'upload-metadata': metadata, 'upload-length': '10' })
    assert.equal(created.status, 201)
    assert.equal((await recordAt(created.headers.location ?? ''))?.title, 'Alps')
    assert.equal((await head(created.headers.location ?? '')).headers['upload-metadata'], metadata)
  })

  test('makes a media of what was sent', async () => {
    const bytes = picture(200_000)
    const created = await ask('POST', base, { ...named, 'upload-length': String(bytes.length) })
    const path = created.headers.location ?? ''
    assert.equal(created.status, 201)
    assert.match(path, /^\/api\/media\/upload\/tus\/[0-9a-f-]{36}$/)
    assert.equal(created.headers['media-id'], path.split('/').at(-1))
    assert.ok(Date.parse(created.headers['upload-expires'] ?? '') > kit.clock.now())
    assert.equal(created.headers['tus-resumable'], '1.0.0')

    const first = await patch(path, 0, bytes.subarray(0, 150_000))
    assert.equal(first.status, 204)
    assert.equal(first.headers['upload-offset'], '150000')
    const asked = await head(path)
    assert.equal(asked.status, 200)
    assert.equal(asked.headers['upload-offset'], '150000')
    assert.equal(asked.headers['upload-length'], '200000')
    assert.equal(asked.headers['upload-metadata'], named['upload-metadata'])
    assert.equal(asked.headers['cache-control'], 'no-store')
    assert.equal((await recordAt(path))?.status, 'uploading')

    const last = await patch(path, 150_000, bytes.subarray(150_000))
    assert.equal(last.status, 204)
    assert.equal(last.headers['upload-offset'], '200000')
    assert.equal(last.headers['upload-expires'], undefined)
    const record = await recordAt(path)
    assert.deepEqual(
      [record?.status, record?.title, record?.filename, record?.content_type, record?.file_size],
      ['uploaded', 'Summer at sea', 'Summer at sea.gif', 'image/gif', 200_000],
    )
    assert.ok((await bytesAt(path)).equals(bytes))
  })

  test('is complete to whoever asks afterwards, and takes no more', async () => {
    const bytes = picture(1_000)
    const path = await create(1_000)
    await patch(path, 0, bytes)
    const asked = await head(path)
    assert.deepEqual([asked.headers['upload-offset'], asked.headers['upload-length']], ['1000', '1000'])
    assert.equal((await patch(path, 1_000, Buffer.alloc(0))).status, 204)
    assert.equal((await patch(path, 1_000, Buffer.alloc(10))).status, 413)
    const chunked = { ...chunkType, 'upload-offset': '1000', 'transfer-encoding': 'chunked' }
    const more = await open(url, { method: 'PATCH', path, headers: { ...tus, ...chunked } })
    await more.write(Buffer.from('3\r\nabc\r\n0\r\n\r\n'))
    assert.equal((await more.answer()).status, 409)
    assert.equal((await patch(path, 0, bytes)).status, 409)
    assert.equal((await ask('DELETE', path)).status, 409)
    assert.ok((await bytesAt(path)).equals(bytes))
  })

  test('speaks one version, and says which', async () => {
    for (const version of [{}, { 'tus-resumable': '0.2.2' }]) {
      const headers = { 'upload-length': '10', ...version }
      const { status, headers: told, body } = await send(url, { method: 'POST', path: base, headers })
      assert.equal(status, 412)
      assert.equal(told['tus-version'], '1.0.0')
      assert.equal(JSON.parse(body).code, 'precondition_failed')
    }
    const { status, headers } = await send(url, { method: 'OPTIONS', path: base })
    assert.equal(status, 204)
    assert.equal(headers['tus-version'], '1.0.0')
    assert.equal(headers['tus-max-size'], String(5 * 1024 ** 4))
    assert.match(
      headers['tus-extension'] ?? '',
      /^creation,creation-with-upload,creation-defer-length,termination,checksum/,
    )
    assert.match(headers['accept-patch'] ?? '', /application\/partial-upload/)
    assert.match(headers['upload-limit'] ?? '', /^max-size=5497558138880/)
  })

  test('refuses with problems, and keeps nothing of what was refused', async () => {
    const before = (await kit.metadata.list({ user_id: 'local', limit: 100 })).items.length
    const refused: [Record<string, string>, number, string][] = [
      [{ ...named }, 400, 'malformed_request'],
      [{ ...named, 'upload-length': 'ten' }, 400, 'malformed_request'],
      [{ ...named, 'upload-length': '10', 'upload-defer-length': '1' }, 400, 'malformed_request'],
      [{ 'upload-metadata': 'filename not-base64!', 'upload-length': '10' }, 400, 'malformed_request'],
      [{ ...named, 'upload-length': '0' }, 422, 'file_empty'],
      [{ 'upload-length': '10' }, 422, 'title_missing'],
      [{ ...named, 'upload-length': String(5 * 1024 ** 4 + 1) }, 413, 'too_large'],
      [
        {
          'upload-metadata': `filename ${base64('a.pdf')},filetype ${base64('application/pdf')}`,
          'upload-length': '9',
        },
        415,
        'unsupported_media',
      ],
    ]
    for (const [headers, status, code] of refused) {
      const answer = await ask('POST', base, headers)
      assert.deepEqual([answer.status, codeOf(answer)], [status, code], JSON.stringify(headers))
      assert.equal(answer.headers['content-type'], 'application/problem+json')
      assert.equal(answer.headers['tus-resumable'], '1.0.0')
    }
    assert.equal((await kit.metadata.list({ user_id: 'local', limit: 100 })).items.length, before)

    const path = await create(1_000)
    const bytes = picture(1_000)
    const wrong: [Record<string, string>, Uint8Array, number, string][] = [
      [{ ...chunkType, 'upload-offset': '1' }, bytes.subarray(1), 409, 'wrong_offset'],
      [{ 'content-type': 'image/gif', 'upload-offset': '0' }, bytes, 415, 'unsupported_media'],
      [{ ...chunkType }, bytes, 400, 'malformed_request'],
      [{ ...chunkType, 'upload-offset': '0' }, Buffer.alloc(1_001), 413, 'too_large'],
      [{ ...chunkType, 'upload-offset': '0', 'upload-length': '999' }, bytes.subarray(1), 400, 'malformed_request'],
    ]
    for (const [headers, body, status, code] of wrong) {
      const answer = await ask('PATCH', path, headers, body)
      assert.deepEqual([answer.status, codeOf(answer)], [status, code], JSON.stringify(headers))
      assert.doesNotMatch(JSON.parse(answer.body).detail, /conflict|exceeded|required/)
    }
    assert.equal((await head(path)).headers['upload-offset'], '0')
  })

  test('a refusal says what happened and what to do', async () => {
    const path = await create(1_000)
    await patch(path, 0, picture(400))
    const open = await create(null)
    await patch(open, 0, picture(400))
    const detailOf = async (answer: Promise<Reply>) => JSON.parse((await answer).body).detail
    const length = (bytes: number) => ({ 'upload-length': String(bytes) })
    const nothing = Buffer.alloc(0)
    assert.match(await detailOf(patch(path, 7, nothing)), /holds 400 bytes.*"Upload-Offset: 400"/)
    assert.match(await detailOf(patch(path, 400, Buffer.alloc(700))), /have 1000 bytes, of which 600 are missing/)
    assert.match(await detailOf(patch(path, 400, nothing, length(999))), /have 1000 bytes, and that stays/)
    assert.match(await detailOf(patch(open, 400, nothing, length(399))), /holds 400 bytes already/)
    assert.match(await detailOf(patch(open, 400, nothing, length(5 * 1024 ** 4 + 1))), /5497558138880 bytes at most/)
    assert.match(
      await detailOf(ask('POST', base, named)),
      /^Send Upload-Length .* or "Upload-Defer-Length: 1"; not both/,
    )
    assert.match(await detailOf(ask('POST', base, { ...named, 'upload-length': 'ten' })), /upload-length/)
  })

  test('more bytes than were declared are refused, and what fits is a media', async () => {
    const bytes = picture(1_000)
    const path = await create(1_000)
    const headers = { ...tus, ...chunkType, 'upload-offset': '0', 'transfer-encoding': 'chunked' }
    const sending = await open(url, { method: 'PATCH', path, headers })
    await sending.write(Buffer.concat([Buffer.from('3f2\r\n'), bytes, Buffer.alloc(10), Buffer.from('\r\n0\r\n\r\n')]))
    assert.equal((await sending.answer()).status, 413)
    assert.equal((await head(path)).headers['upload-offset'], '1000')
    assert.ok((await bytesAt(path)).equals(bytes))
  })

  test('what is no media is refused as soon as its head is there, and gone', async () => {
    const path = await create(10_000_000)
    const sending = await openPatch(path, 0, 10_000_000)
    await sending.write(Buffer.alloc(100_000, 'no media '))
    const answer = await sending.answer()
    assert.deepEqual([answer.status, codeOf(answer)], [415, 'unsupported_media'])
    assert.equal((await head(path)).status, 404)
    const short = await create(9)
    assert.equal((await patch(short, 0, Buffer.from('no media '))).status, 415)
    assert.equal((await head(short)).status, 415)
  })

  test('takes bytes with the creation, and tells where it stands', async () => {
    const bytes = picture(5_000)
    const whole = await ask('POST', base, { ...named, ...chunkType, 'upload-length': '5000' }, bytes)
    assert.deepEqual([whole.status, whole.headers['upload-offset']], [201, '5000'])
    assert.equal((await recordAt(whole.headers.location ?? ''))?.status, 'uploaded')
    const part = await ask('POST', base, { ...named, ...chunkType, 'upload-length': '5000' }, bytes.subarray(0, 2_000))
    assert.deepEqual([part.status, part.headers['upload-offset']], [201, '2000'])
    await finish(part.headers.location ?? '', bytes)
  })

  test('of a creation that fails nothing is left', async () => {
    const before = (await kit.metadata.list({ user_id: 'local', limit: 100 })).items.length
    const headers = {
      ...named,
      ...chunkType,
      'upload-length': '5000',
      'upload-checksum': `sha1 ${base64(Buffer.alloc(20))}`,
    }
    assert.equal((await ask('POST', base, headers, picture(5_000))).status, 460)
    const cut = await open(url, {
      method: 'POST',
      path: base,
      headers: { ...tus, ...named, ...chunkType, 'upload-length': '5000', 'content-length': '5000' },
    })
    await cut.write(picture(1_000))
    cut.cut()
    await sleep(200)
    assert.equal((await kit.metadata.list({ user_id: 'local', limit: 100 })).items.length, before)
  })

  test('the length may be left open, and said later, twice if need be', async () => {
    const bytes = picture(3_000)
    const path = await create(null)
    assert.equal((await head(path)).headers['upload-defer-length'], '1')
    assert.equal((await patch(path, 0, bytes.subarray(0, 1_000))).status, 204)
    const cut = await open(url, {
      method: 'PATCH',
      path,
      headers: { ...tus, ...chunkType, 'upload-offset': '1000', 'upload-length': '3000', 'content-length': '2000' },
    })
    await cut.write(bytes.subarray(1_000, 1_500))
    while ((await recordAt(path))?.upload?.file_size !== 3_000) await sleep(5)
    cut.cut()
    const { headers } = await head(path)
    assert.deepEqual([headers['upload-length'], headers['upload-defer-length']], ['3000', undefined])
    const offset = Number(headers['upload-offset'])
    const last = await patch(path, offset, bytes.subarray(offset), { 'upload-length': '3000' })
    assert.deepEqual([last.status, last.headers['upload-offset']], [204, '3000'])
    assert.ok((await bytesAt(path)).equals(bytes))
  })

  test('a size over the limit, said or sent, is refused', async () => {
    const path = await create(null)
    const answer = await patch(path, 0, Buffer.alloc(0), { 'upload-length': String(5 * 1024 ** 4 + 1) })
    assert.equal(answer.status, 413)
  })

  test('of a chunk that is not what its checksum says nothing is kept', async () => {
    const bytes = picture(300_000)
    const path = await create(bytes.length)
    const sum = (algorithm: string, of: Uint8Array) =>
      `${algorithm} ${base64(createHash(algorithm).update(of).digest())}`
    let offset = 0
    const next = () => bytes.subarray(offset, offset + 60_000)
    for (const algorithm of ['md5', 'sha1', 'sha256', 'sha512']) {
      const bad = await patch(path, offset, next(), { 'upload-checksum': sum(algorithm, bytes) })
      assert.equal(bad.status, 460, bad.body)
      assert.equal(codeOf(bad), 'checksum_mismatch')
      assert.equal((await head(path)).headers['upload-offset'], String(offset))
      const good = await patch(path, offset, next(), { 'upload-checksum': sum(algorithm, next()) })
      offset += 60_000
      assert.deepEqual([good.status, good.headers['upload-offset']], [204, String(offset)])
    }
    for (const said of ['sha3 AAAA', 'sha1 AAAA', 'sha1', '']) {
      assert.equal((await patch(path, offset, next(), { 'upload-checksum': said })).status, 400, said)
    }
    const cut = await open(url, {
      method: 'PATCH',
      path,
      headers: {
        ...tus,
        ...chunkType,
        'upload-offset': String(offset),
        'content-length': '60000',
        'upload-checksum': sum('sha1', next()),
      },
    })
    await cut.write(next().subarray(0, 30_000))
    cut.cut()
    assert.equal((await head(path)).headers['upload-offset'], String(offset))
    const crc = Buffer.alloc(4)
    crc.writeUInt32BE(crc32(next()))
    assert.equal((await patch(path, offset, next(), { 'upload-checksum': `crc32 ${base64(crc)}` })).status, 204)
    assert.ok((await bytesAt(path)).equals(bytes))
    for await (const { ref } of kit.objects.list('temp', '')) assert.ok(!ref.key.includes('chunk'), ref.key)
    assert.ok(!(await readdir(join(kit.folder, 'objects/temp'))).includes(path.split('/').at(-1) ?? ''))
  })

  test('another writer takes over from one that is silent, and no byte of his comes after', async () => {
    const bytes = picture(400_000)
    const displace = async (pause: number) => {
      const path = await create(bytes.length)
      const silent = await openPatch(path, 0, bytes.length)
      await silent.write(bytes.subarray(0, 100_000))
      await sleep(pause)
      const started = performance.now()
      const asked = await head(path)
      assert.ok(performance.now() - started < 5_000, 'the lock was not given up')
      return { path, silent, offset: Number(asked.headers['upload-offset']) }
    }
    let displacing = await displace(50)
    // On a busy machine none of them was there yet.
    for (let pause = 200; displacing.offset === 0 && pause < 10_000; pause *= 4) displacing = await displace(pause)
    const { path, silent, offset } = displacing
    assert.ok(offset > 0 && offset <= 100_000, `${offset} bytes`)
    void silent.write(Buffer.alloc(200_000, 'x'))
    const displaced = await silent.answer()
    assert.deepEqual([displaced.status, codeOf(displaced)], [409, 'conflict'])
    await finish(path, bytes)
  })

  test('of many writers at once each byte is one who had the turn', async () => {
    const bytes = picture(2_000_000)
    const path = await create(bytes.length)
    for (let round = 0; round < 40; round++) {
      const offset = Number((await head(path)).headers['upload-offset'])
      if (offset === bytes.length) break
      const chunk = bytes.subarray(offset, offset + 300_000)
      const answers = await Promise.all([1, 2, 3].map(async () => await patch(path, offset, chunk)))
      for (const { status } of answers) assert.ok([204, 409].includes(status), `${status}`)
    }
    assert.equal((await recordAt(path))?.status, 'uploaded')
    assert.ok((await bytesAt(path)).equals(bytes))
  })

  test('goes on after any cut, and never from zero', async () => {
    const bytes = picture(3_000_000)
    const path = await create(bytes.length)
    let offset = 0
    for (let cuts = 0; cuts < 12; cuts++) {
      const sending = await openPatch(path, offset, bytes.length - offset)
      await sending.write(bytes.subarray(offset, offset + Math.floor(Math.random() * 200_000)))
      await sleep(Math.random() * 20)
      sending.cut()
      const now = Number((await head(path)).headers['upload-offset'])
      assert.ok(now >= offset, `${now} after ${offset}`)
      offset = now
    }
    assert.ok(offset > 0)
    await finish(path, bytes)
  })

  test('given up while somebody sends, it is gone', async () => {
    const path = await create(400_000)
    const sending = await openPatch(path, 0, 400_000)
    await sending.write(picture(100_000))
    await sleep(50)
    const gone = await ask('DELETE', path)
    assert.equal(gone.status, 204)
    assert.ok([404, 409].includes((await sending.answer()).status))
    assert.equal((await head(path)).status, 404)
    assert.equal((await patch(path, 0, picture(10))).status, 404)
    assert.equal((await recordAt(path))?.status, 'deleted')
  })

  test('what a crash left between the last byte and the media is finished by whoever asks', async () => {
    const bytes = picture(1_000)
    for (const assembled of [false, true]) {
      const path = await create(1_000)
      const { upload } = await kit.pending.find('local', path.split('/').at(-1) ?? '')
      await kit.objects.append(upload, one(bytes), { offset: 0 })
      if (assembled) await kit.objects.completeUpload(upload)
      const { headers } = await head(path)
      assert.deepEqual([headers['upload-offset'], headers['upload-length']], ['1000', '1000'])
      assert.equal((await recordAt(path))?.status, 'uploaded')
    }
  })

  test("other people's uploads, and those of other doors, are not there", async () => {
    const said = { title: 'Hers', filename: 'a.gif', content_type: null, file_size: 10, part_size: null }
    const hers = await kit.pending.begin({ ...said, user_id: 'ada', door: 'tus' })
    const direct = await kit.pending.begin({ ...said, user_id: 'local', door: 'direct' })
    for (const { media_id } of [hers, direct]) {
      assert.equal((await head(`${base}/${media_id}`)).status, 404)
      assert.equal((await patch(`${base}/${media_id}`, 0, picture(10))).status, 404)
    }
    assert.equal((await ask('DELETE', `${base}/${hers.media_id}`)).status, 404)
    assert.equal((await head(`${base}/no-name`)).status, 404)
  })

  test('a key makes one upload, and its answer says where that stands', async () => {
    const bytes = picture(2_000)
    const headers = { ...named, ...chunkType, 'upload-length': '2000', 'idempotency-key': 'once-by-tus' }
    const first = await ask('POST', base, headers, bytes.subarray(0, 500))
    const again = await ask('POST', base, headers, bytes.subarray(0, 500))
    assert.equal(again.headers.location, first.headers.location)
    assert.deepEqual([again.status, again.headers['upload-offset']], [201, '500'])
    assert.equal(again.headers['idempotency-replayed'], 'true')
    const other = await ask('POST', base, { ...headers, 'upload-length': '2001' }, bytes)
    assert.deepEqual([other.status, codeOf(other)], [422, 'idempotency_mismatch'])
    await finish(first.headers.location ?? '', bytes)
  })

  test('goes on by POST for those who can send nothing else', async () => {
    const path = await create(1_000)
    const override = { ...chunkType, 'upload-offset': '0', 'x-http-method-override': 'PATCH' }
    assert.equal((await ask('POST', path, override, picture(1_000))).status, 204)
    assert.equal((await ask('POST', path)).status, 405)
    assert.equal((await ask('GET', path)).status, 405)
  })

  test('pages of an allowed origin read what they need, those of others nothing', async () => {
    const origin = { origin: 'https://app.example' }
    const path = await create(1_000, origin)
    const { headers } = await ask('HEAD', path, origin)
    assert.equal(headers['access-control-allow-origin'], 'https://app.example')
    assert.match(headers['access-control-expose-headers'] ?? '', /Upload-Offset.*|.*Media-Id/)
    const asks = { 'access-control-request-method': 'PATCH', 'access-control-request-headers': 'upload-offset' }
    const preflight = await send(url, { method: 'OPTIONS', path, headers: { ...origin, ...asks } })
    assert.equal(preflight.status, 204)
    assert.match(preflight.headers['access-control-allow-headers'] ?? '', /Upload-Offset/)
    assert.match(preflight.headers['access-control-allow-methods'] ?? '', /PATCH/)
    assert.equal((await ask('HEAD', path, { origin: 'https://evil.example' })).status, 403)
  })

  test('the stop cuts who still sends, and keeps what came', async () => {
    const errors: object[] = []
    const own = await openKit({ log: { ...silentLog, error: (fields) => void errors.push(fields) } })
    const address = await own.listen()
    const sockets: Socket[] = []
    own.app.server.on('connection', (socket: Socket) => sockets.push(socket))
    const headers = { ...tus, ...named, 'upload-length': '100000' }
    const { headers: told } = await send(address, { method: 'POST', path: base, headers })
    const path = told.location ?? ''
    const sending = await open(address, {
      method: 'PATCH',
      path,
      headers: { ...tus, ...chunkType, 'upload-offset': '0', 'content-length': '100000' },
    })
    await sending.write(picture(50_000))
    await until(() => sockets.some(({ bytesRead }) => bytesRead > 50_000))
    await sleep(50)
    const closed = own.app.close()
    await own.resumable.close()
    const { upload } = await own.pending.find('local', path.split('/').at(-1) ?? '')
    assert.equal((await own.objects.heldOf(upload)).offset, 50_000)
    assert.equal((await sending.answer()).status, 503)
    await closed
    assert.deepEqual(errors, [], 'a stop is no failure')
    await own[Symbol.asyncDispose]()
  })

  test('tus-js-client uploads, in each of its ways', async () => {
    const bytes = picture(700_000)
    const ways = [
      {},
      { chunkSize: 200_000 },
      { chunkSize: 200_000, uploadDataDuringCreation: true },
      { overridePatchMethod: true },
      // A stream, whose length the client does not know either.
      { chunkSize: 200_000, uploadLengthDeferred: true },
    ]
    for (const protocol of ['tus-v1', 'ietf-draft-05', 'ietf-draft-03'] as const) {
      for (const way of ways) {
        const path = await uploadWith(`${url}${base}`, bytes, { protocol, ...way })
        assert.ok((await bytesAt(path)).equals(bytes), `${protocol} ${JSON.stringify(way)}`)
      }
    }
  })
})

function* split(bytes: Buffer) {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
}

async function uploadWith(endpoint: string, bytes: Buffer, options: object): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const metadata = { filename: 'a.gif', filetype: 'image/gif' }
  const file = 'uploadLengthDeferred' in options ? Readable.from(split(bytes), { objectMode: false }) : bytes
  const upload = new Upload(file, {
    endpoint,
    metadata,
    ...options,
    retryDelays: [],
    onError: reject,
    onSuccess: () => resolve(),
  })
  upload.start()
  await promise
  return new URL(upload.url ?? '').pathname
}

async function chunksOf(body: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(Uint8Array.from(chunk))
  return chunks
}

async function* one(bytes: Uint8Array) {
  yield bytes
}
