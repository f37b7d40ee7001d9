import type { Log } from '../media/log.ts'
import type { App } from './deps.ts'

/** Without the query, which may hold a signature or a token, and without the token that Uppy's address holds. */
function pathOf(url: string): string {
  return url
    .replace(/[?#].*/s, '')
    .replace(/^\/companion\/[^/]*/, '/companion/…')
    .slice(0, 500)
}

/** One line a request. The query stays out of it: it may hold a signature or a token. */
export function logAccess(app: App, log: Log): void {
  app.addHook('onResponse', async (request, reply) => {
    log.info(
      {
        request_id: request.id,
        method: request.method,
        path: pathOf(request.url),
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
        ip: request.ip,
        ...(request.caller ? { user_id: request.caller.user_id } : {}),
      },
      'request',
    )
  })
  app.addHook('onRequestAbort', async (request) => {
    log.info({ request_id: request.id, method: request.method, path: pathOf(request.url) }, 'the client went away')
  })
}
