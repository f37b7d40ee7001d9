import { parseHttpDate } from '../conditions.ts'
import { type Directives, directivesOf, secondsOf } from './directives.ts'
import { type Fields, valueOf } from './fields.ts'

/** A response as it came, with the times around it: milliseconds since the epoch. */
export interface Timed {
  status: number
  fields: Fields
  requested_at: number
  responded_at: number
}

/** Statuses whose responses may be kept though they say nothing of it. https://www.rfc-editor.org/rfc/rfc9110#section-15.1 */
const heuristicStatuses = new Set([200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501])
/** A tenth of its age, and a day at most. */
const heuristicShare = 0.1
const heuristicLimit = 86_400

/** For how many seconds a response is fresh in a shared cache. https://www.rfc-editor.org/rfc/rfc9111#section-4.2.1 */
export function lifetimeOf(response: Timed): number {
  const { status, fields, responded_at } = response
  const directives = directivesOf(fields)
  const said = secondsOf(directives, 's-maxage') ?? secondsOf(directives, 'max-age')
  if (said !== null) return said
  const date = dateOf(fields) ?? responded_at
  const expires = valueOf(fields, 'expires')
  if (expires !== undefined) return Math.max(0, ((parseHttpDate(expires) ?? 0) - date) / 1_000)
  if (!heuristicStatuses.has(status) && !directives.has('public')) return 0
  const modified = parseHttpDate(valueOf(fields, 'last-modified'))
  return modified === null ? 0 : Math.min(heuristicLimit, Math.max(0, ((date - modified) / 1_000) * heuristicShare))
}

/** Whether anything says how long it lives. */
export function saysLifetime(directives: Directives, fields: Fields): boolean {
  return directives.has('s-maxage') || directives.has('max-age') || valueOf(fields, 'expires') !== undefined
}

/** How old a response is, in seconds. https://www.rfc-editor.org/rfc/rfc9111#section-4.2.3 */
export function ageOf({ fields, requested_at, responded_at }: Timed, now: number): number {
  const apparent = Math.max(0, responded_at - (dateOf(fields) ?? responded_at))
  const said = saidAge(fields) * 1_000 + (responded_at - requested_at)
  return (Math.max(apparent, said) + now - responded_at) / 1_000
}

/** Seconds; an `Age` that cannot be read is taken for old: who sends one has kept it for a while. */
function saidAge(fields: Fields): number {
  const value = valueOf(fields, 'age')
  if (value === undefined) return 0
  return /^\d+$/.test(value) ? Number(value) : Number.MAX_SAFE_INTEGER / 1_000_000
}

function dateOf(fields: Fields): number | null {
  return parseHttpDate(valueOf(fields, 'date'))
}
