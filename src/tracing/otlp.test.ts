import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { systemChance, systemClock } from '../media/clock.ts'
import { silentLog } from '../media/log.ts'
import { stepsIn } from '../media/trace.ts'
import { type OpenTracer, openOtlp } from './otlp.ts'

interface Sent {
  name: string
  spanId: string
  parentSpanId?: string
  status: { code?: number; message?: string }
}

describe('traces by OTLP', () => {
  const spans: Sent[] = []
  let refusing = false
  let hold: Promise<void> | null = null
  let tracer: OpenTracer
  const collector = createServer(async (request, reply) => {
    const body = (await json(request)) as { resourceSpans: { scopeSpans: { spans: Sent[] }[] }[] }
    await hold
    if (refusing) return void reply.writeHead(503).end()
    spans.push(...body.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((one) => one.spans)))
    reply.end('{}')
  })
  before(async () => {
    collector.listen(0, '127.0.0.1')
    await once(collector, 'listening')
    const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`
    const given = { clock: systemClock, chance: systemChance, log: silentLog }
    tracer = openOtlp({ endpoint, headers: {}, serviceName: 'test', ...given })
  })
  after(async () => {
    await tracer.close()
    collector.closeAllConnections()
    collector.close()
  })

  test('flushing sends all that has ended, each once, also while others send', async () => {
    for (let n = 0; n < 1_200; n++) tracer.begin(`span ${n}`, { kind: 'internal' }).end()
    await Promise.all([tracer.flush(), tracer.flush(), tracer.flush()])
    assert.equal(spans.length, 1_200)
    assert.equal(new Set(spans.map(({ spanId }) => spanId)).size, 1_200)
  })

  test('what ends while older spans are on their way is kept, however many there are', async () => {
    spans.length = 0
    const way = Promise.withResolvers<void>()
    hold = way.promise
    tracer.begin('first', { kind: 'internal' }).end()
    const flushed = tracer.flush()
    for (let n = 0; n < 5_000; n++) tracer.begin(`later ${n}`, { kind: 'internal' }).end()
    way.resolve()
    hold = null
    await flushed
    assert.equal(spans.filter(({ name }) => name.startsWith('later')).length, 5_000)
  })

  test('a collector that refuses is told of them again', async () => {
    spans.length = 0
    refusing = true
    tracer.begin('kept', { kind: 'internal' }).end()
    await tracer.flush()
    refusing = false
    await tracer.flush()
    assert.deepEqual(
      spans.map(({ name }) => name),
      ['kept'],
    )
  })

  test('steps lie below what they are of, and tell how they failed; outside of any trace they are none', async () => {
    spans.length = 0
    const step = stepsIn(tracer)
    assert.equal(await step('alone', async () => 7), 7)
    const job = tracer.begin('job', { kind: 'consumer' })
    await tracer.within(job, async () => {
      await step('outer', async () => await step('inner', async () => {}))
      await assert.rejects(step('broken', async () => Promise.reject(new Error('of words'))))
    })
    job.end()
    await tracer.flush()
    const of = (name: string) => spans.find((span) => span.name === name)
    assert.deepEqual(spans.map(({ name }) => name).sort(), ['broken', 'inner', 'job', 'outer'])
    assert.equal(of('outer')?.parentSpanId, of('job')?.spanId)
    assert.equal(of('inner')?.parentSpanId, of('outer')?.spanId)
    assert.deepEqual(of('broken')?.status, { code: 2, message: 'internal' })
  })
})
