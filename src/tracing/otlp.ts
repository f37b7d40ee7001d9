import { AsyncLocalStorage } from 'node:async_hooks'
import type { Chance, Clock } from '../media/clock.ts'
import type { Log } from '../media/log.ts'
import { idsOf, type Span, type SpanGiven, type Tracer } from '../media/trace.ts'

export interface OtlpOptions {
  /** Without a slash at the end. */
  endpoint: string
  headers: Record<string, string>
  serviceName: string
  clock: Clock
  chance: Chance
  log: Log
}

export interface OpenTracer extends Tracer {
  /** Sends what is left, and no more. */
  close(): Promise<void>
}

const sendEvery = 2_000
/** Spans sent at once, and kept at most while the collector does not answer: older ones go. */
const batch = 500
const most = 5_000
const sendLimit = 5_000

/** https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding */
const kinds = { internal: 1, server: 2, consumer: 5 }

/**
 * Traces by OTLP over HTTP, as JSON. For operators: a POST of at most 500 spans every two seconds while there are any; a
 * collector that does not answer costs the oldest of its spans, and never a request or a job.
 */
export function openOtlp(options: OtlpOptions): OpenTracer {
  const { clock, chance, log } = options
  const current = new AsyncLocalStorage<Span>()
  const stopped = new AbortController()
  let ended: object[] = []
  let told = false

  let sendingNow: Promise<void> | null = null

  /** One at a time: two would send the same spans. */
  async function send(): Promise<void> {
    sendingNow ??= sendBatch().finally(() => {
      sendingNow = null
    })
    await sendingNow
  }

  async function sendBatch(): Promise<void> {
    const spans = ended.slice(0, batch)
    if (spans.length === 0) return
    await post(spans, options)
    const sent = new Set(spans)
    ended = ended.filter((span) => !sent.has(span))
    told = false
  }

  async function flush(): Promise<void> {
    try {
      while (ended.length > 0) await send()
    } catch (error) {
      log.warn({ error: String(error) }, 'traces were not sent')
    }
  }

  async function keepSending(): Promise<void> {
    while (!stopped.signal.aborted) {
      await clock.sleep(sendEvery, stopped.signal).catch(() => {})
      await send().catch((error) => {
        if (!told) log.warn({ error: String(error) }, 'traces cannot be sent; the oldest will be dropped')
        told = true
      })
    }
  }

  function keep(span: object): void {
    ended.push(span)
    if (ended.length > most) ended = ended.slice(-most)
  }

  function begin(name: string, { parent, kind, start = clock.now(), attributes = {} }: SpanGiven): Span {
    const above = idsOf(parent)
    const traceId = above?.trace ?? chance.secret(16).toString('hex')
    const spanId = chance.secret(8).toString('hex')
    return {
      traceparent: `00-${traceId}-${spanId}-01`,
      end: ({ attributes: more = {}, failed } = {}) =>
        keep({
          ...{ traceId, spanId, name, kind: kinds[kind] },
          ...(above && { parentSpanId: above.span }),
          startTimeUnixNano: nanos(start),
          endTimeUnixNano: nanos(clock.now()),
          attributes: attributesOf({ ...attributes, ...more }),
          status: failed === undefined ? {} : { code: 2, message: failed },
        }),
    }
  }

  const sending = keepSending()
  return {
    begin,
    within: (span, work) => current.run(span, work),
    current: () => current.getStore()?.traceparent ?? null,
    flush,
    close: async () => {
      stopped.abort()
      await sending
      await flush()
    },
  }
}

function nanos(ms: number): string {
  return `${Math.round(ms)}000000`
}

function attributesOf(fields: Record<string, string | number>): object[] {
  return Object.entries(fields).map(([key, value]) => ({
    key,
    value: typeof value === 'number' ? { doubleValue: value } : { stringValue: value },
  }))
}

async function post(spans: object[], { endpoint, headers, serviceName }: OtlpOptions): Promise<void> {
  const resource = { attributes: attributesOf({ 'service.name': serviceName }) }
  const body = JSON.stringify({
    resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'media-service' }, spans }] }],
  })
  const answer = await fetch(`${endpoint}/v1/traces`, {
    ...{ method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } },
    ...{ signal: AbortSignal.timeout(sendLimit), redirect: 'error' as const },
  })
  await answer.body?.cancel()
  if (!answer.ok) throw new Error(`the collector answered ${answer.status}`)
}
