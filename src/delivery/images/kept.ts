import { createReadStream } from 'node:fs'
import type { Clock } from '../../media/clock.ts'
import type { StoredObject } from '../../objects/port.ts'
import type { Entry, Storage } from '../cache/storage.ts'

/** What is to be kept: a file of this disk, or bytes that come. */
export type Kept = { key: string; content_type: string; etag: string; size: number } & (
  | { path: string }
  | { body: AsyncIterable<Uint8Array> }
)

/** Resolves when it is whole on disk. */
export async function keepImage(given: { storage: Storage; clock: Clock; kept: Kept }): Promise<Entry> {
  const { storage, clock, kept } = given
  const { key, size, content_type, etag } = kept
  const now = clock.now()
  const fields: Entry['fields'] = [
    ['etag', etag],
    ['content-type', content_type],
  ]
  const about = { key, vary: [], status: 200, fields, requested_at: now, responded_at: now, size }
  const body = 'path' in kept ? createReadStream(kept.path, { highWaterMark: 256 * 1024 }) : kept.body
  const entry = storage.keep(about, body, storage.find(key)[0] ?? null)
  await entry.fill?.done
  return entry
}

/** As an object of a store is told of. */
export function objectOf({ fields, size, responded_at }: Entry): Omit<StoredObject, 'ref'> {
  const named = (name: string) => fields.find(([one]) => one === name)?.[1] ?? ''
  return {
    etag: named('etag'),
    content_type: named('content-type'),
    size: size ?? 0,
    last_modified: Math.floor(responded_at / 1_000) * 1_000,
  }
}
