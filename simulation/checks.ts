import assert from 'node:assert/strict'
import { jobIdOf } from '../src/media/jobs.ts'
import { outputPrefix } from '../src/media/locations.ts'
import type { MediaEvent, MediaRecord, Status } from '../src/media/record.ts'
import { advance, type Move } from '../src/media/states.ts'
import { fateOf } from './processor.ts'
import { png } from './samples.ts'
import type { Aftermath } from './scenario.ts'

/** What must hold of every history: nothing acknowledged is lost, nothing happens twice, nothing is left lying. */
export async function checkAftermath(after: Aftermath): Promise<void> {
  for (const { media_id } of after.acknowledged) await checkMedia(media_id, after)
  for (const { media_id } of after.begun) await checkBegun(media_id, after)
  assert.deepEqual(after.denied, [], 'uploads were said not to be there while they were')
  await checkStore(after)
  await checkNothingWaits(after)
}

async function checkMedia(media_id: string, after: Aftermath): Promise<void> {
  const { metadata, removed } = after
  const record = await metadata.get(media_id)
  assert.ok(record, `acknowledged media ${media_id} is lost`)
  assert.equal(record.file_size, png.length, `bytes of ${media_id}`)
  const events = await metadata.timeline(media_id, 0, 1_000)
  checkTimeline(record, events)
  if (removed.has(media_id)) assert.equal(record.status, 'deleted', `${media_id} was removed and is ${record.status}`)
  else if (record.status !== 'deleted') checkOutcome(record)
  checkBytes(record, after)
  const job = await metadata.getJob(jobIdOf(media_id, 'process'))
  assert.ok(job?.state === 'done' || job?.state === 'parked', `job of ${media_id} is ${job?.state}`)
  checkWinner(record, job.token)
}

/** What is processed was so under the job's last token; of what never was, an earlier attempt may have made what can be played. */
function checkWinner({ media_id, status, processed_s3_url: named }: MediaRecord, token: number): void {
  if (named === null) return
  const tokens = status === 'processed' ? [token] : Array.from({ length: token }, (_, at) => at + 1)
  assert.ok(
    tokens.some((one) => named.includes(outputPrefix(media_id, one))),
    `${named} was committed by a late worker: the job went to ${token}`,
  )
}

/** An upload in parts has ended one way or the other, and nobody waits for it any more. */
async function checkBegun(media_id: string, after: Aftermath): Promise<void> {
  const record = await after.metadata.get(media_id)
  assert.ok(record, `begun upload ${media_id} is lost`)
  assert.notEqual(record.status, 'uploading', `${media_id} never came to an end`)
  checkTimeline(record, await after.metadata.timeline(media_id, 0, 1_000))
  checkBytes(record, after)
  if (after.removed.has(media_id)) assert.equal(record.status, 'deleted')
  const job = await after.metadata.getJob(jobIdOf(media_id, 'expire'))
  assert.equal(job?.state, 'done', `the expiry of ${media_id}`)
}

/** What lies in the store belongs to a media, or to nobody who was ever told of it. */
async function checkStore({ objects, metadata }: Aftermath): Promise<void> {
  for (const url of objects.addresses()) {
    const media_id = /^s3:\/\/temp\/([^./]+)/.exec(url)?.[1]
    const record = media_id && (await metadata.get(media_id))
    if (record) assert.equal(url, record.temp_s3_url, `${url} of a media that is ${record.status}`)
  }
}

/** The upload's fate decides; but the last attempt may have met a broken engine, which then says so. */
function checkOutcome(record: MediaRecord): void {
  const { media_id, status, error } = record
  const fate = fateOf(record)
  const bad = { damaged: 'undecodable', poison: 'gave_up', unlucky: 'tool_crashed' }[fate as string]
  const codes = [bad, 'gave_up', 'unavailable']
  if (status === 'failed')
    return assert.ok(codes.includes(error?.code), `${media_id} (${fate}) failed as ${error?.code}`)
  assert.equal(status, 'processed', media_id)
  assert.ok(fate !== 'damaged' && fate !== 'poison', `${media_id} (${fate}) cannot have been processed`)
}

const moveOf: Partial<Record<MediaEvent['type'], Move>> = {
  'media.uploaded': 'uploaded',
  'media.aborted': 'aborted',
  'media.processing': 'claimed',
  'media.processed': 'processed',
  'media.failed': 'failed',
  'media.retried': 'retried',
  'media.deleted': 'deleted',
}

/** Events have no gaps, and replayed they are legal moves that end where the record is. */
function checkTimeline(record: MediaRecord, events: MediaEvent[]): void {
  assert.deepEqual(
    events.map((event) => event.event_id),
    events.map((_, index) => `${record.media_id}.${index + 1}`),
  )
  let status: Status = 'uploading'
  for (const { type } of events) {
    const move = moveOf[type]
    if (move) status = advance(status, move).status
  }
  assert.equal(status, record.status)
  const uploaded = events.filter((event) => event.type === 'media.uploaded')
  assert.ok(uploaded.length <= 1, `${record.media_id} was uploaded ${uploaded.length} times`)
  const processed = events.filter((event) => event.type === 'media.processed')
  assert.ok(processed.length <= 1, `${record.media_id} was processed ${processed.length} times`)
}

/** Of a deleted media no byte stays; of others raw, and the version that the record names: a failed one may have none. */
function checkBytes(record: MediaRecord, { objects }: Aftermath): void {
  const { media_id, status, processed_s3_url, thumbnail_s3_url, temp_s3_url } = record
  const found = objects.addresses().filter((url) => url.includes(media_id))
  const expected: Partial<Record<Status, (string | null)[]>> = {
    deleted: [],
    processed: [temp_s3_url, processed_s3_url, thumbnail_s3_url],
    failed: [temp_s3_url, processed_s3_url, thumbnail_s3_url].filter((url) => url !== null),
  }
  assert.deepEqual(found.sort(), (expected[status] ?? []).sort(), `bytes of ${media_id}, which is ${status}`)
}

async function checkNothingWaits({ metadata, queue, now }: Aftermath): Promise<void> {
  const { held, queued, running } = await metadata.countJobs()
  const due = await metadata.dueJobs(now + 365 * 86_400_000, 100)
  assert.deepEqual({ held, queued, running }, { held: 0, queued: 0, running: 0 }, JSON.stringify(due))
  assert.deepEqual(await queue.depth(), { tasks: 0, 'tasks-long': 0 })
}
