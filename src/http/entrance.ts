import type { FastifyRequest } from 'fastify'
import { Closing } from '../media/errors.ts'
import type { App, AppDeps } from './deps.ts'
import type { Caller, Identify } from './identity.ts'
import { checkHost, checkOrigin, corsHeaders, preflightHeaders } from './origins.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; set on every route that needs to know. */
    caller: Caller
  }
  interface FastifyContextConfig {
    /** The signed address is the credential: whatever page or name it is asked from. */
    signed?: boolean
    /** It may be asked by any name, and says nothing worth one: balancers ask by address. */
    anyHost?: boolean
    /** It sets cookies, which browsers take only when they are told to before and after. */
    cookies?: boolean
  }
}

const securityHeaders = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-site',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
}

/** What every request passes first: its name, the checks of decisions 29, and CORS. */
export function guardEntrance(app: App, { settings, publicUrl }: Pick<AppDeps, 'settings' | 'publicUrl'>): void {
  let closing = false
  app.addHook('preClose', async () => {
    closing = true
  })
  const withCookies = new Set<string | undefined>()
  app.addHook('onRoute', ({ url, config }) => {
    if (config?.cookies) withCookies.add(url)
  })
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(securityHeaders).header('x-request-id', request.id)
    if (closing) throw new Closing()
    if (request.routeOptions.config?.signed) return
    const caution = { publicUrl, corsOrigins: settings.corsOrigins }
    const provenance = provenanceOf(request)
    if (!request.routeOptions.config?.anyHost) checkHost(caution, provenance)
    if (settings.corsOrigins.length > 0) reply.header('vary', 'Origin')
    const allowed = checkOrigin(caution, provenance)
    if (allowed !== null) reply.headers(corsHeaders(allowed, withCookies.has(request.routeOptions.url)))
    if (isPreflight(request)) return await reply.code(204).headers(preflightHeaders()).send()
  })
}

function provenanceOf({ method, protocol, host, headers }: FastifyRequest) {
  return { method, protocol, host, headers }
}

function isPreflight({ method, headers }: FastifyRequest): boolean {
  return method === 'OPTIONS' && headers.origin !== undefined && 'access-control-request-method' in headers
}

/** Asks who it is, on the routes below. */
export function demandIdentity(app: App, identify: Identify): void {
  app.decorateRequest('caller')
  app.addHook('onRequest', async (request) => {
    request.caller = await identify(request.headers.authorization)
  })
}
