import type { Clock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import type { ObjectRef } from '../media/locations.ts'
import type { ObjectStore } from '../objects/port.ts'
import { openLru } from './lru.ts'

/** Whether an object may still be delivered; what it says is at most a second old. */
export interface Presence {
  /** Known to be there less than a second ago. */
  isFresh(file: DeliveredFile): boolean
  /** @throws MediaError `not_found` when the media is deleted, or the object gone. */
  check(file: DeliveredFile): Promise<void>
  forget(media_id: string): void
}

export interface DeliveredFile {
  media_id: string
  ref: ObjectRef
}

interface PresenceOptions {
  clock: Clock
  objects: ObjectStore
  /** Whether a media is deleted, asked of its record. Without it the object itself is looked for. */
  isDeleted: ((media_id: string) => Promise<boolean>) | undefined
}

/** Milliseconds. A deleted media must have ended within five seconds: ask, then cut. */
export const presenceLasts = 1_000
const rememberedMedia = 20_000

export function openPresence({ clock, objects, isDeleted }: PresenceOptions): Presence {
  const seen = openLru<number>(rememberedMedia)
  // The record speaks for all files of a media; without it each file speaks for itself.
  const nameOf = ({ media_id, ref }: DeliveredFile) => (isDeleted ? media_id : ref.key)

  return {
    isFresh(file) {
      const at = seen.get(nameOf(file))
      return at !== undefined && Math.abs(clock.now() - at) < presenceLasts
    },
    async check(file) {
      const asked = clock.now()
      const gone = isDeleted ? await isDeleted(file.media_id) : (await objects.head(file.ref)) === null
      if (gone) throw new MediaError('not_found', `${file.ref.key} is gone`)
      seen.set(nameOf(file), asked, 1)
    },
    forget: (media_id) => seen.delete(media_id),
  }
}
