import type { MediaClient } from '../client/src/client.ts'
import type { Media } from '../client/src/contract.ts'

/** Follows a media to its end. @param onChange is given the record each time that it changes @returns the last one */
export async function follow(
  client: MediaClient,
  media_id: string,
  { signal, onChange }: { signal: AbortSignal; onChange: (media: Media) => void },
): Promise<Media> {
  let last: Media | undefined
  for await (const media of client.watch(media_id, { signal })) {
    last = media
    onChange(media)
  }
  // It ended before the first word of it: the record says how.
  return last ?? (await client.get(media_id, { signal }))
}

/** Works on all, so many at once, in order; the first that throws ends it, after those under way. */
export async function eachOf<T>(items: Iterable<T>, atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const rest = items[Symbol.iterator]()
  let failed = false
  const lane = async () => {
    for (let next = rest.next(); !next.done && !failed; next = rest.next()) {
      await work(next.value).catch((error) => {
        failed = true
        throw error
      })
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: atOnce }, lane))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}
