import type { ObjectRef } from '../media/locations.ts'
import type { ObjectStore, StoredObject } from '../objects/port.ts'
import { openLru } from './lru.ts'

/** An object's attributes, and its bytes when they are few. */
export interface Found {
  object: StoredObject
  bytes: Buffer | null
}

export interface SmallFiles {
  /** From memory, at once. */
  find(ref: ObjectRef): Found | undefined
  /** From the store; many who ask for one object at once make one look-up. @throws MediaError `not_found` */
  load(ref: ObjectRef): Promise<Found>
  /** Lets go of all that a media has here. */
  forget(media_id: string): void
}

/** Larger files are streamed; reading one this small costs less than opening a stream for it. Bytes. */
export const smallLimit = 256 * 1024
/** What an entry weighs beyond its bytes, about. */
const overhead = 1_024

/** Attributes of outputs, and small ones whole, in memory. A delivered key never changes, so nothing here grows stale. */
export function openSmallFiles({ objects, memoryBytes }: { objects: ObjectStore; memoryBytes: number }): SmallFiles {
  const kept = openLru<Found>(memoryBytes)
  const loading = new Map<string, Promise<Found>>()

  async function load(ref: ObjectRef): Promise<Found> {
    const { object, body } = await objects.get(ref)
    const bytes = object.size <= smallLimit ? await readAll(body) : await readNone(body)
    const found = { object, bytes }
    kept.set(ref.key, found, overhead + (bytes?.length ?? 0))
    return found
  }

  return {
    find: (ref) => kept.get(ref.key),
    load(ref) {
      const started = loading.get(ref.key)
      if (started) return started
      const found = load(ref).finally(() => loading.delete(ref.key))
      loading.set(ref.key, found)
      return found
    },
    forget: (media_id) => kept.deletePrefix(`${media_id}/`),
  }
}

async function readAll(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Closes what was opened. */
async function readNone(body: AsyncIterable<Uint8Array>): Promise<null> {
  await body[Symbol.asyncIterator]().return?.()
  return null
}
