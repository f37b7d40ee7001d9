import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Kit, openKit } from '../kit.test.ts'
import { prefersJson } from './download.ts'

const host = 'localhost:8080'
type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS'
const ask = async (kit: Kit, method: Method, url: string, headers: Record<string, string> = {}, payload?: string) =>
  await kit.app.inject({ method, url, headers: { host, ...headers }, ...(payload === undefined ? {} : { payload }) })
const json = { 'content-type': 'application/json' }

describe('media', () => {
  test('list: newest first, filtered, page by page', async () => {
    await using kit = await openKit()
    const ids: string[] = []
    for (let n = 0; n < 5; n++) {
      ids.unshift(await kit.addMedia({ title: `Clip ${n}`, media_type: n % 2 ? 'image' : 'video' }))
      await kit.clock.sleep(2)
    }
    await kit.addMedia({ user_id: 'somebody else' })
    const seen: string[] = []
    for (let cursor = ''; cursor !== 'end'; ) {
      const page = (await ask(kit, 'GET', `/api/media?limit=2${cursor}`)).json()
      assert.ok(page.items.length <= 2)
      seen.push(...page.items.map((one: { media_id: string }) => one.media_id))
      cursor = page.next_cursor === null ? 'end' : `&cursor=${encodeURIComponent(page.next_cursor)}`
    }
    assert.deepEqual(seen, ids)
    const count = async (query: string) => (await ask(kit, 'GET', `/api/media?${query}`)).json().items.length
    assert.equal(await count('media_type=image'), 2)
    assert.equal(await count('q=cLIP%203'), 1)
    assert.equal(await count('status=processed'), 0)
    assert.equal(await count('status=uploaded&media_type=video'), 3)
  })

  test('list refuses what it does not know', async () => {
    await using kit = await openKit()
    for (const query of [
      'limit=0',
      'limit=101',
      'limit=x',
      'limit=1.5',
      'limit=',
      'limit=1e1',
      'status=gone',
      'media_type=text',
      'q=',
      'limit=1&limit=2',
    ]) {
      const answer = await ask(kit, 'GET', `/api/media?${query}`)
      assert.equal(answer.statusCode, 422, query)
      assert.equal(answer.json().code, 'invalid_request')
    }
    const wrong = await ask(kit, 'GET', '/api/media?cursor=nonsense')
    assert.deepEqual([wrong.statusCode, wrong.json().code], [400, 'invalid_cursor'])
  })

  test('rename', async () => {
    await using kit = await openKit()
    const url = `/api/media/${await kit.addMedia()}`
    const renamed = await ask(kit, 'PATCH', url, json, '{"title":"  Gipfel 🏔  "}')
    assert.equal(renamed.statusCode, 200)
    assert.equal(renamed.json().title, 'Gipfel 🏔')
    assert.equal((await ask(kit, 'GET', url)).json().version, 2)
    const wrong: [string, number, string][] = [
      ['{"title":""}', 422, 'invalid_request'],
      ['{"title":"   "}', 422, 'invalid_request'],
      ['{"title":"two\\nlines"}', 422, 'invalid_request'],
      ['{"title":"half \\ud800"}', 422, 'invalid_request'],
      [`{"title":"${'x'.repeat(501)}"}`, 422, 'invalid_request'],
      ['{"title":5}', 422, 'invalid_request'],
      ['{"title":"a","user_id":"root"}', 422, 'invalid_request'],
      ['{}', 422, 'invalid_request'],
      ['[]', 422, 'invalid_request'],
      ['null', 422, 'invalid_request'],
      ['{"title":', 400, 'malformed_request'],
      ['', 422, 'invalid_request'],
      ['{"__proto__":{"title":"a"}}', 400, 'malformed_request'],
      [`{"title":"${'x'.repeat(70_000)}"}`, 413, 'too_large'],
    ]
    for (const [body, status, code] of wrong) {
      const answer = await ask(kit, 'PATCH', url, json, body)
      assert.deepEqual([answer.statusCode, answer.json().code], [status, code], body.slice(0, 40))
    }
    const form = await ask(kit, 'PATCH', url, { 'content-type': 'text/plain' }, 'title=a')
    assert.deepEqual([form.statusCode, form.json().code], [415, 'unsupported_media'])
    assert.equal((await ask(kit, 'GET', url)).json().version, 2)
  })

  test('remove: gone at once, and again without an error', async () => {
    await using kit = await openKit()
    const url = `/api/media/${await kit.addMedia()}`
    assert.equal((await ask(kit, 'DELETE', url)).statusCode, 204)
    for (const [method, path] of [
      ['GET', ''],
      ['PATCH', ''],
      ['GET', '/events'],
      ['POST', '/retry'],
    ] as const) {
      const [headers, body] = method === 'PATCH' ? [json, '{"title":"a"}'] : [{}, undefined]
      assert.equal((await ask(kit, method, url + path, headers, body)).statusCode, 404, method + path)
    }
    assert.equal((await ask(kit, 'GET', '/api/media')).json().items.length, 0)
    assert.equal((await ask(kit, 'DELETE', url)).statusCode, 204)
  })

  test('retry is for failed media with their raw bytes', async () => {
    await using kit = await openKit()
    const uploaded = await ask(kit, 'POST', `/api/media/${await kit.addMedia()}/retry`)
    assert.deepEqual([uploaded.statusCode, uploaded.json().code], [409, 'wrong_state'])
    const gone = await ask(kit, 'POST', `/api/media/${await kit.addMedia({ status: 'failed' })}/retry`)
    assert.deepEqual([gone.statusCode, gone.json().code], [409, 'raw_expired'])
  })

  test('an empty body of any type is none', async () => {
    await using kit = await openKit()
    const url = `/api/media/${await kit.addMedia()}`
    for (const type of ['application/json', 'application/x-www-form-urlencoded']) {
      const headers = { 'content-type': type, 'content-length': '0' }
      assert.equal((await ask(kit, 'POST', `${url}/retry`, headers, '')).statusCode, 409, type)
    }
    assert.equal((await ask(kit, 'DELETE', url, { ...json, 'content-length': '0' }, '')).statusCode, 204)
  })

  test('a refusal says what is wrong and what would be right', async () => {
    await using kit = await openKit()
    const url = `/api/media/${await kit.addMedia()}`
    const said = async (...given: [Method, string, string?]) => {
      const [method, path, body] = given
      return (await ask(kit, method, path, body === undefined ? {} : json, body)).json().detail
    }
    assert.match(
      await said('GET', '/api/media?media_type=text'),
      /^query.media_type must be one of: image, video, audio\.$/,
    )
    assert.equal(await said('PATCH', url, '{"title":"a","status":"x"}'), 'body.status is not taken here.')
    assert.equal(await said('PATCH', url, '{"title":'), 'The body is not valid JSON.')
    assert.equal(
      await said('POST', `${url}/retry`),
      'The media is uploaded; only media that are failed can be retried.',
    )
  })

  test('a name that cannot be one names nothing', async () => {
    await using kit = await openKit()
    for (const id of ['1', 'a'.repeat(300), '..%2f..%2fetc', '550e8400-e29b-41d4-a716-446655440000', '%00']) {
      for (const path of ['', '/events']) {
        const answer = await ask(kit, 'GET', `/api/media/${id}${path}`)
        assert.deepEqual([answer.statusCode, answer.json().code], [404, 'not_found'], id)
      }
    }
  })
})

