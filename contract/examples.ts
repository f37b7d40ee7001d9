import type { Static } from 'typebox'
import type {
  CompanionComplete,
  CompanionCompleteAnswer,
  CompanionFormAnswer,
  CompanionUpload,
  UploadToken,
} from './companion.ts'
import type { Download } from './download.ts'
import type { Erasure } from './erasure.ts'
import type { FeedTicket, MediaEvent } from './feed.ts'
import type { ChangeMedia, Media, Rendition } from './media.ts'
import type { Job, QueueState, Worker } from './operations.ts'
import type { CompleteUpload, InitUpload, SignParts, UploadPlan, UploadState } from './upload.ts'
import type { Delivery } from './webhooks.ts'

/** What the reference shows of each schema, by its title. A test holds each to its schema, and that none is missing. */

const media_id = '550e8400-e29b-41d4-a716-446655440000'
const user_id = '12345'
const at = '2026-05-08T12:00:00.000Z'
const soon = '2026-05-08T13:00:00.000Z'
const outputs = `s3://processed-bucket/${media_id}/v1`
const part = { part_number: 1, etag: '9bb58f26192e4ba00f01e2e7b136bbd8', size: 5_242_880 }
const signed = {
  part_number: 1,
  url: `https://media.example.com/store/temp-bucket/${media_id}.mp4?partNumber=1&X-Amz-Signature=5f0c1e`,
}
const title = 'Mountain Adventure'

