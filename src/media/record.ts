/**
 * Glossary: one name for a thing, from the API to the table.
 *
 * - media        what a user uploaded, with all that was made of it; named by `media_id`
 * - record       the media's metadata, one row; its wire form is a projection made in `http`
 * - upload       a media on its way in pieces, until it is complete; its record is `uploading`
 * - part         a numbered piece of an upload; all are of one size but the last
 * - door         a way in: form, raw PUT, direct, tus, companion (Uppy)
 * - raw          the bytes as uploaded, in the temporary bucket, until processed
 * - output       a file made from the raw media, in the processed bucket
 * - rendition    an output a client can ask for by name: `720p`, `thumbnail`, `webp-1600`…
 * - job          a piece of work on a media, with a lease; see `jobs.ts`
 * - wake-up      a queue message `{job_id}`: go and look at this job
 * - token        the fencing token of a job: rises by one at each claim, and names the outputs' version
 * - event        a fact about a media, appended to the log in the commit that made it true
 * - tombstone    the record of a deleted media
 */

export const mediaTypes = ['image', 'video', 'audio'] as const
export type MediaType = (typeof mediaTypes)[number]

export const statuses = ['uploading', 'uploaded', 'processing', 'processed', 'failed', 'deleted'] as const
export type Status = (typeof statuses)[number]

export interface Rendition {
  /** `720p`, `thumbnail`, `audio`, `jpeg-1600`, `webp-1600`… */
  name: string
  /** Logical address, `s3://{bucket}/{media_id}/v{n}/{file}`. */
  s3_url: string
  content_type: string
  /** Bytes. */
  file_size: number
  etag: string
  /** Pixels, upright; null for sound. */
  width: number | null
  height: number | null
  /** Bits per second; null for pictures. */
  bitrate: number | null
  /** Seconds; null for pictures. */
  duration: number | null
}

export interface Failure {
  code: string
  /** For the media's owner: what happened and what to do. */
  message: string
}

/** How a media comes in pieces. Kept after it is complete, to tell a repeated request from a new one. */
export interface UploadDetails {
  door: 'direct' | 'tus' | 'companion'
  /** The object store's name for it. */
  upload_id: string
  /** Where the raw bytes will be, `s3://{bucket}/{key}`. */
  s3_url: string
  /** Bytes; null: as large as the first part. */
  part_size: number | null
  /** Bytes, as the sender says; null until he does. */
  file_size: number | null
  /** `sha256:…` as the sender says; the worker holds the bytes against it. */
  checksum: string | null
  /** ISO 8601; what is not complete then is removed. */
  expires_at: string
  /** The sender's `Upload-Metadata`, as it was sent: tus gives it back. */
  metadata: string | null
  /** MD5 of the parts' ETags it was completed with, where the object's ETag does not say it. */
  parts_etag?: string | null
}

export interface MediaRecord {
  /** Shape of this row, for migrations. */
  schema: 1
  media_id: string
  user_id: string
  title: string
  /** As sniffed at the door; corrected by the worker's probe. Of an upload under way as the sender says, null when he does not. */
  media_type: MediaType | null
  /** ISO 8601 with milliseconds, set at creation, never changed. */
  upload_time: string
  status: Status
  temp_s3_url: string | null
  processed_s3_url: string | null
  thumbnail_s3_url: string | null
  /** Of the raw upload, without quotes, computed as S3 does. */
  etag: string | null
  /** Bytes of the raw upload. */
  file_size: number | null
  filename: string | null
  content_type: string | null
  error: Failure | null
  /** Times a worker has claimed the processing job since the upload or the last retry. */
  attempts: number
  /** Rises by one with each commit that patches the record. */
  version: number
  /** True as soon as one rendition can be played or shown. */
  playable: boolean
  /** Pixels of the upright source. */
  width: number | null
  height: number | null
  /** Seconds of the source, measured. */
  duration: number | null
  /** ThumbHash, base64. */
  placeholder: string | null
  /** The colour that most of it has, `#rrggbb`; null where none is known. */
  dominant_color: string | null
  /** Of those that the operator offers, what it is made by; null is the default. */
  profile: string | null
  warnings: string[]
  renditions: Rendition[]
  /** `sha256:…` of the raw bytes, computed by the worker. */
  checksum: string | null
  /** ISO 8601; set on the tombstone. */
  deleted_at: string | null
  /** Null when the bytes came in one request. */
  upload: UploadDetails | null
  /** What the request of the `Idempotency-Key` under which it was made said, as a hash; null without a key. */
  idempotency: string | null
}

/** A record as its owner sees it now: progress is the job's, and changes without a new version. */
export interface MediaView {
  record: MediaRecord
  /** 0–100. */
  progress: number
}

/** Fields a commit may set; identity, order and counters are not among them. */
export type MediaPatch = Partial<Omit<MediaRecord, 'schema' | 'media_id' | 'user_id' | 'upload_time' | 'version'>>

export const eventTypes = [
  'media.created',
  'media.uploaded',
  'media.processing',
  'media.playable',
  'media.processed',
  'media.failed',
  'media.retried',
  'media.updated',
  'media.aborted',
  'media.deleted',
  'media.erased',
  'media.purged',
] as const
export type EventType = (typeof eventTypes)[number]

export interface MediaEvent {
  /** `{media_id}.{seq}`; the same id for the same fact, everywhere. */
  event_id: string
  media_id: string
  user_id: string
  /** 1, 2, 3… within the media, without gaps. */
  seq: number
  type: EventType
  /** ISO 8601 with milliseconds. */
  at: string
  data: Record<string, unknown>
}

/** An event before its commit gives it a place in the log. */
export interface EventDraft {
  type: EventType
  at: string
  data?: Record<string, unknown>
}

export function newRecord(
  given: Pick<MediaRecord, 'media_id' | 'user_id' | 'title' | 'media_type' | 'upload_time' | 'status'> & MediaPatch,
): MediaRecord {
  return {
    schema: 1,
    temp_s3_url: null,
    processed_s3_url: null,
    thumbnail_s3_url: null,
    etag: null,
    file_size: null,
    filename: null,
    content_type: null,
    error: null,
    attempts: 0,
    version: 1,
    playable: false,
    width: null,
    height: null,
    duration: null,
    placeholder: null,
    dominant_color: null,
    profile: null,
    warnings: [],
    renditions: [],
    checksum: null,
    deleted_at: null,
    upload: null,
    idempotency: null,
    ...given,
  }
}

/** What a tombstone keeps: all that the purge needs, and nothing of the sender's. */
export function tombstonePatch({ upload }: Pick<MediaRecord, 'upload'>, deleted_at: string) {
  return {
    status: 'deleted',
    deleted_at,
    title: '',
    filename: null,
    placeholder: null,
    dominant_color: null,
    checksum: null,
    error: null,
    warnings: [],
    upload: upload && { ...upload, metadata: null, checksum: null },
  } as const satisfies Omit<MediaPatch, 'warnings'> & { warnings: [] }
}
