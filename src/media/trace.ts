import { codeOf } from './errors.ts'

/** How a media's way is followed from its upload to `processed`, across processes. */

/** https://www.w3.org/TR/trace-context/#traceparent-header: `00-{trace}-{span}-{flags}` */
export type Traceparent = string

export interface Tracer {
  /** Begins a span: below `parent`, or as the first of a trace. */
  begin(name: string, given: SpanGiven): Span
  /** Runs `work` with the span as the current one. */
  within<T>(span: Span, work: () => T): T
  /** Of the current span; null outside of any. */
  current(): Traceparent | null
  /** Sends what has ended; for who may be stopped at any moment. Does not throw. */
  flush(): Promise<void>
}

/** Runs a step of some work; where work is traced, in a span below the current one. */
export type InStep = <T>(name: string, work: () => Promise<T>) => Promise<T>

export const untraced: InStep = async (_, work) => await work()

/** Steps of what nobody follows are in no trace: each would be one by itself. */
export function stepsIn(tracer: Tracer): InStep {
  return async (name, work) => {
    const parent = tracer.current()
    if (parent === null) return await work()
    const span = tracer.begin(name, { parent, kind: 'internal' })
    try {
      const done = await tracer.within(span, work)
      span.end()
      return done
    } catch (error) {
      span.end({ failed: codeOf(error) })
      throw error
    }
  }
}

export interface SpanGiven {
  parent?: Traceparent | null
  kind: 'server' | 'internal' | 'consumer'
  /** Milliseconds since the epoch; now when not given. */
  start?: number
  /** Never a secret, a signed address, or what a sender wrote. */
  attributes?: Record<string, string | number>
}

export interface Span {
  traceparent: Traceparent
  /** @param failed what went wrong, in a word; nothing when nothing did */
  end(more?: { attributes?: Record<string, string | number>; failed?: string | undefined }): void
}

/** The ids of a traceparent; null for what is none. */
export function idsOf(traceparent: string | null | undefined): { trace: string; span: string } | null {
  const [, trace, span] = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}/.exec(traceparent ?? '') ?? []
  return trace && span && !/^0+$/.test(trace) && !/^0+$/.test(span) ? { trace, span } : null
}
