import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemClock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import type { Log } from '../media/log.ts'
import { requestCodes } from './errors.ts'
import { type Kit, openKit } from './kit.test.ts'

const host = 'localhost:8080'
type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS'
const ask = async (kit: Kit, method: Method, url: string, headers: Record<string, string> = {}, payload?: string) =>
  await kit.app.inject({ method, url, headers: { host, ...headers }, ...(payload === undefined ? {} : { payload }) })

function listeningLog() {
  const lines: string[] = []
  const hear = (level: string) => (fields: object, message: string) => {
    const plain = (_key: string, value: unknown) => (value instanceof Error ? `${value.message} ${value.cause}` : value)
    lines.push(`${level} ${message} ${JSON.stringify(fields, plain)}`)
  }
  const log: Log = { debug: hear('debug'), info: hear('info'), warn: hear('warn'), error: hear('error') }
  return { lines, log }
}

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

  test('405 says what is possible, OPTIONS too, and 404 that nothing is, whatever the body', async () => {
    await using kit = await openKit()
    const answer = await ask(kit, 'POST', '/api/media/x', { 'content-type': 'video/mp4' }, 'bytes')
    assert.deepEqual([answer.statusCode, answer.json().code], [405, 'method_not_allowed'])
    assert.equal(answer.headers.allow, 'DELETE, GET, HEAD, OPTIONS, PATCH')
    const nowhere = await ask(kit, 'PUT', '/nothing/a.mp4', { 'content-type': 'video/mp4' }, 'bytes')
    assert.deepEqual([nowhere.statusCode, nowhere.json().code], [404, 'not_found'])
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
    assert.match(page.body, /<title>Media Service API<\/title>/)
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
