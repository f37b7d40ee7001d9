import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { codeOf } from '../media/errors.ts'
import { openKit } from './kit.test.ts'
import { checkHost, checkOrigin } from './origins.ts'

const caution = { publicUrl: () => 'https://media.example.com', corsOrigins: ['https://app.example.com'] }

function outcome(check: () => unknown): unknown {
  try {
    return check()
  } catch (error) {
    return codeOf(error)
  }
}

describe('Host', () => {
  const hosts: [string, boolean][] = [
    ['localhost', true],
    ['localhost:8080', true],
    ['LOCALHOST:1', true],
    ['127.0.0.1:8080', true],
    ['127.8.8.8', true],
    ['[::1]:8080', true],
    ['media.example.com', true],
    ['Media.Example.com:443', true],
    ['evil.example', false],
    ['evil.media.example.com', false],
    ['media.example.com.evil.example', false],
    ['127.0.0.1.evil.example', false],
    ['localhost.evil.example', false],
    ['localhost.', false],
    ['0.0.0.0', false],
    ['192.168.0.1:8080', false],
    ['2130706433', false],
    ['127.1', false],
    ['localhost:8080@evil.example', false],
    ['evil.example/localhost', false],
    ['', false],
  ]
  for (const [host, passes] of hosts) {
    test(`"${host}" ${passes ? 'passes' : 'is foreign'}`, () => {
      assert.equal(
        outcome(() => checkHost(caution, { host })),
        passes ? undefined : 'foreign_host',
      )
    })
  }
})

describe('Origin', () => {
  const ask = (headers: Record<string, string>, method = 'POST') =>
    outcome(() => checkOrigin(caution, { method, protocol: 'http', host: 'localhost:8080', headers }))
  const tab = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }

  test('none passes, as curl and apps send none', () => assert.equal(ask({}), null))
  test('the own passes', () => assert.equal(ask({ origin: 'http://localhost:8080' }), null))
  test("PUBLIC_URL's passes", () => assert.equal(ask({ origin: 'https://media.example.com' }), null))
  test('an allowed one passes and may read', () => {
    assert.equal(ask({ origin: 'https://app.example.com' }), 'https://app.example.com')
  })
  for (const origin of ['null', 'http://localhost:3000', 'https://localhost:8080', 'https://evil.example', '']) {
    test(`"${origin}" is foreign`, () => assert.equal(ask({ origin }), 'foreign_origin'))
  }
  test('a page of another site is foreign without an Origin too', () => {
    assert.equal(ask({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }, 'GET'), 'foreign_origin')
  })
  test('a link followed from another site passes, a frame and a form do not', () => {
    assert.equal(ask(tab, 'GET'), null)
    assert.equal(ask({ ...tab, 'sec-fetch-dest': 'iframe' }, 'GET'), 'foreign_origin')
    assert.equal(ask(tab, 'POST'), 'foreign_origin')
  })
})

describe('the entrance', () => {
  test('foreign names are refused everywhere, also where nothing is', async () => {
    await using kit = await openKit()
    for (const url of ['/', '/readyz', '/openapi.json', '/api/media', '/nothing']) {
      const answer = await kit.app.inject({ url, headers: { host: 'evil.example' } })
      assert.equal(answer.statusCode, 403, url)
      assert.equal(answer.json().code, 'foreign_host')
    }
  })

  test('a balancer may ask by any name whether the process lives, and a foreign page not', async () => {
    await using kit = await openKit()
    const ask = async (headers: Record<string, string>) =>
      (await kit.app.inject({ url: '/healthz', headers })).statusCode
    assert.equal(await ask({ host: '10.0.3.17:8080', 'user-agent': 'ELB-HealthChecker/2.0' }), 200)
    assert.equal(await ask({ host: 'localhost', origin: 'https://evil.example' }), 403)
  })

  test('an allowed page gets CORS, before and after', async () => {
    await using kit = await openKit({ env: { CORS_ORIGINS: 'https://app.example.com, http://localhost:3000' } })
    const headers = { host: 'localhost', origin: 'http://localhost:3000' }
    const preflight = await kit.app.inject({
      method: 'OPTIONS',
      url: '/api/media/upload',
      headers: {
        ...headers,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization',
      },
    })
    assert.equal(preflight.statusCode, 204)
    assert.equal(preflight.headers['access-control-allow-origin'], 'http://localhost:3000')
    assert.match(String(preflight.headers['access-control-allow-methods']), /PATCH/)
    assert.match(String(preflight.headers['access-control-allow-headers']), /Authorization/)
    const answer = await kit.app.inject({ url: '/api/media', headers })
    assert.equal(answer.statusCode, 200)
    assert.equal(answer.headers['access-control-allow-origin'], 'http://localhost:3000')
    assert.equal(answer.headers['access-control-allow-credentials'], undefined)
    assert.match(String(answer.headers.vary), /Origin/)
    const refused = await kit.app.inject({ url: '/api/media/nope', headers })
    assert.equal(refused.statusCode, 404)
    assert.equal(refused.headers['access-control-allow-origin'], 'http://localhost:3000')
  })

  test('a foreign page gets no CORS', async () => {
    await using kit = await openKit()
    const answer = await kit.app.inject({
      method: 'OPTIONS',
      url: '/api/media',
      headers: { host: 'localhost', origin: 'https://evil.example', 'access-control-request-method': 'DELETE' },
    })
    assert.equal(answer.statusCode, 403)
    assert.equal(answer.headers['access-control-allow-origin'], undefined)
  })

  test('forwarded names count only from a trusted proxy', async () => {
    const headers = { host: 'backend:8080', 'x-forwarded-host': 'media.example.com', 'x-forwarded-proto': 'https' }
    const env = { PUBLIC_URL: 'https://media.example.com' }
    await using plain = await openKit({ env })
    assert.equal((await plain.app.inject({ url: '/api/media', headers })).statusCode, 403)
    await using behind = await openKit({ env: { ...env, TRUST_PROXY: '127.0.0.1/8' } })
    assert.equal((await behind.app.inject({ url: '/api/media', headers })).statusCode, 200)
    await using other = await openKit({ env: { ...env, TRUST_PROXY: '10.0.0.0/8' } })
    assert.equal((await other.app.inject({ url: '/api/media', headers })).statusCode, 403)
  })
})
