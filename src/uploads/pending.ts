import { createHash } from 'node:crypto'
import { type Chance, type Clock, isoTime } from '../media/clock.ts'
import { codeOf, MediaError } from '../media/errors.ts'
import { jobIdOf, jobStates, laneFor, newJob, over } from '../media/jobs.ts'
import { parseS3Url, s3Url } from '../media/locations.ts'
import type { Log } from '../media/log.ts'
import { type MediaRecord, newRecord, tombstonePatch, type UploadDetails } from '../media/record.ts'
import { advance } from '../media/states.ts'
import type { Commit, Metadata } from '../metadata/port.ts'
import type { ObjectStore, Part, StoredObject, UploadRef } from '../objects/port.ts'
import { type Queue, wake } from '../queue/port.ts'
import { readHead } from './chunks.ts'
import { guessType } from './guess.ts'
import { displayName } from './names.ts'
import { type Sniffed, sniff } from './sniff.ts'

/** Uploads that come in pieces, whatever the door: begun, gone on with, made a media or given up. */
export interface Pending {
  /**
   * Makes the record (`uploading`) and its place in the store; both are durable when this resolves.
   * @throws MediaError `file_empty`, `too_large`, `unsupported_media` for a type that is said and never taken.
   */
  begin(given: Begin): Promise<MediaRecord>
  /**
   * The caller's upload, under way.
   * @throws MediaError `not_found` for an unknown, foreign, deleted one; `wrong_state` when it is complete.
   */
  find(user_id: string, media_id: string): Promise<Found>
  /** Notes the size that a sender left open. @throws MediaError `size_mismatch` when another is known, `too_large` */
  declareSize(found: Found, file_size: number): Promise<void>
  /**
   * Makes a media of what the store holds. Called again, or after its answer was lost, it answers the same media.
   * @param parts what the sender believes is held; whatever is held when not given.
   * @throws MediaError `not_found`, `invalid_parts`, `size_mismatch`: then the upload goes on; `unsupported_media`: then it is gone.
   */
  finish(user_id: string, media_id: string, parts?: readonly PartName[]): Promise<MediaRecord>
  /** Gives the upload up: its parts are gone when this resolves. Again: nothing. @throws MediaError `not_found`, `wrong_state` */
  abort(user_id: string, media_id: string): Promise<void>
}

export type PartName = Pick<Part, 'part_number' | 'etag'>

export interface Begin {
  user_id: string
  door: UploadDetails['door']
  title: string
  filename: string | null
  /** As the sender says; null when he does not. */
  content_type: string | null
  /** Bytes; null when the sender does not say yet. */
  file_size: number | null
  /** Bytes; null: as the first part's. */
  part_size: number | null
  checksum?: string | null | undefined
  metadata?: string | null | undefined
  /** Under which it is made, when the sender gave a key. */
  idempotent?: { media_id: string; fingerprint: string } | undefined
}

export interface Found {
  record: MediaRecord
  details: UploadDetails
  upload: UploadRef
}

export interface PendingPorts {
  metadata: Metadata
  objects: ObjectStore
  queue: Queue
  clock: Clock
  chance: Chance
  log: Log
  /** Bucket of raw bytes. */
  tempBucket: string
  /** Bytes of a file, at most. */
  maxBytes: number
  /** How long an upload may take. */
  expirySeconds: number
}

/** Bytes that say what a file is. */
const headBytes = 64 * 1024
const purgeLane = 'tasks'

