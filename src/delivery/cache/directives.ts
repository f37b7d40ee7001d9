import { type Fields, listOf, valueOf } from './fields.ts'

/** `Cache-Control` as names and their arguments, without quotes; null where there is none. */
export type Directives = ReadonlyMap<string, string | null>

/** Of a directive that is there twice the first counts. https://www.rfc-editor.org/rfc/rfc9111#section-4.2.1 */
export function directivesOf(fields: Fields): Directives {
  const directives = new Map<string, string | null>()
  for (const member of listOf(valueOf(fields, 'cache-control'))) {
    const equals = member.indexOf('=')
    const name = (equals < 0 ? member : member.slice(0, equals)).toLowerCase()
    if (!directives.has(name)) directives.set(name, equals < 0 ? null : unquoted(member.slice(equals + 1)))
  }
  return directives
}

function unquoted(value: string): string {
  return /^".*"$/s.test(value) ? value.slice(1, -1).replace(/\\(.)/gs, '$1') : value
}

/** Seconds; null when the directive is not there, 0 when what it says is no number: then nothing is to be relied on. */
export function secondsOf(directives: Directives, name: string): number | null {
  const value = directives.get(name)
  if (value === undefined) return null
  return value !== null && /^\d+$/.test(value) ? Number(value) : 0
}

/** Names of fields that an argument lists, `no-cache="set-cookie"`. */
export function fieldNamesOf(argument: string | null | undefined): string[] {
  return listOf(argument ?? '').map((name) => name.toLowerCase())
}
