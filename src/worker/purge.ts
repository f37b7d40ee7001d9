import { canForget } from '../cdn/port.ts'
import { isoTime } from '../media/clock.ts'
import type { Erased, ErasureNote } from '../media/erasure.ts'
import { MediaError } from '../media/errors.ts'
import { newJob, over, requeued } from '../media/jobs.ts'
import { parseS3Url, s3Url } from '../media/locations.ts'
import type { MediaRecord } from '../media/record.ts'
import type { Claim } from './claim.ts'
import type { Attempt, Ending } from './ending.ts'
import type { Performing } from './performing.ts'

const tidyAfter = 24 * 3_600_000

/**
 * Removes everything and has the CDN forget it, and once more when the last lease on the media can only be over.
 * Both times the log is told what was removed where, and whether anything was found after it.
 */
export async function purgeMedia(claim: Claim, doing: Performing, { signal }: Attempt): Promise<Ending> {
  const { record, job } = claim
  const { clock, leaseMs, log } = doing
  const { media_id, user_id, deleted_at } = record
  if (deleted_at === null) throw new MediaError('wrong_state', `purge of ${media_id}, which is not deleted`)
  const removed = await removeBytes(record, doing)
  const again = Date.parse(deleted_at) + 2 * leaseMs
  const isLast = clock.now() >= again
  removed.push(await forgetOutputs(record, doing, { reference: `${job.job_id}.${isLast ? 'last' : 'first'}`, signal }))
  const note: ErasureNote = { removed, left: await countLeft(record, doing) }
  const now = clock.now()
  const about = { audit: 'media.erased', media_id, user_id, final: isLast, ...note }
  const after = async () => log.info(about, 'audit: the bytes of a deleted media were removed')
  const event = { at: isoTime(now), data: { ...note } }
  if (!isLast) {
    const events = [{ ...event, type: 'media.erased' as const }]
    return { job: { ...requeued(again), attempts: 0 }, media: { expect: { status: ['deleted'] }, events }, after }
  }
  return {
    job: over,
    media: {
      expect: { status: ['deleted'] },
      patch: { temp_s3_url: null, processed_s3_url: null, thumbnail_s3_url: null, renditions: [] },
      events: [{ ...event, type: 'media.purged' }],
      // A worker that slept past its lease may still write, and die before it takes that back.
      jobs: [{ create: newJob({ media_id, user_id, kind: 'tidy', lane: 'tasks', now, due_at: now + tidyAfter }) }],
    },
    after,
  }
}

async function removeBytes({ media_id, temp_s3_url, upload }: MediaRecord, doing: Performing): Promise<Erased[]> {
  const { objects, processedBucket } = doing
  const removed: Erased[] = []
  const note = (what: Erased['what'], where: string, count: number | null) =>
    removed.push({ what, where, how: 'removed', objects: count })
  if (upload) {
    const ref = parseS3Url(upload.s3_url)
    await objects.abortUpload({ ref, upload_id: upload.upload_id })
    note('parts', upload.s3_url, null)
  }
  // An upload may have been completed and its record not yet told.
  const raw_url = temp_s3_url ?? upload?.s3_url
  if (raw_url) {
    const ref = parseS3Url(raw_url)
    const there = (await objects.head(ref)) !== null
    await objects.remove(ref)
    note('raw', raw_url, there ? 1 : 0)
  }
  // A chunk that was held back until its checksum is known.
  if (upload) {
    const folder = { bucket: parseS3Url(upload.s3_url).bucket, key: `${media_id}/` }
    note('parts', s3Url(folder), await objects.removePrefix(folder.bucket, folder.key))
  }
  const outputs = { bucket: processedBucket, key: `${media_id}/` }
  note('outputs', s3Url(outputs), await objects.removePrefix(outputs.bucket, outputs.key))
  return removed
}

/** After the bytes: it would fetch them again. And both times: what it was fetching the first time may have come after. */
async function forgetOutputs(
  { media_id, renditions, processed_s3_url, thumbnail_s3_url }: MediaRecord,
  { cdn }: Performing,
  order: { reference: string; signal: AbortSignal },
): Promise<Erased> {
  // Edges of our own ask the metadata whether a media is there.
  if (!cdn || !canForget(cdn)) return { what: 'cache', where: 'edges', how: 'refused', objects: null }
  // Addresses are signed only for what the record names, and what it once named it names until the purge is done.
  const wasDelivered = renditions.length > 0 || processed_s3_url !== null || thumbnail_s3_url !== null
  if (wasDelivered) await cdn.forget({ folder: media_id, ...order })
  return { what: 'cdn', where: `/${media_id}/*`, how: 'ordered', objects: wasDelivered ? null : 0 }
}

/** What lies where all was to be gone: a late worker may have written. */
async function countLeft({ media_id, temp_s3_url }: MediaRecord, doing: Performing): Promise<number> {
  const { objects, processedBucket } = doing
  let left = 0
  for await (const _ of objects.list(processedBucket, `${media_id}/`)) left += 1
  if (temp_s3_url !== null && (await objects.head(parseS3Url(temp_s3_url))) !== null) left += 1
  return left
}
