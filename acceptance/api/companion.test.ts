import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { SignJWT } from 'jose'
import { openJudge } from '../judge.ts'
import { formOf, makeSample } from '../samples.ts'
import { startTarget, type Target } from '../target.ts'

/** The paths of Uppy's companion, as it asks them, and what they refuse. `browser/` has Uppy itself ask. */

const secret = 'thirty-two bytes or more, they say'
const bearer = async (sub: string) => ({
  authorization: `Bearer ${await new SignJWT({ sub }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(secret))}`,
})
const maxBytes = 12 * 1024 * 1024

interface Answer {
  status: number
  json: any
}

describe('companion', () => {
  let target: Target
  let endpoint: string
  let ann: Record<string, string>
  let clip: File
  let photo: File
  before(async () => {
    const env = { AUTH_JWT_SECRET: secret, UPLOAD_MAX_BYTES: String(maxBytes), UPLOAD_FORM_LIMIT: '2000000' }
    target = await startTarget({ env: { ...env, CORS_ORIGINS: 'https://app.example' } })
    ann = await bearer('ann')
    endpoint = await endpointOf(ann)
    clip = await makeSample('clip.mp4')
    photo = await makeSample('photo.jpg')
  })
  after(async () => await target.stop())

  async function ask(
    method: string,
    url: string,
    body?: object,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const sent = body === undefined ? {} : { body: JSON.stringify(body) }
    const type = body === undefined ? {} : { 'content-type': 'application/json' }
    const answer = await fetch(url, { method, ...sent, headers: { ...type, ...headers } })
    const text = await answer.text()
    return { status: answer.status, json: text === '' ? null : JSON.parse(text) }
  }
  async function endpointOf(headers: Record<string, string>): Promise<string> {
    const { status, json } = await ask('POST', `${target.url}/api/media/upload/token`, undefined, headers)
    assert.equal(status, 200)
    return json.companion_endpoint
  }
  const codeOf = ({ status, json }: Answer) => [status, json.code]

  const begin = async (said: object = {}, at = endpoint) =>
    await ask('POST', `${at}/s3/multipart`, { filename: 'clip.mp4', type: 'video/mp4', metadata: {}, ...said })
  const at = (id: string, rest = '', base = endpoint) => `${base}/s3/multipart/${id}${rest}?key=${id}`
  async function put(id: string, part: number, bytes: BlobPart): Promise<string> {
    const { status, json } = await ask('GET', at(id, `/${part}`))
    assert.equal(status, 200, JSON.stringify(json))
    const answer = await fetch(json.url, { method: 'PUT', body: new Blob([bytes]) })
    assert.equal(answer.status, 200, await answer.text())
    return answer.headers.get('etag') ?? ''
  }
  const complete = async (id: string, ...etags: string[]) =>
    await ask('POST', at(id, '/complete'), { parts: etags.map((ETag, index) => ({ PartNumber: index + 1, ETag })) })
  const record = async (id: string) => await ask('GET', `${target.url}/api/media/${id}`, undefined, ann)

  test('an upload in parts, asked for twice where an answer may be lost', async () => {
    const { json } = await begin({
      metadata: { name: 'Renamed.mp4', title: ' Mountain Adventure ', relativePath: null },
    })
    const id = json.uploadId
    assert.equal(json.key, id)
    const etag = await put(id, 1, clip)
    const listed = await ask('GET', at(id))
    assert.deepEqual(listed.json, [{ PartNumber: 1, Size: clip.size, ETag: etag }])
    for (const given of [etag, etag.replaceAll('"', '')]) {
      const done = await complete(id, given)
      const location = `${target.url}/api/media/${id}`
      const { bucket, ...rest } = done.json
      assert.match(bucket, /temp/)
      assert.deepEqual(rest, { location, key: id })
    }
    // As Uppy goes on when the answer to `complete` was lost: it lists, sends nothing, and completes with what was listed.
    const again = (await ask('GET', at(id))).json.map((part: { ETag: string }) => part.ETag)
    assert.equal((await complete(id, ...again)).status, 200)
    const { json: made } = await record(id)
    assert.deepEqual([made.title, made.user_id, made.file_size], ['Mountain Adventure', 'ann', clip.size])
    assert.match(made.status, /uploaded|process/)
    assert.deepEqual(codeOf(await ask('DELETE', at(id))), [409, 'wrong_state'])
  })

  test('with identity in a header the same, as /openapi.json promises', async () => {
    const judge = await openJudge(target.url, ann)
    const json = { 'content-type': 'application/json' }
    assert.equal((await judge.ask('POST', '/api/media/upload/token')).status, 200)
    assert.equal((await judge.ask('GET', '/s3/params?filename=photo.jpg')).status, 200)
    const body = JSON.stringify({ filename: 'clip.mp4' })
    const { uploadId } = (await judge.ask('POST', '/s3/multipart', { body, headers: json })).json
    const path = `/s3/multipart/${uploadId}`
    const { url } = (await judge.ask('GET', `${path}/1`)).json
    const etag = (await fetch(url, { method: 'PUT', body: clip })).headers.get('etag')
    assert.equal((await judge.ask('GET', path)).json[0].ETag, etag)
    const parts = JSON.stringify({ parts: [{ PartNumber: 1, ETag: etag }] })
    assert.equal((await judge.ask('POST', `${path}/complete`, { body: parts, headers: json })).status, 200)
    const other = (await judge.ask('POST', '/s3/multipart', { body, headers: json })).json
    assert.equal((await judge.ask('DELETE', `/s3/multipart/${other.uploadId}`)).status, 200)
    assert.deepEqual(judge.unseen('companion'), [])
  })

  test('given up: gone, and again', async () => {
    const { json } = await begin()
    await put(json.uploadId, 1, clip)
    for (const time of ['first', 'second']) {
      const { status, json: body } = await ask('DELETE', at(json.uploadId))
      assert.deepEqual([status, body], [200, {}], time)
    }
    assert.deepEqual(codeOf(await ask('GET', at(json.uploadId))), [404, 'not_found'])
    assert.deepEqual(codeOf(await complete(json.uploadId, 'x')), [404, 'not_found'])
    assert.equal((await record(json.uploadId)).status, 404)
  })

  test('the title is what the page says, or what the file is called', async () => {
    const cases: [object, string][] = [
      [{ filename: 'a.b.mp4' }, 'a.b'],
      [{ filename: '.mp4' }, '.mp4'],
      [{ filename: 'x.mp4', metadata: { name: 'Named.mp4', title: ' ' } }, 'Named'],
      [{ filename: 'x.mp4', metadata: { title: 'Said' } }, 'Said'],
    ]
    for (const [said, title] of cases) {
      const { status, json } = await begin(said)
      assert.equal(status, 200, JSON.stringify(json))
      assert.equal((await record(json.uploadId)).json.title, title)
      await ask('DELETE', at(json.uploadId))
    }
    assert.deepEqual(codeOf(await begin({ metadata: { title: 'x'.repeat(501) } })), [422, 'invalid_request'])
    assert.deepEqual(codeOf(await begin({ filename: '/' })), [422, 'title_missing'])
    assert.equal((await begin({ filename: '' })).status, 422)
    assert.deepEqual(codeOf(await begin({ filename: 'a.txt', type: 'text/plain' })), [415, 'unsupported_media'])
  })

  test('parts that are missing or others are refused, and the upload goes on', async () => {
    const { json } = await begin()
    const id = json.uploadId
    const etag = await put(id, 1, clip)
    assert.deepEqual(codeOf(await complete(id, '"00000000000000000000000000000000"')), [422, 'invalid_parts'])
    assert.deepEqual(codeOf(await complete(id, etag, etag)), [422, 'invalid_parts'])
    assert.equal((await ask('POST', at(id, '/complete'), { parts: [] })).status, 422)
    for (const part of ['0', '10001', '1.5', 'x'])
      assert.equal((await ask('GET', at(id, `/${part}`))).status, 404, part)
    assert.equal((await complete(id, etag)).status, 200)
  })

  test('a file over the limit: no address for what is surely beyond it, and no media of what is', async () => {
    const { json } = await begin()
    const id = json.uploadId
    assert.deepEqual(codeOf(await ask('GET', at(id, '/4'))), [413, 'too_large'])
    const part = Buffer.alloc(7 * 1024 * 1024)
    Buffer.from(await clip.arrayBuffer()).copy(part)
    const etags = [await put(id, 1, part), await put(id, 2, part)]
    assert.deepEqual(codeOf(await complete(id, ...etags)), [413, 'too_large'])
    assert.equal((await ask('DELETE', at(id))).status, 200)
  })

  test('what is no media is refused at the end, and gone', async () => {
    const { json } = await begin()
    const id = json.uploadId
    const etag = await put(id, 1, '<html>no video</html>')
    for (const time of ['first', 'second']) {
      assert.deepEqual(codeOf(await complete(id, etag)), [415, 'unsupported_media'], time)
    }
    assert.equal((await ask('GET', at(id))).status, 404)
  })

  test('a form: its token is good for one media, however often it is posted', async () => {
    const { json } = await ask('GET', `${endpoint}/s3/params?filename=photo.jpg&type=image/jpeg&metadata[title]=Small`)
    const post = async (file: File, url = json.url) => {
      const answer = await fetch(url, { method: 'POST', body: formOf({ ...json.fields, file }) })
      return { status: answer.status, json: (await answer.json()) as any }
    }
    for (const time of ['first', 'second']) {
      const { status, json: made } = await post(photo)
      assert.deepEqual([status, made.media_id, made.title, made.user_id], [201, json.fields.key, 'Small', 'ann'], time)
    }
    assert.deepEqual(codeOf(await post(clip)), [422, 'idempotency_mismatch'])
    assert.deepEqual(codeOf(await post(photo, json.url.replace(/\?.*/, ''))), [401, 'unauthenticated'])
    assert.deepEqual(codeOf(await post(photo, `${json.url}x`)), [401, 'unauthenticated'])
    assert.deepEqual(codeOf(await post(photo, `${json.url}&upload_token=x`)), [401, 'unauthenticated'])
    // Not so large that it is refused unread: undici does not read an answer that comes while it writes.
    const large = new File([photo, new Uint8Array(2_500_000)], 'large.jpg')
    assert.deepEqual(codeOf(await post(large)), [413, 'too_large'])
  })

  test('a token opens uploads of its user, and nothing else', async () => {
    const token = endpoint.split('/').at(-1) ?? ''
    const asBearer = { authorization: `Bearer ${token}` }
    for (const path of ['/api/media', '/s3/params?filename=a.jpg']) {
      assert.deepEqual(codeOf(await ask('GET', target.url + path, undefined, asBearer)), [401, 'unauthenticated'], path)
    }
    const formToken = new URL((await ask('GET', `${endpoint}/s3/params?filename=a.jpg`)).json.url).searchParams
    const wrong = [`${token}x`, token.slice(0, -3), 'x', formToken.get('upload_token') ?? '']
    for (const one of wrong) {
      const answer = await ask('GET', `${target.url}/companion/${one}/s3/params?filename=a.jpg`)
      assert.deepEqual(codeOf(answer), [401, 'unauthenticated'], one)
    }
    assert.equal((await ask('GET', `${endpoint}/api/media`)).status, 404)
    assert.equal((await ask('POST', `${target.url}/api/media/upload/token`)).status, 401)
  })

  test('somebody else’s upload, and one of another door, are not there', async () => {
    const bob = await endpointOf(await bearer('bob'))
    const { json } = await begin()
    const said = { title: 'Direct', filename: 'a.mp4', content_type: 'video/mp4', file_size: 10 }
    const direct = await ask('POST', `${target.url}/api/media/upload/init`, said, ann)
    const cases: [string, string][] = [
      [json.uploadId, bob],
      [direct.json.media_id, endpoint],
      ['550e8400-e29b-41d4-a716-446655440000', endpoint],
    ]
    for (const [id, base] of cases) {
      const parts = { parts: [{ PartNumber: 1, ETag: 'x' }] }
      const answers = [
        await ask('GET', at(id, '', base)),
        await ask('GET', at(id, '/1', base)),
        await ask('POST', at(id, '/complete', base), parts),
        await ask('DELETE', at(id, '', base)),
      ]
      for (const answer of answers) assert.deepEqual(codeOf(answer), [404, 'not_found'])
    }
    assert.equal((await ask('GET', at(json.uploadId))).status, 200)
    assert.equal((await ask('GET', `${endpoint}/s3/multipart/no-uuid`)).status, 404)
  })

  test('pages of allowed origins may ask, others not', async () => {
    const params = `${endpoint}/s3/params?filename=a.jpg`
    const allowed = await fetch(params, { headers: { origin: 'https://app.example' } })
    assert.deepEqual([allowed.status, allowed.headers.get('access-control-allow-origin')], [200, 'https://app.example'])
    const { url } = (await allowed.json()) as { url: string }
    for (const one of [url, `${endpoint}/s3/multipart`]) {
      const headers = { origin: 'https://app.example', 'access-control-request-method': 'POST' }
      assert.equal((await fetch(one, { method: 'OPTIONS', headers })).status, 204)
    }
    const foreign = await ask('GET', params, undefined, { origin: 'https://evil.example' })
    assert.deepEqual(codeOf(foreign), [403, 'foreign_origin'])
  })
})
