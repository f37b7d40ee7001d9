import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { onEngines } from '../engines.ts'
import { freePort } from '../ports.ts'
import { formOf, makeSample } from '../samples.ts'
import { startTarget } from '../target.ts'

const key = 'an-api-key-that-nobody-may-read'
const hookKey = 'a-key-in-the-address-of-a-receiver'
const hookSecret = `whsec_${Buffer.alloc(32, 5).toString('base64')}`
const jwtSecret = 'a secret of tokens, thirty-two bytes or more'

/** What processes say of themselves at their most talkative. */
describe('logs', () => {
  test('are lines of JSON, without keys, tokens, signed addresses or secrets', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'logs-'))
    const keysFile = join(folder, 'keys')
    await writeFile(keysFile, `${createHash('sha256').update(key).digest('hex')} ann operator\n`)
    const WEBHOOKS_FILE = join(folder, 'webhooks.json')
    const hook = { id: 'deaf', url: `http://127.0.0.1:9/hooks?key=${hookKey}`, secrets: [hookSecret] }
    await writeFile(WEBHOOKS_FILE, JSON.stringify([hook]))
    const edgePort = String(await freePort())
    const dataDir = join(folder, 'data')
    const env = {
      ...{ LOG_LEVEL: 'debug', AUTH_API_KEYS_FILE: keysFile, AUTH_JWT_SECRET: jwtSecret },
      ...{ WEBHOOKS_FILE, WEBHOOKS_ALLOW_INTERNAL: 'true', CDN_BASE_URL: `http://127.0.0.1:${edgePort}` },
    }
    const target = await startTarget({ role: onEngines ? 'serve' : 'all', dataDir, env })
    const worker = onEngines ? [await startTarget({ role: 'worker', dataDir, env: { ...env, WORKER_PORT: '0' } })] : []
    const edge = await startTarget({ role: 'edge', dataDir, env: { ...env, PORT: edgePort } })
    // In front of an edge that will be gone: what it cannot bring, it tells of.
    const cacheEnv = { LOG_LEVEL: 'debug', EDGE_ORIGIN: edge.url, EDGE_PUBLIC: 'true' }
    const cache = await startTarget({ role: 'edge', dataDir: join(folder, 'cache'), env: cacheEnv, embedded: true })
    const processes = [target, ...worker, edge, cache]
    const headers = { authorization: `Bearer ${key}` }
    const signed = new Set<string>()
    const ask = async (path: string, init: RequestInit = {}) => {
      const url = path.startsWith('http') ? path : target.url + path
      return await fetch(url, { redirect: 'manual', ...init, headers: { ...headers, ...init.headers } })
    }
    /** Also with a wrong signature: what is refused is told at most. */
    const follow = async (address: string, init: RequestInit = {}) => {
      for (const [, value = ''] of new URL(address).searchParams) if (value.length > 20) signed.add(value)
      const broken = address.replace(/(ignature=)./, '$1!')
      for (const one of [broken, address]) await (await fetch(one, init)).arrayBuffer().catch(() => {})
    }
    try {
      const photo = await makeSample('photo.jpg')
      const form = await ask('/api/media/upload', { method: 'POST', body: formOf({ title: 'x', file: photo }) })
      const { media_id } = (await form.json()) as { media_id: string }
      const json = { 'content-type': 'application/json' }
      const said = { title: 'x', filename: 'a.jpg', content_type: 'image/jpeg', file_size: photo.size }
      const init = await ask('/api/media/upload/init', { method: 'POST', headers: json, body: JSON.stringify(said) })
      const { parts } = (await init.json()) as { parts: { url: string }[] }
      for (const { url } of parts) await follow(url, { method: 'PUT', body: photo })
      const token = await ask('/api/media/upload/token', { method: 'POST' })
      const upload = (await token.json()) as { token: string; companion_endpoint: string }
      signed.add(upload.token)
      await fetch(`${upload.companion_endpoint}/s3/params?filename=a.jpg&type=image/jpeg`)
      for (const deadline = Date.now() + 60_000; ; await sleep(50)) {
        const { status } = (await (await ask(`/api/media/${media_id}`)).json()) as { status: string }
        if (status === 'processed') break
        assert.ok(Date.now() < deadline, status)
      }
      const download = await ask(`/api/media/download/${media_id}`)
      const delivered = download.headers.get('location') ?? ''
      assert.ok(delivered.startsWith(edge.url), delivered)
      await follow(delivered)
      await follow(delivered.replace(edge.url, cache.url))
      await ask('/api/media', { headers: { authorization: 'Bearer wrong-key-of-somebody' } })
      await ask('/api/media/upload', { method: 'POST', body: formOf({ title: 'x' }) })
      await ask(`/api/media/${media_id}`, { method: 'DELETE' })
      for (const deadline = Date.now() + 30_000; !target.said().includes('webhook not taken'); await sleep(50)) {
        assert.ok(Date.now() < deadline, 'no webhook was tried')
      }
      await edge.stop()
      await follow(delivered.replace(edge.url, cache.url).replace('.jpg', '.png'))
      assert.match(target.said(), new RegExp(`"audit":"media.deleted","media_id":"${media_id}","user_id":"ann"`))
    } finally {
      for (const one of processes) await one.stop()
      await rm(folder, { recursive: true, force: true })
    }
    assert.ok(signed.size >= 2, `${signed.size} signed values`)
    for (const log of processes.map(({ said }) => said())) {
      const lines = log.split('\n').filter((line) => line.startsWith('{'))
      for (const line of lines) JSON.parse(line)
      for (const secret of [key, jwtSecret, hookKey, hookSecret, 'wrong-key-of-somebody', ...signed]) {
        assert.ok(!log.includes(secret), `the log has ${secret.slice(0, 40)}`)
      }
      assert.doesNotMatch(log, /Signature=|Policy=|PRIVATE KEY|whsec_/)
    }
    assert.ok(target.said().split('\n').length > 10)
    assert.match(cache.said(), /the edge has no answer/)
  })
})
