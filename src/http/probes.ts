import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Chance, Clock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import type { Log } from '../media/log.ts'
import type { AppDeps } from './deps.ts'
import { answers, problemOf } from './errors.ts'
import { checkReadiness, type Readiness } from './readiness.ts'

export interface ProbeDeps {
  readiness: Readiness
  drivers: Record<string, string>
  metrics: NonNullable<AppDeps['metrics']>
  clock: Clock
  chance: Chance
  log: Log
}

/** `/healthz`, `/readyz` and `/metrics` of a process without an API. They name no media and no user, and change nothing. */
export function openProbes(deps: ProbeDeps): (request: IncomingMessage, reply: ServerResponse) => void {
  const { chance, log } = deps
  return (request, reply) => {
    const request_id = chance.uuid()
    request.resume()
    answer(request, reply, request_id, deps).catch((error) => {
      log.warn({ request_id, error }, 'a probe was not answered')
      if (reply.headersSent) reply.destroy()
      else sendProblem(reply, error, request_id)
    })
  }
}

async function answer(
  { url = '', method = '' }: IncomingMessage,
  reply: ServerResponse,
  request_id: string,
  { readiness, drivers, metrics, clock, log }: ProbeDeps,
): Promise<void> {
  const path = url.replace(/[?#].*/s, '')
  if (!['/healthz', '/readyz', '/metrics'].includes(path)) throw new MediaError('not_found', 'no such probe')
  if (method !== 'GET' && method !== 'HEAD') throw new MediaError('method_not_allowed', `${method} of a probe`)
  if (path === '/healthz') return sendJson(reply, 200, { status: 'ok' })
  if (path === '/metrics') return send(reply, 200, metrics.contentType, await metrics.text())
  const { ready, checks } = await checkReadiness(readiness, { clock, log, request_id })
  if (ready) return sendJson(reply, 200, { status: 'ready', checks, drivers })
  sendProblem(reply, new MediaError('unavailable', 'not ready'), request_id, { checks, drivers })
}

function sendProblem(reply: ServerResponse, error: unknown, request_id: string, more: object = {}): void {
  const problem = { ...problemOf(error, request_id), ...more }
  const { retryAfter } = answers[problem.code as keyof typeof answers]
  if (retryAfter !== undefined) reply.setHeader('retry-after', retryAfter)
  if (problem.status === answers.method_not_allowed.status) reply.setHeader('allow', 'GET, HEAD')
  send(reply, problem.status, 'application/problem+json', JSON.stringify(problem))
}

function sendJson(reply: ServerResponse, status: number, body: object): void {
  send(reply, status, 'application/json', JSON.stringify(body))
}

function send(reply: ServerResponse, status: number, type: string, text: string): void {
  const headers = { 'content-type': type, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }
  reply.writeHead(status, headers).end(text)
}
