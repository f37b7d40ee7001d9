import type { Clock } from '../media/clock.ts'
import { codeOf, MediaError } from '../media/errors.ts'
import type { MediaRecord } from '../media/record.ts'
import type { Metadata } from '../metadata/port.ts'
import { type Part, smallestPart } from '../objects/port.ts'
import { type DirectDoor, urlSeconds } from './direct.ts'
import { fingerprintOf, type Keyed, settleOrMake } from './idempotency.ts'
import { displayName } from './names.ts'
import { type PartName, unquoted } from './part-names.ts'
import type { Pending } from './pending.ts'
import { checkProfileSaid } from './profile-name.ts'
import { titleOf } from './raw.ts'

/** Uploads as Uppy makes them: in parts one after another, of a file whose size nobody tells beforehand. */
export interface CompanionDoor {
  /** @throws MediaError `title_missing`, `invalid_request` for a title that is none, and what `Pending.begin` throws. */
  begin(user_id: string, said: CompanionFile, keyed?: Keyed): Promise<MediaRecord>
  /** Which profile a page names. @throws MediaError `unknown_profile` */
  profile(metadata: Record<string, unknown>): string | null
  /** What the store holds. Of a complete upload each part has the whole's ETag. @throws MediaError `not_found` */
  list(user_id: string, media_id: string): Promise<Part[]>
  /** An address that takes one part; `expires` in seconds. @throws MediaError `not_found`, `wrong_state`, `too_large` */
  sign(user_id: string, media_id: string, part_number: number): Promise<{ url: string; expires: number }>
  /** @throws MediaError what `Pending.finish` throws. */
  complete(user_id: string, media_id: string, parts: readonly PartName[]): Promise<MediaRecord>
  /** @throws MediaError what `Pending.abort` throws. */
  abort(user_id: string, media_id: string): Promise<void>
}

export interface CompanionFile {
  filename: string
  type: string | null
  /** What the page tells of the file: `title`, `name`, `profile`, and more that is passed over. */
  metadata: Record<string, unknown>
}

export interface CompanionPorts {
  pending: Pick<Pending, 'begin'>
  direct: DirectDoor
  metadata: Metadata
  clock: Clock
  /** Bytes of a file, at most. */
  maxBytes: number
  /** That may be named, `default` first. */
  profiles?: readonly string[]
}

export function openCompanionDoor(ports: CompanionPorts): CompanionDoor {
  const { pending, direct, metadata, clock, maxBytes, profiles } = ports
  /** The caller's upload, begun at this door: who may upload here may not touch what came in elsewhere. */
  async function own(user_id: string, media_id: string): Promise<MediaRecord> {
    const record = await metadata.get(media_id)
    if (record?.upload?.door === 'companion' && record.user_id === user_id) return record
    throw new MediaError('not_found', `no upload ${media_id} of ${user_id}`)
  }

  return {
    begin: async (user_id, file, keyed) => {
      const words = { title: titleSaid(file), filename: displayName(file.filename), content_type: file.type }
      const profile = checkProfileSaid(file.metadata.profile, profiles)
      const said = { ...words, ...(profile !== null && { profile }) }
      return await settleOrMake(
        keyed,
        () => fingerprintOf(said),
        async (idempotent) =>
          await pending.begin({ ...said, user_id, door: 'companion', file_size: null, part_size: null, idempotent }),
      )
    },

    profile: (said) => checkProfileSaid(said.profile, profiles),

    list: async (user_id, media_id) => {
      await own(user_id, media_id)
      try {
        return (await direct.state(user_id, media_id)).parts
      } catch (error) {
        if (codeOf(error) !== 'wrong_state') throw error
        // Uppy asks here when the answer to its `complete` was lost: it finds nothing left to send, and completes again.
        return wholeAsParts(await own(user_id, media_id))
      }
    },

    sign: async (user_id, media_id, part_number) => {
      const { upload } = await own(user_id, media_id)
      // All parts but the last are at least this large.
      if ((part_number - 1) * smallestPart >= maxBytes) {
        throw new MediaError('too_large', `part ${part_number} of a file of at most ${maxBytes} bytes`, {
          detail: `A file may have ${maxBytes} bytes here.`,
        })
      }
      const [part] = await direct.sign(user_id, media_id, [part_number])
      if (!part) throw new MediaError('internal', 'no address for a part')
      const left = Math.floor((Date.parse(upload?.expires_at ?? '') - clock.now()) / 1_000)
      return { url: part.url, expires: Math.min(urlSeconds, left) }
    },

    complete: async (user_id, media_id, parts) => {
      const record = await own(user_id, media_id)
      const isWhole = record.status !== 'deleted' && parts.every(({ etag }) => unquoted(etag) === record.etag)
      return isWhole ? record : await direct.complete(user_id, media_id, parts)
    },

    abort: async (user_id, media_id) => {
      await own(user_id, media_id)
      await direct.abort(user_id, media_id)
    },
  }
}

/** The title that the page gives, or the file's name without its ending. */
export function titleSaid({ filename, metadata }: Pick<CompanionFile, 'filename' | 'metadata'>): string {
  const { title, name } = metadata
  if (typeof title === 'string' && title.trim() !== '') return titleOf({ title })
  return titleOf({ filename: typeof name === 'string' && name !== '' ? name : filename })
}

function wholeAsParts({ etag, file_size }: MediaRecord): Part[] {
  const count = Number(/-(\d+)$/.exec(etag ?? '')?.[1] ?? 0)
  const size = Math.ceil((file_size ?? 0) / Math.max(1, count))
  return Array.from({ length: count }, (_, index) => ({ part_number: index + 1, size, etag: etag ?? '' }))
}
