import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemChance, systemClock } from '../media/clock.ts'
import { silentLog } from '../media/log.ts'
import { parseSettings } from '../media/setting.ts'
import { openKit } from './kit.test.ts'
import { openProbes, type ProbeDeps } from './probes.ts'
import { httpSettings } from './settings.ts'
import { listenStandalone } from './standalone.ts'

const metrics = { text: async () => 'media_jobs_running 1\n', contentType: 'text/plain; version=0.0.4; charset=utf-8' }
const drivers = { queue: 'kafka' }

async function openServer(change: Partial<ProbeDeps>) {
  const given = { readiness: { queue: async () => {} }, drivers, metrics, clock: systemClock, chance: systemChance }
  const probes = openProbes({ ...given, log: silentLog, ...change })
  const server = await listenStandalone(parseSettings(httpSettings, { PORT: '0' }), probes)
  return { ask: (path: string, init = {}) => fetch(server.address + path, init), [Symbol.asyncDispose]: server.close }
}

describe('probes of a process without an API', () => {
  test('say that it lives, what it stands on, and its figures', async () => {
    await using server = await openServer({})
    assert.deepEqual(await (await server.ask('/healthz')).json(), { status: 'ok' })
    const ready = await server.ask('/readyz')
    assert.deepEqual([ready.status, await ready.json()], [200, { status: 'ready', checks: { queue: 'ok' }, drivers }])
    const figures = await server.ask('/metrics')
    assert.equal(figures.headers.get('content-type'), metrics.contentType)
    assert.equal(await figures.text(), 'media_jobs_running 1\n')
  })

  test('name what does not answer, and never why', async () => {
    const queue = async () => Promise.reject(new Error('secret reason'))
    await using server = await openServer({ readiness: { queue } })
    const answer = await server.ask('/readyz')
    const text = await answer.text()
    assert.equal(answer.status, 503)
    assert.ok(answer.headers.get('retry-after'))
    assert.deepEqual(JSON.parse(text).checks, { queue: 'failed' })
    assert.doesNotMatch(text, /secret/)
  })

  test('are all there is', async () => {
    await using server = await openServer({})
    assert.equal((await server.ask('/api/media')).status, 404)
    const posted = await server.ask('/metrics', { method: 'POST', body: 'x'.repeat(100_000) })
    assert.deepEqual([posted.status, posted.headers.get('allow')], [405, 'GET, HEAD'])
  })

  test('a failing figure is an answer, not a crash', async () => {
    const text = async () => Promise.reject(new Error('secret reason'))
    await using server = await openServer({ metrics: { ...metrics, text } })
    const answer = await server.ask('/metrics')
    assert.equal(answer.status, 500)
    assert.doesNotMatch(await answer.text(), /secret/)
  })
})

describe('metrics of the API', () => {
  const secret = 'a secret of at least thirty-two bytes'

  test('are an operator’s, and on an open loopback everybody is one', async () => {
    await using open = await openKit({ metrics })
    const answer = await open.app.inject({ url: '/metrics', headers: { host: 'localhost' } })
    assert.deepEqual([answer.statusCode, answer.body], [200, 'media_jobs_running 1\n'])
    assert.match(String(answer.headers['content-type']), /^text\/plain; version=0\.0\.4/)
    await using kit = await openKit({ metrics, env: { AUTH_JWT_SECRET: secret } })
    assert.equal((await kit.app.inject({ url: '/metrics', headers: { host: 'localhost' } })).statusCode, 401)
  })

  test('are refused to a user', async () => {
    const { SignJWT } = await import('jose')
    await using kit = await openKit({ metrics, env: { AUTH_JWT_SECRET: secret } })
    const ask = async (claims: Record<string, string>) => {
      const jwt = new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).setSubject('ann').setExpirationTime('1m')
      const authorization = `Bearer ${await jwt.sign(Buffer.from(secret))}`
      return await kit.app.inject({ url: '/metrics', headers: { host: 'localhost', authorization } })
    }
    const refused = await ask({})
    assert.deepEqual([refused.statusCode, refused.json().code], [403, 'not_operator'])
    assert.equal((await ask({ scope: 'operator' })).statusCode, 200)
  })
})
