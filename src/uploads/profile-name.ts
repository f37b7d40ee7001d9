import { MediaError } from '../media/errors.ts'

/** What an upload may be made by when the operator offers nothing else. */
export const onlyDefault: readonly string[] = ['default']

/**
 * The profile that an upload names, as it is kept: null for the default.
 * @param offered names, `default` first
 * @throws MediaError `unknown_profile`, which says those that there are
 */
export function checkProfile(said: string | null | undefined, offered: readonly string[] = onlyDefault): string | null {
  const name = said?.trim() ?? ''
  if (name === '' || name === offered[0]) return null
  if (offered.includes(name)) return name
  throw new MediaError('unknown_profile', 'a profile that is not offered', {
    detail: `There is no such profile. There ${offered.length === 1 ? 'is' : 'are'}: ${offered.join(', ')}.`,
  })
}

/** The same of what may be no text. */
export function checkProfileSaid(said: unknown, offered?: readonly string[]): string | null {
  return checkProfile(said === undefined || said === null ? null : String(said).slice(0, 1_000), offered)
}
