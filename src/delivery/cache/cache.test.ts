import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, type CacheBed, openCacheBed } from './testbed.test.ts'

async function bed(t: TestContext, answer: Answer, given?: { limit?: number }): Promise<CacheBed> {
  const opened = await openCacheBed(answer, given)
  t.after(opened.close)
  return opened
}

const fresh = { 'cache-control': 'max-age=60', etag: '"one"' }
const big = randomBytes(3 * 1024 * 1024).toString('latin1')

describe('shared cache', () => {
  test('what is fresh is not asked for again, and says how old it is', async (t) => {
    const { get, asked, pass } = await bed(t, (_, reply) => reply.writeHead(200, fresh).end('bytes'))
    assert.match((await get('/a')).headers.get('cache-status') ?? '', /^edge; fwd=miss; fwd-status=200; stored$/)
    pass(30)
    const again = await get('/a')
    assert.equal(again.text, 'bytes')
    assert.equal(again.headers.get('cache-status'), 'edge; hit')
    assert.ok(Number(again.headers.get('age')) >= 30)
    assert.equal(asked.length, 1)
    await get('/a?x=1')
    assert.equal(asked.length, 2, 'another query is another thing')
  })

  test('what is stale is validated, and the answer renews it', async (t) => {
    const { get, asked, pass } = await bed(t, (request, reply) => {
      if (request.headers['if-none-match'] === '"one"') {
        return reply.writeHead(304, { 'cache-control': 'max-age=600', 'x-new': 'yes' }).end()
      }
      return reply.writeHead(200, fresh).end('bytes')
    })
    await get('/a')
    pass(61)
    const validated = await get('/a')
    assert.deepEqual([validated.status, validated.text, validated.headers.get('x-new')], [200, 'bytes', 'yes'])
    pass(500)
    assert.equal((await get('/a')).headers.get('cache-status'), 'edge; hit')
    assert.equal(asked.length, 2)
  })

  test('any number of readers are one fetch, and read while it comes', async (t) => {
    const go = Promise.withResolvers<void>()
    const { get, url, asked } = await bed(t, async (_, reply) => {
      reply.writeHead(200, fresh).write(big.slice(0, 100_000), 'latin1')
      await go.promise
      reply.end(big.slice(100_000), 'latin1')
    })
    const first = await fetch(`${url}/film`)
    const reader = first.body?.getReader()
    assert.ok((await reader?.read())?.value, 'the first bytes are there before the last have come')
    const others = Array.from({ length: 20 }, () => fetch(`${url}/film`).then((response) => response.arrayBuffer()))
    go.resolve()
    for (const bytes of await Promise.all(others)) assert.equal(Buffer.from(bytes).toString('latin1'), big)
    await reader?.cancel()
    assert.equal(asked.length, 1)
    const part = await get('/film', { range: 'bytes=1000000-1000009' })
    assert.deepEqual([part.status, part.headers.get('content-range')], [206, `bytes 1000000-1000009/${big.length}`])
    assert.equal(asked.length, 1, 'ranges come from the cache')
  })

  test('a range is taken only of what its reader knows', async (t) => {
    const { get } = await bed(t, (_, reply) => reply.writeHead(200, fresh).end('0123456789'))
    await get('/a')
    const part = (ifRange: string) => get('/a', { range: 'bytes=2-3', 'if-range': ifRange })
    assert.deepEqual([(await part('"one"')).status, (await part('"one"')).text], [206, '23'])
    assert.deepEqual([(await part('"other"')).status, (await part('"other"')).text], [200, '0123456789'])
    assert.equal((await get('/a', { range: 'bytes=50-' })).status, 416)
    assert.equal((await get('/a', { 'if-none-match': '"one"' })).status, 304)
  })

  test('a part is never kept as the whole', async (t) => {
    const { get, asked } = await bed(t, (request, reply) => {
      if (!request.headers.range) return reply.writeHead(200, fresh).end('0123456789')
      return reply.writeHead(206, { ...fresh, 'content-range': 'bytes 2-3/10' }).end('23')
    })
    assert.equal((await get('/a', { range: 'bytes=2-3' })).text, '23')
    assert.equal((await get('/a')).text, '0123456789')
    assert.equal(asked.length, 2)
  })

  test('what breaks off is told to those who read, and not kept', async (t) => {
    let broken = true
    const { get, url, folder } = await bed(t, (_, reply) => {
      reply.writeHead(200, { ...fresh, 'content-length': big.length })
      if (!broken) return reply.end(big, 'latin1')
      reply.write(big.slice(0, 500_000), 'latin1')
      return setTimeout(() => reply.destroy(), 20)
    })
    await assert.rejects(fetch(`${url}/a`).then((response) => response.arrayBuffer()))
    broken = false
    assert.equal((await get('/a')).headers.get('content-length'), String(big.length))
    assert.equal((await filesIn(folder)).filter((name) => !name.endsWith('.json')).length, 1)
  })

  test('variants are chosen by what Vary names', async (t) => {
    const { get, asked } = await bed(t, ({ headers }, reply) =>
      reply.writeHead(200, { ...fresh, vary: 'Accept-Language' }).end(headers['accept-language']),
    )
    for (const language of ['en', 'de', 'en', 'de']) {
      assert.equal((await get('/a', { 'accept-language': language })).text, language)
    }
    assert.equal(asked.length, 2)
  })

  for (const [what, response, request] of [
    ['private', { 'cache-control': 'private, max-age=60' }, {}],
    ['no-store', { 'cache-control': 'no-store, max-age=60' }, {}],
    ['of one who is authorized', { 'cache-control': 'max-age=60' }, { authorization: 'Bearer x' }],
    ['chosen by everything', { 'cache-control': 'max-age=60', vary: '*' }, {}],
    ['silent on how long it lives', {}, {}],
  ] as const) {
    test(`what is ${what} goes to nobody else`, async (t) => {
      const { get, asked } = await bed(t, (_, reply) => reply.writeHead(200, response).end('bytes'))
      await get('/a', request)
      await get('/a')
      assert.equal(asked.length, 2)
    })
  }

  test('while it is validated behind the scenes, what is a little stale is served', async (t) => {
    let version = 1
    const { get, pass } = await bed(t, (_, reply) =>
      reply.writeHead(200, { 'cache-control': 'max-age=10, stale-while-revalidate=60' }).end(`version ${version}`),
    )
    await get('/a')
    version = 2
    pass(30)
    assert.equal((await get('/a')).text, 'version 1')
    for (let tries = 0; (await get('/a')).text !== 'version 2'; tries++) {
      assert.ok(tries < 100)
      await sleep(10)
    }
  })

  test('when the origin is out of order, what is stale is served, unless it says no', async (t) => {
    let down = false
    const { get, pass } = await bed(t, ({ url }, reply) => {
      if (down) return url === '/503' ? reply.writeHead(503).end() : reply.destroy()
      const strict = url === '/strict' ? ', must-revalidate' : ''
      return reply.writeHead(200, { 'cache-control': `max-age=10, stale-if-error=100${strict}` }).end('bytes')
    })
    for (const path of ['/cut', '/503', '/strict']) await get(path)
    down = true
    pass(50)
    assert.equal((await get('/cut')).text, 'bytes')
    assert.equal((await get('/503')).text, 'bytes')
    assert.equal((await get('/strict')).status, 504)
    pass(100)
    assert.equal((await get('/cut')).status, 504)
  })

  test('a change at the origin takes what was kept, and what it names', async (t) => {
    const { get, asked } = await bed(t, ({ method }, reply) =>
      method === 'POST' ? reply.writeHead(201, { location: '/b' }).end() : reply.writeHead(200, fresh).end('bytes'),
    )
    for (const path of ['/a', '/b', '/c']) await get(path)
    assert.equal((await get('/a', {}, 'POST')).status, 201)
    for (const path of ['/a', '/b', '/c']) await get(path)
    assert.deepEqual(
      asked.map(({ method, url }) => `${method} ${url}`),
      ['GET /a', 'GET /b', 'GET /c', 'POST /a', 'GET /a', 'GET /b'],
    )
  })

  test('outlives a restart', async (t) => {
    const { get, restart, asked, folder } = await bed(t, (_, reply) => reply.writeHead(200, fresh).end('bytes'))
    await get('/a')
    await restart()
    const kept = await get('/a')
    assert.deepEqual(
      [kept.text, kept.headers.get('etag'), kept.headers.get('cache-status')],
      ['bytes', '"one"', 'edge; hit'],
    )
    assert.equal(asked.length, 1)
    assert.equal((await filesIn(folder)).length, 2)
  })

  test('keeps no more than it may: what was not used for longest goes', async (t) => {
    const { get, asked, folder } = await bed(t, (_, reply) => reply.writeHead(200, fresh).end('x'.repeat(100_000)), {
      limit: 1_000_000,
    })
    for (let n = 0; n < 30; n++) {
      await get(`/${n}`)
      await get('/0')
    }
    assert.equal(asked.length, 30, 'what is used stays')
    await get('/1')
    assert.equal(asked.length, 31)
    await sleep(50)
    const bodies = (await filesIn(folder)).filter((name) => !name.endsWith('.json'))
    assert.ok(bodies.length <= 10, `${bodies.length} bodies`)
  })

  test('HEAD is answered from what GET has brought', async (t) => {
    const { get, asked } = await bed(t, (_, reply) => reply.writeHead(200, fresh).end('bytes'))
    await get('/a')
    const head = await get('/a', {}, 'HEAD')
    assert.deepEqual([head.status, head.text, head.headers.get('content-length')], [200, '', '5'])
    assert.equal(asked.length, 1)
  })

  test('fields of the connection stay on it', async (t) => {
    const { get } = await bed(t, (_, reply) =>
      reply.writeHead(200, { ...fresh, connection: 'x-secret', 'x-secret': '1', 'x-kept': '2' }).end('bytes'),
    )
    await get('/a')
    const { headers } = await get('/a')
    assert.deepEqual([headers.get('x-secret'), headers.get('x-kept')], [null, '2'])
  })
})

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
}
