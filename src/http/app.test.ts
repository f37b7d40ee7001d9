import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemClock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import type { Log } from '../media/log.ts'
import { requestCodes } from './errors.ts'
import { type Kit, openKit } from './kit.test.ts'
import { prefersJson } from './routes/download.ts'

const host = 'localhost:8080'
type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS'
const ask = async (kit: Kit, method: Method, url: string, headers: Record<string, string> = {}, payload?: string) =>
  await kit.app.inject({ method, url, headers: { host, ...headers }, ...(payload === undefined ? {} : { payload }) })
const json = { 'content-type': 'application/json' }

function listeningLog() {
  const lines: string[] = []
  const hear = (level: string) => (fields: object, message: string) => {
    const plain = (_key: string, value: unknown) => (value instanceof Error ? `${value.message} ${value.cause}` : value)
    lines.push(`${level} ${message} ${JSON.stringify(fields, plain)}`)
  }
  const log: Log = { debug: hear('debug'), info: hear('info'), warn: hear('warn'), error: hear('error') }
  return { lines, log }
}

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

describe('refusals', () => {
  test('every one is a problem that names its request and is not kept', async () => {
    await using kit = await openKit()
    for (const [method, url, status] of [
      ['GET', '/nothing', 404],
      ['GET', '/%zz', 400],
      ['PUT', '/api/media', 405],
      ['TRACE', '/api/media', 404],
      ['GET', '/api/media?limit=0', 422],
    ] as const) {
      const answer = await ask(kit, method as Method, url)
      assert.equal(answer.statusCode, status, url)
      assert.equal(answer.headers['content-type'], 'application/problem+json')
      assert.equal(answer.headers['cache-control'], 'no-store')
      const problem = answer.json()
      assert.deepEqual(Object.keys(problem), ['type', 'title', 'status', 'detail', 'code', 'request_id'])
      assert.equal(problem.status, status)
      assert.equal(problem.type, `/docs/errors#${problem.code}`)
      if (status !== 400) assert.equal(answer.headers['x-request-id'], problem.request_id)
    }
  })

  test('405 says what is possible, OPTIONS too, whatever the body', async () => {
    await using kit = await openKit()
    const answer = await ask(kit, 'POST', '/api/media/x', { 'content-type': 'video/mp4' }, 'bytes')
    assert.deepEqual([answer.statusCode, answer.json().code], [405, 'method_not_allowed'])
    assert.equal(answer.headers.allow, 'DELETE, GET, HEAD, OPTIONS, PATCH')
    const options = await ask(kit, 'OPTIONS', '/api/media/x')
    assert.deepEqual([options.statusCode, options.headers.allow], [204, 'DELETE, GET, HEAD, OPTIONS, PATCH'])
  })

  test('an unknown error shows nothing of itself, and is logged with its cause', async () => {
    const { lines, log } = listeningLog()
    const downloads = {
      download: async () => {
        throw new Error('secret path /var/lib', { cause: new Error('the disk') })
      },
    }
    await using kit = await openKit({ downloads, log })
    const answer = await ask(kit, 'GET', `/api/media/download/${await kit.addMedia()}?Signature=abc`)
    assert.deepEqual([answer.statusCode, answer.json().code], [500, 'internal'])
    assert.doesNotMatch(answer.body, /secret|var|disk/)
    assert.match(lines.join('\n'), /error request failed .*secret path \/var\/lib Error: the disk/)
    assert.doesNotMatch(lines.join('\n'), /Signature|abc/)
  })

  test('a full disk is 503 and says when to come back', async () => {
    const formDoor = { receive: async () => Promise.reject(new MediaError('storage_full', 'ENOSPC on /dev/sda1')) }
    await using kit = await openKit({ formDoor })
    const answer = await ask(
      kit,
      'POST',
      '/api/media/upload',
      { 'content-type': 'multipart/form-data; boundary=x' },
      'x',
    )
    assert.deepEqual([answer.statusCode, answer.json().code], [503, 'storage_full'])
    assert.ok(Number(answer.headers['retry-after']) > 0)
    assert.doesNotMatch(answer.body, /sda1/)
  })

  test('a token is never logged', async () => {
    const { lines, log } = listeningLog()
    await using kit = await openKit({ log, env: { AUTH_JWT_SECRET: 's'.repeat(32) } })
    await ask(kit, 'GET', '/api/media?access_token=tttt', { authorization: 'Bearer tttt' })
    assert.ok(lines.length > 0)
    assert.doesNotMatch(lines.join('\n'), /tttt|ssss/)
  })
})

