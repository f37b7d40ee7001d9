import { MediaError } from '../media/errors.ts'
import { isLoopback } from './identity.ts'

/**
 * Keeps foreign web pages out. A page can make its visitor's browser call loopback, under a name of its own that
 * resolves there (DNS rebinding: the Host is foreign) or across origins (Origin or Sec-Fetch-Site say so).
 */
export interface Caution {
  publicUrl: () => string
  corsOrigins: readonly string[]
}

/** What a request says of where it comes from. `host` and `protocol` as the client saw them. */
export interface Provenance {
  method: string
  protocol: string
  host: string
  headers: Record<string, string | string[] | undefined>
}

/** @throws MediaError `foreign_host`: the name is neither loopback nor PUBLIC_URL's. */
export function checkHost({ publicUrl }: Pick<Caution, 'publicUrl'>, { host }: Pick<Provenance, 'host'>): void {
  // The port may be another: a forwarded port is still this machine, and rebinding needs a name.
  const name = nameOf(host)
  if (name !== null && (isLoopback(name) || name === URL.parse(publicUrl())?.hostname)) return
  throw new MediaError('foreign_host', `host ${JSON.stringify(host.slice(0, 200))}`)
}

function nameOf(host: string): string | null {
  if (!/^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?$/.test(host)) return null
  return host.replace(/:\d{1,5}$/, '').toLowerCase()
}

/**
 * The origin that may read the answer across origins, or null when the request is not across origins.
 * @throws MediaError `foreign_origin`
 */
export function checkOrigin(caution: Caution, { method, protocol, host, headers }: Provenance): string | null {
  const { origin } = headers
  if (origin === undefined) {
    if (headers['sec-fetch-site'] === 'cross-site' && !isFollowedLink(method, headers)) {
      throw new MediaError('foreign_origin', 'a page of another site, by Sec-Fetch-Site')
    }
    return null
  }
  if (typeof origin === 'string') {
    if (origin === `${protocol}://${host}` || origin === caution.publicUrl()) return null
    if (caution.corsOrigins.includes(origin)) return origin
  }
  throw new MediaError('foreign_origin', `origin ${JSON.stringify(String(origin).slice(0, 200))}`)
}

/**
 * A link somebody clicked on another site, which fills a whole tab: that page learns nothing of the answer, and GET
 * changes nothing. Frames, pictures and scripts of other sites stay out.
 */
function isFollowedLink(method: string, headers: Provenance['headers']): boolean {
  const reads = method === 'GET' || method === 'HEAD'
  return reads && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document'
}

/** Said by requests, and heard in answers, of uploads that are gone on with: tus and IETF drafts. */
const resumable = [
  ...['Upload-Offset', 'Upload-Length', 'Upload-Metadata', 'Upload-Defer-Length', 'Upload-Checksum', 'Upload-Concat'],
  ...['Upload-Complete', 'Upload-Incomplete', 'Upload-Draft-Interop-Version', 'Upload-Limit', 'Tus-Resumable'],
]

/** Headers that a page of an allowed origin may read. */
const exposed = [
  ...['Location', 'ETag', 'Retry-After', 'X-Request-Id', 'Allow', 'Media-Id', 'Idempotency-Replayed'],
  ...['Tus-Version', 'Tus-Extension', 'Tus-Max-Size', 'Tus-Checksum-Algorithm', 'Upload-Expires', 'Accept-Patch'],
  ...resumable,
]

/** Headers that it may send. */
const allowed = [
  ...['Authorization', 'Content-Type', 'Accept', 'Idempotency-Key', 'Last-Event-ID', 'X-HTTP-Method-Override'],
  ...['X-Requested-With', 'X-Request-ID', 'Content-Disposition', 'Uppy-Auth-Token', 'Uppy-Versions'],
  ...resumable,
]

/** The headers of an answer to an allowed origin; without `credentials` a browser takes no cookies from it. */
export function corsHeaders(origin: string, credentials: boolean): Record<string, string> {
  return {
    'access-control-allow-origin': origin,
    ...(credentials ? { 'access-control-allow-credentials': 'true' } : {}),
    'access-control-expose-headers': exposed.join(', '),
  }
}

/** The headers of an answer to a preflight. */
export function preflightHeaders(): Record<string, string> {
  return {
    'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
    'access-control-allow-headers': allowed.join(', '),
    'access-control-max-age': '600',
  }
}

/** The headers of an answer to any page: where the address itself is the credential. */
export const openCorsHeaders = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'ETag, Retry-After, X-Request-Id',
  'cross-origin-resource-policy': 'cross-origin',
} as const

/** The headers of an answer to its preflight. */
export const openPreflightHeaders = {
  ...openCorsHeaders,
  'access-control-allow-methods': 'PUT',
  'access-control-allow-headers': '*',
  'access-control-max-age': '86400',
} as const
