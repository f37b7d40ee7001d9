import type { Download } from '../../../client/src/index.ts'
import { client, noteError } from './session.ts'

/** Signed addresses, kept while they are good: a grid asks for the same thumbnails again and again. */

interface Kept {
  until: number
  link: Promise<Download>
  /** Once it is there. */
  url: string | null
}

const kept = new Map<string, Kept>()
const most = 2_000
/** Milliseconds before its end from which an address is not handed out any more. */
const margin = 5 * 60_000
/** At once, so that nothing else waits for a hundred of them. */
const atOnce = 4
let running = 0
const waiting: (() => void)[] = []

/** @param version of the record: a new one may have other renditions under the same names */
export async function linkOf(media_id: string, rendition: string, version: number): Promise<string> {
  const key = `${media_id} ${rendition} ${version}`
  const found = kept.get(key)
  if (found && found.until > Date.now()) return (await found.link).url
  const one: Kept = {
    until: Number.POSITIVE_INFINITY,
    link: inTurn(() => client.downloadUrl(media_id, { rendition })),
    url: null,
  }
  kept.set(key, one)
  for (const oldest of kept.keys()) if (kept.size > most) kept.delete(oldest)
  try {
    const { url, expires_at } = await one.link
    one.until = Date.parse(expires_at) - margin
    one.url = url
    return url
  } catch (error) {
    kept.delete(key)
    noteError(error)
    throw error
  }
}

/** The address when it is at hand, so that what was shown before is there at once. */
export function knownLink(media_id: string, rendition: string, version: number): string | null {
  const found = kept.get(`${media_id} ${rendition} ${version}`)
  return found && found.until > Date.now() ? found.url : null
}

export function forgetLinks(): void {
  kept.clear()
}

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (running >= atOnce) await new Promise<void>((resolve) => waiting.push(resolve))
  running += 1
  try {
    return await work()
  } finally {
    running -= 1
    // The newest first: it is what is looked at now.
    waiting.pop()?.()
  }
}
