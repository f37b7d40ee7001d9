import type { FastifyRequest } from 'fastify'
import type { Span, Tracer } from '../media/trace.ts'
import type { App } from './deps.ts'

/** A span for each request, below the caller's when he sends `traceparent`. Routes are named as they are written: no address, no query. */
export function traceRequests(app: App, tracer: Tracer): void {
  const spans = new WeakMap<FastifyRequest, Span>()
  app.addHook('onRequest', (request, _reply, done) => {
    const { method, routeOptions, headers } = request
    const route = routeOptions.url ?? 'none'
    const attributes = { 'http.request.method': method, 'http.route': route, 'media.request_id': request.id }
    const parent = typeof headers.traceparent === 'string' ? headers.traceparent : null
    const span = tracer.begin(`${method} ${route}`, { parent, kind: 'server', attributes })
    spans.set(request, span)
    tracer.within(span, done)
  })
  app.addHook('onResponse', async (request, { statusCode }) => {
    const failed = statusCode >= 500 ? String(statusCode) : undefined
    spans.get(request)?.end({ attributes: { 'http.response.status_code': statusCode }, failed })
  })
}
