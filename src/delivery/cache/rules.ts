import { type Directives, directivesOf, fieldNamesOf, secondsOf } from './directives.ts'
import { endToEnd, type Fields, listOf, valueOf, without } from './fields.ts'
import { ageOf, lifetimeOf, saysLifetime, type Timed } from './freshness.ts'

/** What of RFC 9111 a shared cache decides by the fields alone. */

/** Served in an emergency for so long, where nothing says otherwise. Seconds. */
const staleIfError = 86_400
const knownStatuses = new Set([
  ...[200, 203, 204, 300, 301, 302, 303, 307, 308],
  ...[400, 401, 403, 404, 405, 406, 408, 409, 410, 411, 412, 413, 414, 415, 417, 421, 422, 426, 428, 429, 431, 451],
  ...[500, 501, 502, 503, 504, 505],
])

/** Whether the response to a GET may be kept for others. https://www.rfc-editor.org/rfc/rfc9111#section-3 */
export function isStorable(request: Fields, response: Timed): boolean {
  const { status, fields } = response
  const directives = directivesOf(fields)
  // Parts are no whole, and a validation is none of anybody else's.
  if (status < 200 || status === 206 || status === 304) return false
  if (directives.has('must-understand') ? !knownStatuses.has(status) : directives.has('no-store')) return false
  if (directives.has('private') || directivesOf(request).has('no-store')) return false
  if (valueOf(fields, 'vary')?.includes('*')) return false
  if (valueOf(request, 'authorization') !== undefined && !sharesAuthorized(directives)) return false
  return (
    saysLifetime(directives, fields) || directives.has('public') || lifetimeOf(response) > 0 || isValidatable(fields)
  )
}

function sharesAuthorized(directives: Directives): boolean {
  return directives.has('public') || directives.has('must-revalidate') || directives.has('s-maxage')
}

/** Whether the origin can be asked for a change, and for nothing more. */
export function isValidatable(fields: Fields): boolean {
  return valueOf(fields, 'etag') !== undefined || valueOf(fields, 'last-modified') !== undefined
}

/** How a stored response may be used now. */
export type Use = 'fresh' | 'while_revalidating' | 'stale'

/** @param request directives of whoever asks. */
export function useOf(response: Timed, request: Directives, now: number): Use {
  const directives = directivesOf(response.fields)
  const age = ageOf(response, now)
  const lifetime = lifetimeOf(response)
  if (directives.has('no-cache') && directives.get('no-cache') === null) return 'stale'
  if (request.has('no-cache')) return 'stale'
  const wanted = secondsOf(request, 'max-age')
  const margin = secondsOf(request, 'min-fresh') ?? 0
  if (age + margin < lifetime && (wanted === null || age <= wanted)) return 'fresh'
  if (wanted !== null || margin > 0 || forbidsStale(directives)) return 'stale'
  const window = secondsOf(directives, 'stale-while-revalidate') ?? 0
  return age < lifetime + window ? 'while_revalidating' : 'stale'
}

/** Whether it may be served though the origin is out of order. https://www.rfc-editor.org/rfc/rfc5861#section-4 */
export function servesOnError(response: Timed, now: number): boolean {
  const directives = directivesOf(response.fields)
  if (response.status >= 500 || forbidsStale(directives)) return false
  const window = secondsOf(directives, 'stale-if-error') ?? staleIfError
  return ageOf(response, now) < lifetimeOf(response) + window
}

function forbidsStale(directives: Directives): boolean {
  return ['must-revalidate', 'proxy-revalidate', 's-maxage', 'no-cache'].some((name) => directives.has(name))
}

/** The fields to keep: none of the connection's, and none that `no-cache` keeps for the first who asked. */
export function fieldsToStore(fields: Fields): Fields {
  return without(endToEnd(fields), ...fieldNamesOf(directivesOf(fields).get('no-cache')))
}

/** Fields that say what the bytes are; the bytes are as they were. */
const ofTheBytes = ['content-encoding', 'content-length', 'content-md5', 'content-range', 'etag']

/** The stored fields, with what a 304 says anew. https://www.rfc-editor.org/rfc/rfc9111#section-3.2 */
export function updatedFields(stored: Fields, validation: Fields): Fields {
  const fresh = without(fieldsToStore(validation), ...ofTheBytes)
  // An age is of a response: the one before has none any more.
  return [...without(stored, 'age', ...fresh.map(([name]) => name)), ...fresh]
}

/** What of a request the response depends on; null when on more than fields. https://www.rfc-editor.org/rfc/rfc9111#section-4.1 */
export function varyOf(request: Fields, response: Fields): Fields | null {
  const names = listOf(valueOf(response, 'vary')).map((name) => name.toLowerCase())
  if (names.includes('*')) return null
  return names.map((name) => [name, normalized(valueOf(request, name))] as const)
}

export function matchesVary(vary: Fields, request: Fields): boolean {
  return vary.every(([name, value]) => normalized(valueOf(request, name)) === value)
}

/** Spaces around commas mean nothing in any list; a field that is not there is not the same as an empty one. */
function normalized(value: string | undefined): string {
  return value === undefined ? '' : listOf(value).join(',') || ' '
}
