import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose'
import { systemClock } from '../media/clock.ts'
import { codeOf } from '../media/errors.ts'
import { parseSettings } from '../media/setting.ts'
import { assertSafeToListen, isLoopback, openIdentity } from './identity.ts'
import { parseKeys } from './keys.ts'
import { openKit } from './kit.test.ts'
import { httpSettings } from './settings.ts'

const secret = 'a secret that has thirty-two bytes, at least'
const key = Buffer.from(secret)
const now = () => Math.floor(systemClock.now() / 1000)
const hs256 = (claims: Record<string, unknown>, by = key, alg = 'HS256') =>
  new SignJWT(claims).setProtectedHeader({ alg }).sign(by)

const settingsOf = (env: Record<string, string>) => parseSettings(httpSettings, env)

async function outcome(env: Record<string, string>, token: string | undefined): Promise<unknown> {
  const identify = await openIdentity(settingsOf(env), systemClock)
  try {
    return await identify(token === undefined ? undefined : `Bearer ${token}`)
  } catch (error) {
    return codeOf(error)
  }
}

describe('without configuration', () => {
  test('everyone is the user local', async () => {
    assert.deepEqual(await outcome({}, undefined), { user_id: 'local', operator: true })
  })

  test('only loopback is safe to listen on', () => {
    const settings = settingsOf({})
    for (const host of ['127.0.0.1', '127.0.0.2', '::1', 'localhost']) assertSafeToListen({ host, settings })
    for (const host of ['0.0.0.0', '::', '192.168.1.5', 'media.example.com', '']) {
      assert.throws(() => assertSafeToListen({ host, settings }), /AUTH_JWT_SECRET/, host)
    }
    assertSafeToListen({ host: '0.0.0.0', settings: settingsOf({ AUTH_JWT_SECRET: secret }) })
    assert.ok(!isLoopback('127.0.0.1.evil.example'))
  })
})

describe('JSON Web Tokens by secret', () => {
  const env = { AUTH_JWT_SECRET: secret }

  test('sub is the user, scope makes an operator', async () => {
    assert.deepEqual(await outcome(env, await hs256({ sub: 'ann' })), { user_id: 'ann', operator: false })
    const operator = { user_id: 'ann', operator: true }
    assert.deepEqual(await outcome(env, await hs256({ sub: 'ann', scope: 'read operator' })), operator)
    assert.deepEqual(await outcome(env, await hs256({ sub: 'ann', scope: ['operator'] })), operator)
    assert.deepEqual(await outcome(env, await hs256({ sub: 'ann', scope: 'cooperator' })), {
      user_id: 'ann',
      operator: false,
    })
  })

  test('what is not a good token is refused', async () => {
    const bad = {
      none: undefined,
      nonsense: 'nonsense',
      'other secret': await hs256({ sub: 'ann' }, Buffer.from('another secret of thirty-two bytes!!')),
      'other algorithm': await hs256({ sub: 'ann' }, key, 'HS512'),
      unsigned: new UnsecuredJWT({ sub: 'ann' }).encode(),
      expired: await hs256({ sub: 'ann', exp: now() - 60 }),
      'not yet valid': await hs256({ sub: 'ann', nbf: now() + 60 }),
      'no sub': await hs256({}),
      'empty sub': await hs256({ sub: '' }),
      'blank sub': await hs256({ sub: ' ' }),
      'endless sub': await hs256({ sub: 'a'.repeat(129) }),
      'sub with a line break': await hs256({ sub: 'ann\nroot' }),
      altered: `${await hs256({ sub: 'ann' })}x`,
    }
    for (const [name, token] of Object.entries(bad)) assert.equal(await outcome(env, token), 'unauthenticated', name)
  })

  test('issuer and audience hold when set', async () => {
    const strict = { ...env, AUTH_JWT_ISSUER: 'https://id.example.com', AUTH_JWT_AUDIENCE: 'media' }
    const good = { sub: 'ann', iss: 'https://id.example.com', aud: 'media', exp: now() + 60 }
    assert.deepEqual(await outcome(strict, await hs256(good)), { user_id: 'ann', operator: false })
    assert.equal(await outcome(strict, await hs256({ ...good, iss: 'https://evil.example' })), 'unauthenticated')
    assert.equal(await outcome(strict, await hs256({ ...good, aud: 'other' })), 'unauthenticated')
    assert.equal(await outcome(strict, await hs256({ sub: 'ann' })), 'unauthenticated')
  })

  test('a short secret is refused at start, and never printed', () => {
    assert.throws(
      () => settingsOf({ AUTH_JWT_SECRET: 'too-short-secret' }),
      (error: Error) => /AUTH_JWT_SECRET takes/.test(error.message) && !error.message.includes('too-short-secret'),
    )
  })
})

