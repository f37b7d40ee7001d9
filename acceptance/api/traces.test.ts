import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { formOf, makeSample } from '../samples.ts'
import { startTarget } from '../target.ts'

interface Span {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  startTimeUnixNano: string
  endTimeUnixNano: string
  attributes: { key: string; value: { stringValue?: string; doubleValue?: number } }[]
}

/** A collector of OpenTelemetry, as far as it takes traces. */
async function openCollector() {
  const spans: Span[] = []
  const keys = new Set<unknown>()
  let text = ''
  const server = createServer(async (request: IncomingMessage, reply: ServerResponse) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString()
    assert.deepEqual([request.method, request.url], ['POST', '/v1/traces'])
    text += body
    keys.add(request.headers['x-key'])
    for (const { scopeSpans } of JSON.parse(body).resourceSpans) {
      for (const one of scopeSpans) spans.push(...one.spans)
    }
    reply.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const close = async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
  return { spans, keys, url, close, text: () => text }
}

describe('traces', () => {
  test('one trace holds a media from its upload, through the queue, to its end', async () => {
    const collector = await openCollector()
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_EXPORTER_OTLP_HEADERS: 'x-key=very%20secret' }
    const target = await startTarget({ env })
    try {
      const caller = { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8) }
      const answer = await fetch(`${target.url}/api/media/upload?token=hidden`, {
        method: 'POST',
        headers: { traceparent: `00-${caller.traceId}-${caller.spanId}-01` },
        body: formOf({ title: 'words of the sender', file: await makeSample('photo.jpg') }),
      })
      assert.equal(answer.status, 201)
      const { media_id } = (await answer.json()) as { media_id: string }
      const find = (name: string) =>
        collector.spans.find((span) => span.name === name && span.traceId === caller.traceId)
      for (const deadline = Date.now() + 60_000; !find('job process'); await sleep(100)) {
        assert.ok(Date.now() < deadline, 'no span of the job within 60 s')
      }
      const [upload, wait, job] = ['POST /api/media/upload', 'wait', 'job process'].map(find)
      assert.ok(upload && wait && job)
      assert.equal(upload.parentSpanId, caller.spanId)
      assert.deepEqual([wait.parentSpanId, job.parentSpanId], [upload.spanId, upload.spanId])
      const said = (span: Span, key: string) => span.attributes.find((one) => one.key === key)?.value
      assert.equal(said(job, 'media.outcome')?.stringValue, 'done')
      const below = (parent: Span) => collector.spans.filter((span) => span.parentSpanId === parent.spanId)
      assert.deepEqual(
        below(job).map(({ name }) => name),
        ['fetch', 'gates', 'make', 'gates', 'store'],
      )
      const make = below(job).find(({ name }) => name === 'make') ?? assert.fail()
      assert.deepEqual(
        below(make).map(({ name }) => name),
        ['run node'],
      )
      assert.equal(said(job, 'media.media_id')?.stringValue, media_id)
      assert.equal(said(upload, 'http.response.status_code')?.doubleValue, 201)
      assert.ok(BigInt(job.endTimeUnixNano) > BigInt(job.startTimeUnixNano))
      assert.deepEqual([...collector.keys], ['very secret'])
      assert.doesNotMatch(collector.text(), /hidden|words of the sender|secret/)
      assert.doesNotMatch(target.said(), /very secret/)
    } finally {
      await target.stop()
      await collector.close()
    }
  })

  test('a collector that is not there costs no upload', async () => {
    const target = await startTarget({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', LOG_LEVEL: 'warn' } })
    try {
      const body = formOf({ title: 'x', file: await makeSample('photo.jpg') })
      assert.equal((await fetch(`${target.url}/api/media/upload`, { method: 'POST', body })).status, 201)
      for (const deadline = Date.now() + 30_000; !/traces cannot be sent/.test(target.said()); await sleep(100)) {
        assert.ok(Date.now() < deadline, target.said())
      }
    } finally {
      await target.stop()
    }
  })
})