export function openPending(ports: PendingPorts): Pending {
  const { metadata, objects, queue, clock, chance, log, tempBucket, maxBytes, expirySeconds } = ports

  async function own(user_id: string, media_id: string): Promise<MediaRecord & { upload: UploadDetails }> {
    const record = await metadata.get(media_id)
    const { upload } = record ?? {}
    if (!record || !upload || record.user_id !== user_id) {
      throw new MediaError('not_found', `no upload ${media_id} of ${user_id}`)
    }
    return { ...record, upload }
  }

  function checkSize(file_size: number): void {
    if (file_size === 0) throw new MediaError('file_empty', 'an upload of no bytes')
    if (file_size <= maxBytes) return
    throw new MediaError('too_large', `declared ${file_size} bytes`, {
      detail: `A file may have ${maxBytes} bytes here.`,
    })
  }

  async function makeMedia(record: MediaRecord, details: UploadDetails, parts?: readonly PartName[]) {
    const object = await assemble(ports, details, parts)
    const type = await typeOf(objects, object)
    if (!type) {
      await giveUp(record, 'unsupported_media')
      throw refusedType()
    }
    const completed = await commitMedia(ports, { record, object, type })
    await wake(queue, { job_id: jobIdOf(record.media_id, 'process'), lane: laneFor(type.media_type, object.size) }, log)
    return completed
  }

  /** A tombstone; the parts go at once, and again by the purge job. `reason` is what a later `finish` answers. */
  async function giveUp(record: MediaRecord & { upload?: UploadDetails | null }, reason: string): Promise<void> {
    const { media_id, user_id, upload } = record
    const now = clock.now()
    const at = isoTime(now)
    const { event } = advance(record.status, 'aborted')
    const error = reason === 'unsupported_media' ? { code: reason, message: 'This is no image, video or sound.' } : null
    await metadata.commit({
      media_id,
      expect: { status: ['uploading'] },
      patch: { ...tombstonePatch(at), error },
      jobs: [
        { job_id: jobIdOf(media_id, 'expire'), expect: { states: jobStates }, patch: over },
        { create: newJob({ media_id, user_id, kind: 'purge', lane: purgeLane, now }) },
      ],
      events: [{ type: event, at, data: { reason } }],
    })
    const remove = async () => {
      if (!upload) return
      await objects.abortUpload(refOf(upload))
      await objects.remove(parseS3Url(upload.s3_url))
    }
    await remove().catch((error) => log.warn({ media_id, error }, 'parts of a given-up upload left to the purge'))
    await wake(queue, { job_id: jobIdOf(media_id, 'purge'), lane: purgeLane }, log)
  }

  return {
    begin: async (given) => {
      const { content_type, file_size } = given
      if (file_size !== null) checkSize(file_size)
      const filename = displayName(given.filename)
      const guess = guessType({ content_type, filename })
      if (guess === 'refused') throw refusedType()
      const media_id = given.idempotent?.media_id ?? chance.uuid()
      const ref = { bucket: tempBucket, key: guess ? `${media_id}.${guess.extension}` : media_id }
      const { upload_id } = await objects.beginUpload(ref, {
        content_type: guess?.content_type ?? 'application/octet-stream',
        part_size: given.part_size,
      })
      const now = clock.now()
      const expires = now + expirySeconds * 1_000
      const details: UploadDetails = {
        door: given.door,
        upload_id,
        s3_url: s3Url(ref),
        part_size: given.part_size,
        file_size,
        checksum: given.checksum ?? null,
        expires_at: isoTime(expires),
        metadata: given.metadata ?? null,
      }
      const change = beginCommit({ ...given, filename }, { media_id, guess, details, now, expires })
      try {
        return (await metadata.commit(change)).record
      } catch (error) {
        const found = await metadata.get(media_id).catch(() => 'unknown' as const)
        if (found !== 'unknown' && found?.upload?.upload_id === upload_id) return found
        // Unknown: the lifecycle removes it, should there be no record.
        if (found !== 'unknown') await objects.abortUpload({ ref, upload_id }).catch(() => {})
        throw error
      }
    },

    find: async (user_id, media_id) => {
      const record = await own(user_id, media_id)
      if (record.status === 'deleted') throw new MediaError('not_found', `upload ${media_id} was given up`)
      if (record.status !== 'uploading') {
        throw new MediaError('wrong_state', `upload ${media_id} is complete`, { detail: 'The upload is complete.' })
      }
      return { record, details: record.upload, upload: refOf(record.upload) }
    },

    declareSize: async ({ record, details }, file_size) => {
      if (details.file_size === file_size) return
      if (details.file_size !== null) {
        throw new MediaError('size_mismatch', `${details.file_size} bytes were declared, and now ${file_size}`)
      }
      checkSize(file_size)
      const { media_id, version } = record
      await metadata.commit({ media_id, expect: { version }, patch: { upload: { ...details, file_size } } })
    },

    finish: async (user_id, media_id, parts) => {
      const record = await own(user_id, media_id)
      if (record.status === 'deleted') {
        if (record.error?.code === 'unsupported_media') throw refusedType()
        throw new MediaError('not_found', `upload ${media_id} was given up`)
      }
      if (record.status !== 'uploading') return answeredBefore(record, parts)
      try {
        return await makeMedia(record, record.upload, parts)
      } catch (error) {
        // Somebody else has finished it, or given it up, at the same time.
        if (codeOf(error) !== 'conflict' && codeOf(error) !== 'not_found') throw error
        const found = await own(user_id, media_id)
        if (found.status === 'uploading' || found.status === 'deleted') throw error
        return answeredBefore(found, parts)
      }
    },

    abort: async (user_id, media_id) => {
      const record = await own(user_id, media_id)
      if (record.status === 'deleted') return
      if (record.status !== 'uploading') {
        const detail = 'The upload is complete. Remove the media with DELETE /api/media/{media_id}.'
        throw new MediaError('wrong_state', `upload ${media_id} is complete`, { detail })
      }
      try {
        await giveUp(record, 'sender')
      } catch (error) {
        const found = codeOf(error) === 'conflict' ? await metadata.get(media_id) : null
        if (found?.status !== 'deleted') throw error
      }
    },
  }
}

