import { type Clock, isoTime } from '../media/clock.ts'
import { codeOf, MediaError } from '../media/errors.ts'
import { jobIdOf, jobStates, laneFor, newJob, over } from '../media/jobs.ts'
import { parseS3Url, s3Url } from '../media/locations.ts'
import type { Quota } from '../media/quota.ts'
import type { MediaRecord, UploadDetails } from '../media/record.ts'
import { advance } from '../media/states.ts'
import type { Commit, Metadata } from '../metadata/port.ts'
import type { ObjectStore, StoredObject } from '../objects/port.ts'
import { readHead } from './chunks.ts'
import { chosenOf, etagOf, type PartName } from './part-names.ts'
import { type Sniffed, sniff } from './sniff.ts'

/** The steps by which parts become a media. */

export interface FinishPorts {
  metadata: Metadata
  objects: ObjectStore
  clock: Clock
  /** Bytes of a file, at most. */
  maxBytes: number
  /** How much one user may have at all; without it everything. */
  quota?: Quota
}

/** Bytes that say what a file is. */
const headBytes = 64 * 1024

export function checkSize(file_size: number, { maxBytes }: Pick<FinishPorts, 'maxBytes'>): void {
  if (file_size === 0) throw new MediaError('file_empty', 'an upload of no bytes')
  if (file_size <= maxBytes) return
  throw new MediaError('too_large', `${file_size} bytes`, { detail: `A file may have ${maxBytes} bytes here.` })
}

/**
 * Makes what is held one object, if it is what was declared; or finds that this has been done.
 * @param parts in order; all that is held when not given.
 */
export async function assemble(
  ports: FinishPorts,
  { user_id, upload: details }: { user_id: string; upload: UploadDetails },
  parts?: readonly PartName[],
): Promise<StoredObject> {
  const { objects } = ports
  const upload = { ref: parseS3Url(details.s3_url), upload_id: details.upload_id }
  try {
    const held = await objects.heldOf(upload)
    const chosen = parts ? chosenOf(held.parts, parts) : held.parts
    const total = chosen.reduce((sum, { size }) => sum + size, 0)
    checkSize(total, ports)
    checkDeclared(total, details)
    // What was declared has been counted since.
    if (details.file_size === null) await ports.quota?.check(user_id, { media: 0, bytes: total })
    return await objects.completeUpload(upload, chosen)
  } catch (error) {
    if (codeOf(error) !== 'not_found') throw error
    // A crash, or a lost answer, between the store's step and the record's.
    const object = await objects.head(upload.ref)
    if (!object || (parts && !mayBeOf(object, parts))) throw error
    return object
  }
}

/** A bucket that encrypts gives ETags that say no more than the number of parts. */
function mayBeOf({ etag }: StoredObject, parts: readonly PartName[]): boolean {
  return etag === etagOf(parts) || etag.endsWith(`-${parts.length}`)
}

function checkDeclared(total: number, { file_size }: UploadDetails): void {
  if (file_size === null || total === file_size) return
  throw new MediaError('size_mismatch', `${total} of ${file_size} bytes`, {
    detail: `${file_size} bytes were declared and ${total} are stored.`,
  })
}

/** What a stored object is, by its first bytes. @throws MediaError `unsupported_media` */
export async function typeOf(objects: ObjectStore, { ref, size }: StoredObject): Promise<Sniffed> {
  const { body } = await objects.get(ref, { range: { start: 0, end: Math.min(size, headBytes) - 1 } })
  const type = sniff(await readHead(body, headBytes))
  if (!type) throw new MediaError('unsupported_media', `bytes of no type that is taken: ${ref.key}`)
  return type
}

export interface Completion {
  record: MediaRecord
  object: StoredObject
  type: Sniffed
  /** As the sender has named them, in order. */
  parts?: readonly PartName[] | undefined
  /** Whether its job waits for its user's others. */
  held?: boolean
  trace?: string | null | undefined
}

/** `uploading` becomes `uploaded`, with its job, in one commit. */
export async function commitMedia({ metadata, clock }: FinishPorts, completion: Completion): Promise<MediaRecord> {
  const { record, object, type, parts, held = false, trace } = completion
  const { media_id, user_id } = record
  const { media_type, content_type } = type
  const { ref, size, etag } = object
  const now = clock.now()
  const { status, event } = advance('uploading', 'uploaded')
  const patch = { status, media_type, content_type, etag, file_size: size, temp_s3_url: s3Url(ref) }
  const parts_etag = parts ? etagOf(parts) : null
  const upload = record.upload && parts_etag !== null && parts_etag !== etag ? { ...record.upload, parts_etag } : null
  const change: Commit = {
    media_id,
    expect: { status: ['uploading'] },
    patch: { ...patch, ...(upload && { upload }) },
    jobs: [
      { create: newJob({ media_id, user_id, kind: 'process', lane: laneFor(media_type, size), now, held, trace }) },
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

/** @throws MediaError `not_found`, or why it was refused, of an upload given up; `wrong_state` when the media was made of other parts. */
export function answeredBefore(record: MediaRecord, parts?: readonly PartName[]): MediaRecord {
  const { media_id, status, error, etag, upload } = record
  if (status === 'deleted') {
    if (error?.code === 'unsupported_media') throw new MediaError(error.code, `upload ${media_id} was no media`)
    throw new MediaError('not_found', `upload ${media_id} was given up`)
  }
  if (!parts || [etag, upload?.parts_etag ?? etag].includes(etagOf(parts))) return record
  throw new MediaError('wrong_state', `upload ${media_id} was completed with other parts`, {
    detail: 'The upload is complete, with other parts.',
  })
}