describe('JSON Web Tokens by published keys', () => {
  async function publish(jwks: () => object | null) {
    const server = createServer((_req, res) => {
      const keys = jwks()
      res.writeHead(keys ? 200 : 500, { 'content-type': 'application/json' }).end(JSON.stringify(keys ?? {}))
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    return { server, url: `http://127.0.0.1:${port}/jwks.json` }
  }

  test('RSA and EC keys, rotation, foreign keys, and a secret beside them', async (t) => {
    const [rsa, ec, foreign] = await Promise.all([
      generateKeyPair('RS256'),
      generateKeyPair('ES256'),
      generateKeyPair('ES256'),
    ])
    const keys = [
      { ...(await exportJWK(rsa.publicKey)), kid: 'r', alg: 'RS256' },
      { ...(await exportJWK(ec.publicKey)), kid: 'e', alg: 'ES256' },
    ]
    const { server, url } = await publish(() => ({ keys }))
    t.after(() => server.close())
    const sign = (alg: string, kid: string, by: Parameters<SignJWT['sign']>[0]) =>
      new SignJWT({ sub: 'bob' }).setProtectedHeader({ alg, kid }).sign(by)
    const bob = { user_id: 'bob', operator: false }
    assert.deepEqual(await outcome({ AUTH_JWKS_URL: url }, await sign('RS256', 'r', rsa.privateKey)), bob)
    assert.deepEqual(await outcome({ AUTH_JWKS_URL: url }, await sign('ES256', 'e', ec.privateKey)), bob)
    assert.equal(await outcome({ AUTH_JWKS_URL: url }, await sign('ES256', 'e', foreign.privateKey)), 'unauthenticated')
    assert.equal(await outcome({ AUTH_JWKS_URL: url }, await sign('ES256', 'x', foreign.privateKey)), 'unauthenticated')
    // The old confusion of algorithms: the public key taken for an HMAC secret.
    const pem = Buffer.from(JSON.stringify(keys[0]))
    assert.equal(await outcome({ AUTH_JWKS_URL: url }, await hs256({ sub: 'bob' }, pem)), 'unauthenticated')
    const both = { AUTH_JWKS_URL: url, AUTH_JWT_SECRET: secret }
    assert.deepEqual(await outcome(both, await hs256({ sub: 'bob' })), bob)
    assert.deepEqual(await outcome(both, await sign('RS256', 'r', rsa.privateKey)), bob)
    assert.equal(await outcome(both, await hs256({ sub: 'bob' }, pem)), 'unauthenticated')
  })

  test('keys that cannot be fetched are our trouble, not the caller’s', async (t) => {
    const { privateKey } = await generateKeyPair('ES256')
    const token = await new SignJWT({ sub: 'bob' }).setProtectedHeader({ alg: 'ES256', kid: 'e' }).sign(privateKey)
    const { server, url } = await publish(() => null)
    t.after(() => server.close())
    assert.equal(await outcome({ AUTH_JWKS_URL: url }, token), 'unavailable')
    assert.equal(await outcome({ AUTH_JWKS_URL: 'http://127.0.0.1:9/' }, token), 'unavailable')
    assert.equal(await outcome({ AUTH_JWKS_URL: 'http://127.0.0.1:9/' }, 'nonsense'), 'unauthenticated')
  })
})

describe('API keys', () => {
  const hash = (text: string) => createHash('sha256').update(text).digest('hex')

  test('a key is known by its hash', async () => {
    await using kit = await openKit()
    const path = join(kit.folder, 'keys')
    await writeFile(path, `# keys\n${hash('k-ann')} ann\n\n${hash('k-op').toUpperCase()} root operator # ours\n`)
    const env = { AUTH_API_KEYS_FILE: path }
    assert.deepEqual(await outcome(env, 'k-ann'), { user_id: 'ann', operator: false })
    assert.deepEqual(await outcome(env, 'k-op'), { user_id: 'root', operator: true })
    for (const wrong of ['k-bob', hash('k-ann'), '', undefined])
      assert.equal(await outcome(env, wrong), 'unauthenticated')
    const both = { ...env, AUTH_JWT_SECRET: secret }
    assert.deepEqual(await outcome(both, await hs256({ sub: 'eve' })), { user_id: 'eve', operator: false })
    assert.deepEqual(await outcome(both, 'k-ann'), { user_id: 'ann', operator: false })
  })

  test('a wrong line is named, not shown', () => {
    for (const line of ['plain-key ann', hash('k'), `${hash('k')} ann admin`, `${hash('k')} ann operator more`]) {
      assert.throws(
        () => parseKeys(`${hash('x')} x\n${line}`),
        (error: Error) => error.message.includes('line 2') && !error.message.includes('plain-key'),
      )
    }
  })

  test('a file that is missing stops the start', async () => {
    await assert.rejects(
      openIdentity(settingsOf({ AUTH_API_KEYS_FILE: '/nonexistent/keys' }), systemClock),
      /AUTH_API_KEYS_FILE.*ENOENT/,
    )
  })
})

test('401 says how, and the health routes need no identity', async () => {
  await using kit = await openKit({ env: { AUTH_JWT_SECRET: secret } })
  const headers = { host: 'localhost' }
  const refused = await kit.app.inject({ url: '/api/media', headers })
  assert.equal(refused.statusCode, 401)
  assert.equal(refused.headers['www-authenticate'], 'Bearer')
  const invalid = await kit.app.inject({ url: '/api/media', headers: { ...headers, authorization: 'Bearer x' } })
  assert.equal(invalid.headers['www-authenticate'], 'Bearer error="invalid_token"')
  for (const url of ['/healthz', '/readyz', '/openapi.json', '/docs/errors', '/']) {
    assert.equal((await kit.app.inject({ url, headers })).statusCode, 200, url)
  }
})

test('somebody else’s media is not there', async () => {
  await using kit = await openKit({ env: { AUTH_JWT_SECRET: secret } })
  const media_id = await kit.addMedia({ user_id: 'ann' })
  const as = async (sub: string, method: 'GET' | 'PATCH' | 'DELETE' | 'POST', path = '') => {
    const authorization = `Bearer ${await hs256({ sub, scope: 'operator' })}`
    const payload = method === 'PATCH' ? { payload: { title: 'Mine' } } : {}
    const url = `/api/media/${media_id}${path}`
    return (await kit.app.inject({ method, url, headers: { host: 'localhost', authorization }, ...payload })).statusCode
  }
  assert.equal(await as('ann', 'GET'), 200)
  assert.equal(await as('bob', 'GET'), 404)
  assert.equal(await as('bob', 'PATCH'), 404)
  assert.equal(await as('bob', 'GET', '/events'), 404)
  assert.equal(await as('bob', 'POST', '/retry'), 404)
  assert.equal(await as('bob', 'DELETE'), 404)
  assert.equal(await as('ann', 'GET'), 200)
})