function refOf({ s3_url, upload_id }: UploadDetails): UploadRef {
  return { ref: parseS3Url(s3_url), upload_id }
}

function refusedType(): MediaError {
  return new MediaError('unsupported_media', 'bytes of no type that is taken')
}

/** Makes what is held one object, if it is what was declared; or finds that this has been done. */
async function assemble(ports: PendingPorts, details: UploadDetails, parts?: readonly PartName[]) {
  const { objects } = ports
  const upload = refOf(details)
  try {
    const held = await objects.heldOf(upload)
    const named = parts?.map(({ part_number, etag }) => ({ part_number, etag: unquoted(etag) }))
    const chosen = named ? chosenOf(held.parts, named) : held.parts
    checkTotal(
      chosen.reduce((sum, { size }) => sum + size, 0),
      details,
      ports,
    )
    return await objects.completeUpload(upload, chosen)
  } catch (error) {
    if (codeOf(error) !== 'not_found') throw error
    // A crash, or a lost answer, between the store's step and the record's.
    const object = await objects.head(upload.ref)
    if (!object || (parts && object.etag !== etagOf(parts))) throw error
    return object
  }
}

/** The named parts, as they are held. @throws MediaError `invalid_parts` naming the first that is not. */
function chosenOf(held: readonly Part[], named: readonly PartName[]): Part[] {
  const byNumber = new Map(held.map((part) => [part.part_number, part]))
  const sorted = named.toSorted((a, b) => a.part_number - b.part_number)
  return sorted.map(({ part_number, etag }, index) => {
    const part = byNumber.get(part_number)
    if (part_number === index + 1 && part?.etag === etag) return part
    throw new MediaError('invalid_parts', `part ${part_number} is ${part?.etag ?? 'missing'}, named as ${etag}`, {
      detail:
        part_number === index + 1
          ? `Part ${part_number} ${part ? 'has another ETag' : 'is not stored'}.`
          : `Parts are numbered from 1 without a gap; part ${index + 1} is not named once.`,
    })
  })
}

