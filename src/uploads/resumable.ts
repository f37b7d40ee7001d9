import type { Clock } from '../media/clock.ts'
import { Closing, codeOf, MediaError } from '../media/errors.ts'
import { parseS3Url } from '../media/locations.ts'
import type { Log } from '../media/log.ts'
import type { MediaRecord, UploadDetails } from '../media/record.ts'
import type { Metadata } from '../metadata/port.ts'
import type { ObjectStore, UploadRef } from '../objects/port.ts'
import { partSizeOf } from './direct.ts'
import { fingerprintOf, type Keyed, type Named, settleOrMake } from './idempotency.ts'
import { displayName } from './names.ts'
import type { Found, Pending } from './pending.ts'
import { titleOf } from './raw.ts'
import { type Chunk, readChunk, verifiedChunk } from './resumable-chunk.ts'
import { openUploadTurns, type Turns } from './turns.ts'

/**
 * Uploads that go on where they were interrupted, byte after byte. tus and the IETF's draft are two languages for it:
 * what one has begun the other can go on with. An upload is complete once its declared size is there, and never said to
 * be before the media is.
 */
export interface Resumable {
  /** Bytes of a file, at most. */
  maxBytes: number
  /** @throws MediaError `title_missing`, `invalid_request`, `unknown_profile`, and what `Pending.begin` throws. */
  begin(given: BeginResumable): Promise<MediaRecord>
  /**
   * Works on the caller's upload while nobody else does; whoever did is sent away, and what came of his is kept.
   * @throws MediaError `not_found`, before anybody is disturbed; `unavailable` when the other does not leave.
   */
  inTurn<T>(user_id: string, media_id: string, work: (turn: AbortSignal) => Promise<T>): Promise<T>
  /**
   * How far the caller's upload is; to be asked in turn. One whose bytes are all there is made a media first.
   * @throws MediaError `not_found`, and what `Pending.finish` throws.
   */
  standing(user_id: string, media_id: string): Promise<Standing>
  /** Notes the size; the standing that comes back knows it. @throws MediaError as `Pending.declareSize` */
  declareSize(standing: Standing, file_size: number): Promise<Standing>
  /**
   * Appends in turn, and makes a media of it when that was the last. When it throws, what came is kept, but for a chunk
   * that is not what its checksum says; an upload that can come to nothing is gone.
   * @throws MediaError `checksum_mismatch`, `too_large`, `unsupported_media`, `upload_interrupted`; the turn's reason.
   */
  append(standing: Standing, chunk: LastChunk): Promise<Standing>
  /** Bytes held durably now, while others write. */
  heldBytes(standing: Standing): Promise<number>
  /** As `Pending.abort`. */
  abort(user_id: string, media_id: string): Promise<void>
  /** Ends what is under way, keeping what came; resolves when nothing is. */
  close(): Promise<void>
}

/** `last`: the upload is complete with it, whatever size it has then. */
export type LastChunk = Chunk & { last?: boolean }

export interface BeginResumable extends ResumableWords {
  user_id: string
  keyed?: Keyed | undefined
}

/** What a sender says of a file. */
export interface ResumableWords {
  title: string | null
  /** The default when none is named. */
  profile?: string | null | undefined
  filename: string | null
  content_type: string | null
  /** `Upload-Metadata`, as sent. */
  metadata: string | null
  /** Bytes, or null. */
  file_size: number | null
}

export interface Standing {
  record: MediaRecord
  details: UploadDetails
  upload: UploadRef
  /** Bytes held durably. */
  offset: number
  /** Bytes of the whole, null while nobody has said. */
  size: number | null
  /** The media is made. */
  complete: boolean
}

export interface ResumablePorts {
  pending: Pending
  metadata: Pick<Metadata, 'get'>
  objects: ObjectStore
  clock: Clock
  log: Log
  /** Bytes of a file, at most. */
  maxBytes: number
  /** Milliseconds for which a sender may be silent. */
  silence?: number
  turns?: Turns
}

/** Bytes of a part where the size does not ask for more: what is read again when an upload goes on. */
const usualPart = 8 * 1024 * 1024
/** The same of uploads whose size is not known: with 10 000 parts, what one may come to. */
const openEndPart = 64 * 1024 * 1024
const usualSilence = 60_000

