import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startTarget, type Target } from '../target.ts'

/** What an edge of its own tells of itself, on a port of its own. */
describe('the figures of an edge', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'edge-figures-'))
  })
  after(async () => await rm(folder, { recursive: true, force: true }))

  const probeOf = (edge: Target) => /metrics +(http:\S+)\/metrics/.exec(edge.said())?.[1] ?? assert.fail(edge.said())

  /** Figures by name and labels, once the last reply is counted. */
  async function figuresOf(edge: Target) {
    await sleep(50)
    const text = await (await fetch(`${probeOf(edge)}/metrics`)).text()
    const found = text.split('\n').flatMap((line) => {
      const [, name = '', value] = /^(media_edge_\S+) (\S+)$/.exec(line) ?? []
      return value === undefined ? [] : [[name, Number(value)] as const]
    })
    return Object.fromEntries(found)
  }

  test('a cache: requests, bytes, hits, errors of its origin, its disk', async () => {
    let broken = false
    const large = Buffer.alloc(3_000_000, 7)
    const origin = createServer((request, reply) => {
      if (broken) return void reply.writeHead(502).end('no')
      const body = request.url === '/large' ? large : Buffer.from('small')
      reply.writeHead(200, { 'cache-control': 'max-age=60', 'content-length': body.length }).end(body)
    }).listen(0, '127.0.0.1')
    await once(origin, 'listening')
    const EDGE_ORIGIN = `http://127.0.0.1:${(origin.address() as AddressInfo).port}`
    const env = { EDGE_ORIGIN, EDGE_PUBLIC: 'true', EDGE_METRICS_PORT: '0', EDGE_CACHE_BYTES: '10000000' }
    const edge = await startTarget({ role: 'edge', dataDir: folder, env, embedded: true })
    const get = async (path: string) => {
      const reply = await fetch(edge.url + path)
      return { status: reply.status, size: (await reply.arrayBuffer()).byteLength }
    }
    try {
      for (let n = 0; n < 4; n++) assert.deepEqual(await get('/large'), { status: 200, size: large.length })
      await get('/small')
      const first = await figuresOf(edge)
      assert.equal(first['media_edge_requests_total{status="2xx"}'], 5)
      assert.equal(first['media_edge_sent_bytes_total'], 4 * large.length + 5)
      assert.equal(first['media_edge_replies_total{from="disk"}'], 3)
      assert.equal(first['media_edge_replies_total{from="store"}'], 2)
      assert.equal(first['media_edge_origin_errors_total'], 0)
      const disk = first['media_edge_cache_bytes'] ?? 0
      assert.ok(disk > large.length && disk < large.length + 10_000, `${disk} bytes on disk`)
      assert.equal(first['media_edge_cache_limit_bytes'], 10_000_000)

      broken = true
      await get('/other')
      origin.closeAllConnections()
      await new Promise((resolve) => origin.close(resolve))
      await get('/none')
      const second = await figuresOf(edge)
      assert.equal(second['media_edge_origin_errors_total'], 2)
      assert.equal(second['media_edge_requests_total{status="5xx"}'], 2)
      assert.equal((await fetch(`${probeOf(edge)}/healthz`)).status, 200)
      // Readers are told nothing of it.
      assert.notEqual((await fetch(`${edge.url}/metrics`)).status, 200)
    } finally {
      await edge.stop()
      origin.close()
    }
  })

  test('the signed edge counts what it refuses, and is ready when its store is', async () => {
    const whole = await startTarget({ dataDir: join(folder, 'whole') })
    const edge = await startTarget({ role: 'edge', dataDir: join(folder, 'whole'), env: { EDGE_METRICS_PORT: '0' } })
    try {
      const reply = await fetch(`${edge.url}/cdn/none/v1/720p.mp4`)
      assert.equal(reply.status, 403)
      const { length } = Buffer.from(await reply.arrayBuffer())
      const figures = await figuresOf(edge)
      assert.equal(figures['media_edge_requests_total{status="4xx"}'], 1)
      assert.equal(figures['media_edge_sent_bytes_total'], length)
      const ready = await fetch(`${probeOf(edge)}/readyz`)
      assert.deepEqual([ready.status, Object.keys(((await ready.json()) as any).checks)], [200, ['objects']])
    } finally {
      await edge.stop()
      await whole.stop()
    }
  })
})
