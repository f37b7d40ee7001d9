import { MediaError } from '../media/errors.ts'

/** A rendition that consists of many files in a folder of their own, of which the record names the first. */
export interface Stream {
  /** `{media_id}/v{n}/hls` */
  folder: string
  /** The first file: `master.m3u8`. */
  file: string
  /** Where the API serves it, below the media. */
  route: string
}

const kinds: Record<string, { stored: string; route: string }> = {
  hls: { stored: '/hls/master.m3u8', route: 'hls/master.m3u8' },
  'storyboard.vtt': { stored: '/storyboard/storyboard.vtt', route: 'storyboard.vtt' },
}

/** Null for a rendition that is one file. */
export function streamOf(name: string | null, key: string): Stream | null {
  const kind = Object.hasOwn(kinds, name ?? '') ? kinds[name ?? ''] : undefined
  if (!kind) return null
  // A policy for the folder must cover nothing else.
  if (!key.endsWith(kind.stored)) throw new MediaError('internal', `${key} is not where a stream begins`)
  const slash = key.lastIndexOf('/')
  return { folder: key.slice(0, slash), file: key.slice(slash + 1), route: kind.route }
}

/** Seconds that a stream's addresses live at least when nobody says: to play it twice, and pause for an hour. */
export function streamSeconds(duration: number | null): number {
  return Math.ceil(2 * (duration ?? 0)) + 3_600
}