export function openResumable(ports: ResumablePorts): Resumable {
  const { pending, metadata, objects, clock, log, maxBytes, silence = usualSilence } = ports
  const { turns = openUploadTurns({ clock }) } = ports
  const closing = new AbortController()
  const underWay = new Set<Promise<unknown>>()

  async function own(user_id: string, media_id: string): Promise<{ record: MediaRecord; upload: UploadDetails }> {
    const record = await metadata.get(media_id)
    const { upload } = record ?? {}
    // Parts that came to the store in any order cannot be appended to.
    if (!record || record.user_id !== user_id || upload?.door !== 'tus') throw unknown(media_id)
    return { record, upload }
  }

  async function find(user_id: string, media_id: string): Promise<Standing> {
    const { record, upload } = await own(user_id, media_id)
    if (record.status === 'deleted' && record.error?.code === 'unsupported_media') {
      throw new MediaError('unsupported_media', `upload ${media_id} was no media`)
    }
    if (record.status !== 'uploading') return completeStanding(record, upload)
    if (Date.parse(upload.expires_at) <= clock.now()) throw unknown(media_id)
    return await heldStanding(await pending.find(user_id, media_id))
  }

  async function heldStanding(found: Found): Promise<Standing> {
    const { details, upload } = found
    const open = { ...found, size: details.file_size, complete: false }
    try {
      return { ...open, offset: (await objects.heldOf(upload)).offset }
    } catch (error) {
      // A crash may have come after the parts were made one object and before the record knew it.
      const object = codeOf(error) === 'not_found' ? await objects.head(upload.ref) : null
      if (!object) throw error
      return { ...open, offset: object.size, size: object.size }
    }
  }

  async function finish({ record: { user_id, media_id }, details }: Standing): Promise<Standing> {
    return completeStanding(await pending.finish(user_id, media_id), details)
  }

  /** What can never become a media is not kept until it expires. */
  async function giveUpHopeless({ record, details }: Standing, error: unknown): Promise<void> {
    const code = codeOf(error)
    const hopeless = code === 'unsupported_media' || (code === 'too_large' && details.file_size === null)
    if (!hopeless) return
    const { user_id, media_id } = record
    await pending.abort(user_id, media_id).catch((cause) => {
      log.warn({ media_id, error: cause }, 'an upload that was refused is left to expire')
    })
  }

  async function append(standing: Standing, { checksum, last = false, ...sent }: LastChunk): Promise<Standing> {
    const { record, details, upload, offset } = standing
    const limit = details.file_size ?? maxBytes
    const leave = AbortSignal.any([sent.signal, closing.signal])
    const { source, signal, end } = readChunk({ ...sent, signal: leave }, { offset, clock, silence })
    // Below the media's name, which whoever purges it removes.
    const place = { bucket: upload.ref.bucket, folder: `${record.media_id}/` }
    const appendFrom = async (from: AsyncIterable<Uint8Array>) =>
      await objects.append(upload, from, { offset, limit, signal })
    try {
      const held = checksum
        ? await verifiedChunk(objects, { source, signal, checksum }, { ...place, limit: limit - offset, appendFrom })
        : await appendFrom(source)
      const further = { ...standing, offset: held }
      return last || held === details.file_size ? await finish(further) : further
    } catch (error) {
      await giveUpHopeless(standing, error)
      throw error
    } finally {
      end()
    }
  }

  return {
    maxBytes,

    begin: async ({ user_id, keyed, title: given, ...said }) => {
      const { filename, content_type, file_size, profile, metadata: words } = said
      const title = titleOf({ title: given?.trim() ? given : undefined, filename: filename ?? undefined })
      const part_size = file_size === null ? openEndPart : Math.max(usualPart, partSizeOf(file_size))
      const begin = async (idempotent?: Named) =>
        await pending.begin({
          ...{ user_id, door: 'tus', title, profile, filename, content_type, file_size, part_size },
          ...{ metadata: words, idempotent },
        })
      const shown = displayName(filename)
      const named = { title, ...(profile && { profile }), filename: shown, content_type, file_size }
      return await settleOrMake(keyed, () => fingerprintOf(named), begin)
    },

    inTurn: async (user_id, media_id, work) => {
      await own(user_id, media_id)
      const turn = await turns.take(media_id)
      const task = work(turn.wanted).finally(turn.end)
      underWay.add(task)
      return await task.finally(() => underWay.delete(task))
    },

    standing: async (user_id, media_id) => {
      const standing = await find(user_id, media_id)
      const allHere = !standing.complete && standing.size !== null && standing.offset >= standing.size
      return allHere ? await finish(standing) : standing
    },

    declareSize: async (standing, file_size) => {
      await pending.declareSize(standing, file_size)
      return { ...standing, size: file_size, details: { ...standing.details, file_size } }
    },

    append: async (standing, chunk) => await append(standing, chunk),
    heldBytes: async ({ upload }) => (await objects.heldOf(upload)).offset,
    abort: pending.abort,

    close: async () => {
      closing.abort(new Closing())
      await Promise.allSettled(underWay)
    },
  }
}

function completeStanding(record: MediaRecord, details: UploadDetails): Standing {
  const { media_id, file_size, status } = record
  if (status === 'deleted' || file_size === null) throw unknown(media_id)
  const upload = { ref: parseS3Url(details.s3_url), upload_id: details.upload_id }
  return { record, details, upload, offset: file_size, size: file_size, complete: true }
}

function unknown(media_id: string): MediaError {
  return new MediaError('not_found', `no resumable upload ${media_id} of the caller`)
}