describe('download', () => {
  const signed = {
    url: 'http://127.0.0.1:8080/cdn/a?Expires=1&Signature=secret',
    expires_at: '2026-01-01T00:00:00.000Z',
    content_type: 'video/mp4',
    file_size: 5,
    filename: 'a.mp4',
  }

  test('a redirect, or JSON for who asks', async () => {
    const asked: unknown[] = []
    const downloads = {
      download: async (request: object) => {
        asked.push(request)
        return signed
      },
    }
    await using kit = await openKit({ downloads })
    const media_id = await kit.addMedia()
    const url = `/api/media/download/${media_id}`
    const redirect = await ask(kit, 'GET', `${url}?rendition=720p&expires_in=60&disposition=attachment`)
    assert.equal(redirect.statusCode, 302)
    assert.equal(redirect.headers.location, signed.url)
    assert.equal(redirect.headers['cache-control'], 'no-store')
    assert.deepEqual(asked, [
      { user_id: 'local', media_id, rendition: '720p', expires_in: 60, disposition: 'attachment' },
    ])
    const told = await ask(kit, 'GET', url, { accept: 'application/json' })
    assert.equal(told.statusCode, 200)
    assert.deepEqual(told.json(), signed)
    assert.match(String(told.headers.vary), /Accept/)
    assert.equal((await ask(kit, 'HEAD', url)).statusCode, 302)
    for (const query of ['expires_in=0', 'expires_in=604801', 'disposition=open', 'rendition=..%2Fx', 'rendition=']) {
      assert.equal((await ask(kit, 'GET', `${url}?${query}`)).statusCode, 422, query)
    }
  })

  test('who asks for JSON', () => {
    for (const accept of [
      'application/json',
      'application/json, */*',
      'text/html;q=0.5, application/json',
      'Application/JSON;q=0.9',
    ]) {
      assert.ok(prefersJson(accept), accept)
    }
    for (const accept of [
      undefined,
      '',
      '*/*',
      'video/*',
      'text/html,application/xhtml+xml,*/*;q=0.8',
      'application/json;q=0',
      'text/html, application/json;q=0.5',
    ]) {
      assert.ok(!prefersJson(accept), accept)
    }
  })
})
