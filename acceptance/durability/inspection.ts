import assert from 'node:assert/strict'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { openStore } from '../../src/embedded/store.ts'
import { systemChance, systemClock } from '../../src/media/clock.ts'
import { codeOf } from '../../src/media/errors.ts'
import { parseS3Url } from '../../src/media/locations.ts'
import { silentLog } from '../../src/media/log.ts'
import type { MediaRecord } from '../../src/media/record.ts'
import { openEmbeddedMetadata } from '../../src/metadata/embedded.ts'
import type { Metadata } from '../../src/metadata/port.ts'
import { openFilesystemObjects } from '../../src/objects/filesystem.ts'
import type { Held, ObjectStore, UploadRef } from '../../src/objects/port.ts'
import { openEmbeddedQueue } from '../../src/queue/embedded.ts'
import { openPending, type Pending } from '../../src/uploads/pending.ts'
import { md5, type Played, partSize, type Sent } from './senders.ts'

interface Rooms {
  metadata: Metadata
  objects: ObjectStore
  pending: Pending
}

/**
 * Opens what a run left, as the next start would. What was acknowledged is there, what is under way goes on to become
 * what was sent, and nothing stays but what the lifecycle removes.
 */
export async function inspectPieces(folder: string, { sent }: Played): Promise<void> {
  const data = join(folder, 'data')
  const store = await openStore({ path: join(data, 'metadata.db') })
  const metadata = openEmbeddedMetadata(store)
  const root = join(data, 'objects')
  const clock = systemClock
  const objects = await openFilesystemObjects({ root, clock })
  const ports = { metadata, objects, queue: openEmbeddedQueue(store, { clock }), clock, chance: systemChance }
  const limits = { tempBucket: 'temp', maxBytes: 1_000_000_000, expirySeconds: 3_600 }
  const rooms = { metadata, objects, pending: openPending({ ...ports, ...limits, log: silentLog }) }
  try {
    const { items } = await metadata.list({ user_id: 'ada', limit: 100 })
    for (const upload of sent) await inspectOne(rooms, upload, items)
    const soon = systemClock.now() + 60_000
    for await (const _ of objects.expire('temp', { doneBefore: soon, anyBefore: soon })) {
      // what it removes is looked at below
    }
    for (const left of ['temp', '.uploads', '.staging']) {
      assert.deepEqual(await readdir(join(root, left)).catch(() => []), [], `${left} is empty`)
    }
  } finally {
    await objects.close()
    await metadata.close()
    await store.close()
    await rm(folder, { recursive: true })
  }
}

async function inspectOne(rooms: Rooms, sent: Sent, listed: readonly MediaRecord[]): Promise<void> {
  const found = sent.media_id
    ? await rooms.metadata.get(sent.media_id)
    : (listed.find(({ title }) => title === sent.title) ?? null)
  if (!found) return assert.equal(sent.media_id, null, `${sent.title} is lost`)
  const { status } = found
  if (sent.removal === 'acknowledged') assert.equal(status, 'deleted')
  if (sent.completion === 'acknowledged') assert.equal(status, 'uploaded')
  if (status === 'deleted') {
    assert.notEqual(sent.removal, 'none', `${sent.title} was given up by nobody`)
    await assertJobs(rooms, found, { expire: 'done', purge: 'queued' })
    return
  }
  if (status === 'uploading') await goOn(rooms, sent, found)
  await assertMedia(rooms, sent, found.media_id)
}

/** What is held is what was acknowledged at least; the rest is sent, and it becomes the media, however often asked. */
async function goOn({ metadata, objects, pending }: Rooms, sent: Sent, { media_id, upload }: MediaRecord) {
  await assertJobs({ metadata }, { media_id }, { expire: 'queued' })
  assert.ok(upload)
  const ref = { ref: parseS3Url(upload.s3_url), upload_id: upload.upload_id }
  const held = await heldOrNull(objects, ref)
  if (held) {
    assert.ok(held.offset >= sent.offset, `${held.offset} bytes are held, ${sent.offset} were acknowledged`)
    if (upload.door === 'tus') await sendRest(objects, ref, held, sent.whole())
    else await sendParts(objects, ref, held, sent)
  } else assert.notEqual(sent.completion, 'none', 'it is complete though nobody asked')
  const first = await pending.finish('ada', media_id)
  assert.equal((await pending.finish('ada', media_id)).version, first.version)
}

/** Null: the parts are one object already, and the record does not know it. */
async function heldOrNull(objects: ObjectStore, ref: UploadRef): Promise<Held | null> {
  try {
    return await objects.heldOf(ref)
  } catch (error) {
    assert.equal(codeOf(error), 'not_found')
    assert.ok(await objects.head(ref.ref), 'the upload and its object are gone')
    return null
  }
}

async function* oneChunk(bytes: Uint8Array) {
  if (bytes.length > 0) yield bytes
}

async function sendRest(objects: ObjectStore, ref: UploadRef, { offset }: Held, whole: Buffer): Promise<void> {
  assert.equal(await objects.append(ref, oneChunk(whole.subarray(offset)), { offset }), whole.length)
}

async function sendParts(objects: ObjectStore, ref: UploadRef, held: Held, sent: Sent): Promise<void> {
  // One that was begun and never asked for more.
  if (sent.parts.size === 0) sent.parts.set(1, { versions: [Buffer.from('GIF89a, and no more')], acknowledged: -1 })
  for (const [part_number, { versions, acknowledged }] of sent.parts) {
    const found = held.parts.find((part) => part.part_number === part_number)
    const at = versions.findIndex((bytes) => found?.etag === md5(bytes) && found.size === bytes.length)
    if (found) assert.ok(at >= Math.max(0, acknowledged), `part ${part_number} is none of those sent`)
    else assert.ok(acknowledged < versions.length - 1, `part ${part_number} is lost`)
    if (at === versions.length - 1) continue
    const bytes = versions.at(-1) ?? Buffer.alloc(0)
    await objects.putPart(ref, { part_number, source: oneChunk(bytes), size: bytes.length })
  }
  assert.ok(held.parts.every(({ size }) => size <= partSize))
}

async function assertMedia({ metadata, objects }: Rooms, sent: Sent, media_id: string): Promise<void> {
  const record = await metadata.get(media_id)
  assert.ok(record)
  const whole = sent.parts.size > 0 ? Buffer.concat([...sent.parts.values()].map(latest)) : sent.whole()
  assert.deepEqual([record.status, record.file_size], ['uploaded', whole.length])
  const { body, object } = await objects.get(parseS3Url(record.temp_s3_url ?? ''))
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  assert.ok(whole.equals(Buffer.concat(chunks)), `${sent.title} has other bytes`)
  assert.equal(object.etag, record.etag)
  await assertJobs({ metadata }, record, record.upload ? { expire: 'done', process: 'queued' } : { process: 'queued' })
}

const latest = ({ versions }: { versions: Buffer[] }) => versions.at(-1) ?? Buffer.alloc(0)

async function assertJobs(
  { metadata }: Pick<Rooms, 'metadata'>,
  { media_id }: Pick<MediaRecord, 'media_id'>,
  expected: Record<string, string>,
): Promise<void> {
  const jobs = await metadata.jobsOf(media_id)
  assert.deepEqual(Object.fromEntries(jobs.map(({ kind, state }) => [kind, state])), expected)
}