describe('pages and health', () => {
  test('readiness names what fails and what hangs', async () => {
    const clock = {
      ...systemClock,
      sleep: async (ms: number, signal?: AbortSignal) => await systemClock.sleep(ms / 100, signal),
    }
    const readiness = {
      good: async () => {},
      bad: async () => Promise.reject(new Error('secret reason')),
      stuck: async () => await new Promise<void>(() => {}),
    }
    await using kit = await openKit({ readiness, clock })
    const answer = await ask(kit, 'GET', '/readyz')
    assert.equal(answer.statusCode, 503)
    assert.equal(answer.headers['content-type'], 'application/problem+json')
    assert.deepEqual(answer.json().checks, { good: 'ok', bad: 'failed', stuck: 'timed_out' })
    assert.doesNotMatch(answer.body, /secret/)
    assert.equal((await ask(kit, 'GET', '/healthz')).statusCode, 200)
  })

  test('every code has its place on the page of errors', async () => {
    await using kit = await openKit()
    const { body } = await ask(kit, 'GET', '/docs/errors')
    for (const code of requestCodes) assert.match(body, new RegExp(`id="${code}"`))
  })

  test('/docs loads nothing from elsewhere', async () => {
    await using kit = await openKit()
    assert.equal((await ask(kit, 'GET', '/docs')).headers.location, '/docs/')
    const page = await ask(kit, 'GET', '/docs/')
    assert.equal(page.statusCode, 200)
    assert.doesNotMatch(page.body, /(src|href)="(https?:)?\/\//)
    assert.match(page.body, /"url":\s*"\/openapi.json"/)
    const policy = String(page.headers['content-security-policy'])
    assert.match(policy, /default-src 'none'; script-src 'self' 'sha256-/)
    const script = await ask(kit, 'GET', '/docs/js/scalar.js')
    assert.equal(script.statusCode, 200)
    assert.match(String(script.headers['content-type']), /javascript/)
    assert.ok(script.body.length > 1_000_000)
  })

  test('the edge is handed the bare request, and no page is foreign to it', async () => {
    const edge = (
      req: { url?: string | undefined },
      res: { writeHead: (status: number) => { end: (text: string) => void } },
    ) => res.writeHead(200).end(`edge ${req.url}`)
    await using kit = await openKit({ edge: edge as never })
    const headers = { host: 'cdn.example.com', origin: 'https://player.example' }
    const answer = await ask(kit, 'GET', '/cdn/a/v1/b.mp4?Signature=x', headers)
    assert.deepEqual([answer.statusCode, answer.body], [200, 'edge /cdn/a/v1/b.mp4?Signature=x'])
    assert.equal((await ask(kit, 'PUT', '/cdn/a/v1/b.mp4')).statusCode, 405)
  })

  test('the stop waits for what has begun, and takes nothing new', async () => {
    const begun = Promise.withResolvers<void>()
    const finish = Promise.withResolvers<never>()
    const downloads = {
      download: async () => {
        begun.resolve()
        return await finish.promise
      },
    }
    await using kit = await openKit({ downloads })
    const url = await kit.listen()
    const waiting = fetch(`${url}/api/media/download/${await kit.addMedia()}`)
    await begun.promise
    const closed = kit.app.close()
    finish.reject(new MediaError('not_ready', 'not yet'))
    assert.equal((await waiting).status, 409)
    await closed
    await assert.rejects(fetch(`${url}/healthz`))
  })
})
