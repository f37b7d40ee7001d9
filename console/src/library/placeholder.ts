import { thumbHashToDataURL } from 'thumbhash'

const made = new Map<string, string>()

/** A blurred picture of some bytes, to stand where one is on its way. */
export function placeholderOf(hash: string | null): string | null {
  if (hash === null) return null
  const known = made.get(hash)
  if (known) return known
  try {
    const url = thumbHashToDataURL(Uint8Array.from(atob(hash), (one) => one.charCodeAt(0)))
    made.set(hash, url)
    return url
  } catch {
    return null
  }
}