const film: Rendition = {
  ...{ name: '720p', s3_url: `${outputs}/720p.mp4`, content_type: 'video/mp4', file_size: 21_403_911 },
  ...{ etag: '0f343b0931126a20f133d67c2b018a3b', width: 1280, height: 720, bitrate: 2_841_000, duration: 60.3 },
}
const media: Media = {
  ...{ media_id, user_id, title, media_type: 'video', upload_time: at, status: 'processed' },
  temp_s3_url: `s3://temp-bucket/${media_id}.mp4`,
  processed_s3_url: film.s3_url,
  thumbnail_s3_url: `${outputs}/thumbnail.jpg`,
  ...{ etag: 'd41d8cd98f00b204e9800998ecf8427e-10', file_size: 52_428_800 },
  media_url: `https://media.example.com/api/media/download/${media_id}`,
  ...{ filename: 'clip.mp4', content_type: 'video/mp4', progress: 100, error: null, attempts: 1, version: 4 },
  ...{ playable: true, width: 1920, height: 1080, duration: 60.3, placeholder: '1QcSHQRnh493V4dIh4eXh1h4kJUI' },
  ...{ dominant_color: '#3f6c8a', profile: null, warnings: [], renditions: [film] },
  checksum: `sha256:${'9f86d081884c7d65'.repeat(4)}`,
}
/** The answer to an upload. */
export const uploaded: Media = {
  ...{
    ...media,
    status: 'uploaded',
    processed_s3_url: null,
    thumbnail_s3_url: null,
    progress: 0,
    attempts: 0,
    version: 1,
  },
  ...{ playable: false, width: null, height: null, duration: null, placeholder: null, dominant_color: null },
  ...{ renditions: [], checksum: null },
}
const event: Static<typeof MediaEvent> = {
  ...{ event_id: `${media_id}.3`, seq: 3, type: 'media.playable', at, data: {} },
}
const delivery: Delivery = {
  ...{ delivery_id: `${media_id}.5.shop`, endpoint_id: 'shop', webhook_id: `${media_id}.5`, media_id, user_id },
  ...{ type: 'media.processed', occurred_at: at, state: 'waiting', attempts: 2, due_at: soon, last_status: 500 },
  ...{ last_error: 'The endpoint answered 500.', created_at: at, replayed_at: null, ended_at: null, expires_at: soon },
}
const job: Job = {
  ...{
    job_id: `${media_id}.process`,
    media_id,
    user_id,
    kind: 'process',
    lane: 'tasks',
    state: 'running',
    attempts: 1,
  },
  ...{ progress: 40, created_at: at, due_at: at, lease_until: soon, worker_id: 'media-1.4711', parked_at: null },
  ...{ fault: null, reason: null },
}
const worker: Worker = {
  ...{ worker_id: 'media-1.4711', started_at: at, seen_at: at, concurrency: 2 },
  jobs: [{ job_id: job.job_id, kind: 'process', progress: 40, seconds: 3.2 }],
}
const lane = { depth: 3, oldest_due_at: at, oldest_due_seconds: 1.4 }
const queue: QueueState = {
  lanes: { tasks: lane, 'tasks-long': { depth: 0, oldest_due_at: null, oldest_due_seconds: 0 } },
  jobs: { held: 0, queued: 3, running: 2, parked: 1 },
}
const plan = { media_id, part_size: 5_242_880, part_count: 10, expires_at: '2026-05-15T12:00:00.000Z' }
const init: InitUpload = { title, filename: 'clip.mp4', content_type: 'video/mp4', file_size: 52_428_800 }
const erased: Erasure['entries'][number] = {
  ...{ at, what: 'outputs', where: `${outputs}/`, how: 'removed', objects: 41 },
}
const erasure: Erasure = {
  ...{ media_id, reason: 'deleted', deleted_at: at, state: 'erased', erased_at: soon, left: 0, entries: [erased] },
}
const download: Download = {
  url: `https://cdn.example.com/${media_id}/v1/720p.mp4?Expires=1778245200&Key-Pair-Id=KD2EQK65VQHRE6&Signature=MEYCIQCy`,
  ...{ expires_at: soon, content_type: 'video/mp4', file_size: film.file_size, filename: `${title}.mp4` },
}
const problem = {
  ...{ type: '/docs/errors#not_found', title: 'Not found', status: 404, code: 'not_found' },
  ...{ detail: 'There is no such media.', request_id: '0b0f5a1c-3f1b-4e0a-9d55-1a3c0f8b7e11' },
}
const unavailable = { status: 503, code: 'unavailable', type: '/docs/errors#unavailable', title: 'Unavailable' }
const checks = { objects: 'ok', metadata: 'ok', queue: 'ok' } as const
const form: Static<typeof CompanionFormAnswer> = {
  ...{ method: 'POST', url: 'https://media.example.com/api/media?upload_token=WyJmb3Jt.x1Zk', expires: 3_600 },
  fields: { key: media_id, title },
}
const place: Static<typeof CompanionCompleteAnswer> = {
  ...{ location: `https://media.example.com/api/media/${media_id}`, bucket: 'temp-bucket', key: media_id },
}
const state: UploadState = { ...plan, file_size: 52_428_800, stored_bytes: part.size, parts: [part] }
const wanted: SignParts = { part_numbers: [3, 4] }
const parts: CompleteUpload = { parts: [{ part_number: part.part_number, etag: part.etag }] }
const begun: UploadPlan = { ...plan, parts: [signed] }
const ticket: FeedTicket = { ticket: 'WyJldmVudHMi.Hk3a', expires_at: soon }
const token: UploadToken = {
  ...{ token: 'WyJjb21w.Pq7c', expires_at: soon },
  companion_endpoint: 'https://media.example.com/companion/WyJjb21w.Pq7c',
}
const change: ChangeMedia = { title: 'Alps' }
const chosen: CompanionUpload = { filename: 'clip.mp4', type: 'video/mp4', metadata: { title } }
const listed: CompanionComplete = { parts: [{ PartNumber: 1, ETag: part.etag }] }

export const examples: Record<string, unknown> = {
  Alive: { status: 'ok' },
  ChangeMedia: change,
  CompanionComplete: listed,
  CompanionCompleteAnswer: place,
  CompanionFormAnswer: form,
  CompanionPartAnswer: { url: signed.url, expires: 3_600 },
  CompanionUpload: chosen,
  CompanionUploadAnswer: { key: media_id, uploadId: media_id },
  CompleteUpload: parts,
  Delivery: delivery,
  DeliveryPage: { items: [delivery], next_cursor: null },
  Download: download,
  Erasure: erasure,
  ErasureEntry: erased,
  FeedTicket: ticket,
  InitUpload: init,
  Job: job,
  JobPage: { items: [job], next_cursor: null },
  Media: media,
  MediaEvent: event,
  MediaPage: { items: [media], next_cursor: null },
  NotReady: { ...problem, ...unavailable, checks: { ...checks, queue: 'failed' } },
  Problem: problem,
  QueueState: queue,
  Ready: { status: 'ready', checks },
  Rendition: film,
  SignParts: wanted,
  SignedParts: { parts: [{ ...signed, part_number: 3 }] },
  Timeline: { items: [event] },
  UploadPlan: begun,
  UploadState: state,
  UploadToken: token,
  Worker: worker,
  WorkerList: { items: [worker] },
}