function checkTotal(total: number, { file_size }: UploadDetails, { maxBytes }: Pick<PendingPorts, 'maxBytes'>): void {
  if (total === 0) throw new MediaError('file_empty', 'an upload of no bytes')
  if (file_size !== null && total !== file_size) {
    throw new MediaError('size_mismatch', `${total} of ${file_size} bytes`, {
      detail: `${file_size} bytes were declared and ${total} are stored.`,
    })
  }
  if (total > maxBytes)
    throw new MediaError('too_large', `${total} bytes`, { detail: `A file may have ${maxBytes} bytes here.` })
}

/** The type of a stored object, from its head. */
async function typeOf(objects: ObjectStore, { ref, size }: StoredObject): Promise<Sniffed | null> {
  const { body } = await objects.get(ref, { range: { start: 0, end: Math.min(size, headBytes) - 1 } })
  return sniff(await readHead(body, headBytes))
}

interface Birth {
  media_id: string
  guess: Sniffed | null
  details: UploadDetails
  now: number
  expires: number
}

/** The record of an upload that begins, and the job that ends it when nobody does. */
function beginCommit(given: Begin, { media_id, guess, details, now, expires }: Birth): Commit {
  const { user_id, title, filename, door } = given
  const at = isoTime(now)
  const expiry = newJob({ media_id, user_id, kind: 'expire', lane: 'tasks', now, due_at: expires })
  return {
    media_id,
    expect: { absent: true },
    create: newRecord({
      ...{ media_id, user_id, title, filename, upload_time: at, status: 'uploading' },
      media_type: guess?.media_type ?? null,
      upload: details,
      idempotency: given.idempotent?.fingerprint ?? null,
    }),
    jobs: [{ create: expiry }],
    events: [{ type: 'media.created', at, data: { door } }],
  }
}

interface Completion {
  record: MediaRecord
  object: StoredObject
  type: Sniffed
}

/** `uploading` becomes `uploaded`, with its job, in one commit. */
async function commitMedia(
  { metadata, clock }: PendingPorts,
  { record, object, type }: Completion,
): Promise<MediaRecord> {
  const { media_id, user_id } = record
  const { media_type, content_type } = type
  const { ref, size, etag } = object
  const now = clock.now()
  const { status, event } = advance('uploading', 'uploaded')
  const patch = { status, media_type, content_type, etag, file_size: size, temp_s3_url: s3Url(ref) }
  const change: Commit = {
    media_id,
    expect: { status: ['uploading'] },
    patch,
    jobs: [
      { create: newJob({ media_id, user_id, kind: 'process', lane: laneFor(media_type, size), now }) },
      { job_id: jobIdOf(media_id, 'expire'), expect: { states: jobStates }, patch: over },
    ],
    events: [{ type: event, at: isoTime(now) }],
  }
  try {
    return (await metadata.commit(change)).record
  } catch (error) {
    const found = codeOf(error) === 'conflict' ? null : await metadata.get(media_id).catch(() => null)
    // The commit held, and its answer was lost.
    if (found?.temp_s3_url === patch.temp_s3_url && found.status !== 'deleted') return found
    throw error
  }
}

/** @throws MediaError `wrong_state` when the media was made of other parts. */
function answeredBefore(record: MediaRecord, parts?: readonly PartName[]): MediaRecord {
  if (!parts || record.etag === etagOf(parts)) return record
  throw new MediaError('wrong_state', `upload ${record.media_id} was completed with other parts`, {
    detail: 'The upload is complete, with other parts.',
  })
}

/** S3's ETag of an object in parts: the MD5 of their MD5s. */
export function etagOf(parts: readonly PartName[]): string {
  const hash = createHash('md5')
  for (const { etag } of parts) hash.update(Buffer.from(unquoted(etag), 'hex'))
  return `${hash.digest('hex')}-${parts.length}`
}

export function unquoted(etag: string): string {
  return etag.replace(/^"(.*)"$/, '$1')
}
