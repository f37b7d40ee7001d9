import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Problem } from '../../contract/problem.ts'
import { Closing, MediaError } from '../media/errors.ts'
import type { Log } from '../media/log.ts'
import type { App } from './deps.ts'
import { answers, asMediaError, problemOf } from './errors.ts'

/** Every refusal leaves as `application/problem+json`. */
export function refuseWithProblems(app: App, log: Log): void {
  app.setErrorHandler((thrown, request, reply) => refuse({ thrown, request, reply, log }))
  const answer = async () => {
    throw new MediaError('not_found', 'no route', { detail: 'There is nothing at this address. /docs says what is.' })
  }
  app.setNotFoundHandler(answer)
  // Before the body is looked at, which may be of any type.
  app.addHook('onRequest', async ({ is404 }) => {
    if (is404) await answer()
  })
}

interface Refusal {
  thrown: unknown
  request: FastifyRequest
  reply: FastifyReply
  log: Log
}

export function refuse({ thrown, request, reply, log }: Refusal): FastifyReply {
  const error = asMediaError(thrown)
  const problem = problemOf(error, request.id)
  const failed = problem.status >= 500 && !(error instanceof Closing)
  if (failed) log.error({ request_id: request.id, code: problem.code, error }, 'request failed')
  else log.debug({ request_id: request.id, code: problem.code, error }, 'request refused')
  const exact = error instanceof MediaError ? error.retryAfter : undefined
  const retryAfter = exact ?? answers[problem.code as keyof typeof answers].retryAfter
  if (retryAfter !== undefined) reply.header('retry-after', retryAfter)
  if (problem.status === 401) reply.header('www-authenticate', challenge(request.headers.authorization))
  return sendProblem(reply, problem)
}

/** As bytes, so that fastify adds no charset to the media type, which knows none. */
export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  return reply
    .code(problem.status)
    .header('content-type', 'application/problem+json')
    .header('cache-control', 'no-store')
    .send(Buffer.from(JSON.stringify(problem)))
}

/** RFC 6750, 3: no error code for a request that brought no credentials. */
function challenge(authorization: string | undefined): string {
  return authorization === undefined ? 'Bearer' : 'Bearer error="invalid_token"'
}

/** Answers what is no HTTP request at all, on the bare socket. */
export function refuseRaw(error: { code?: string }, socket: Socket, request_id: string): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [status, words] = rawStatus(error.code)
  const problem = problemOf(new MediaError('malformed_request', String(error.code)), request_id)
  const body = JSON.stringify({ ...problem, status })
  const head = [
    `HTTP/1.1 ${status} ${words}`,
    'Content-Type: application/problem+json',
    'Cache-Control: no-store',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

function rawStatus(code: string | undefined): [number, string] {
  if (code === 'HPE_HEADER_OVERFLOW') return [431, 'Request Header Fields Too Large']
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return [408, 'Request Timeout']
  return [400, 'Bad Request']
}

/**
 * Answers a known address asked in a way it does not know: 405 with `Allow`; OPTIONS is told the same, kindly.
 * To be called before the routes, to see them all.
 */
export function answerOtherMethods(app: App): () => void {
  const known = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    const methods = known.get(url) ?? new Set()
    for (const one of [method].flat()) methods.add(one)
    known.set(url, methods)
  })
  return () => {
    for (const [url, methods] of [...known]) {
      const others = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT'].filter((one) => !methods.has(one))
      const allow = [...new Set([...methods, 'OPTIONS'])].sort().join(', ')
      if (others.length > 0) app.route({ url, method: others, schema: { hide: true }, ...refusingMethod(allow) })
    }
  }
}

function refusingMethod(allow: string) {
  const answer = async (request: FastifyRequest, reply: FastifyReply) => {
    reply.header('allow', allow)
    if (request.method === 'OPTIONS') return await reply.code(204).send()
    throw new MediaError('method_not_allowed', request.method)
  }
  // Before the body is looked at, which may be of any type.
  return { onRequest: answer, handler: answer, exposeHeadRoute: false }
}
