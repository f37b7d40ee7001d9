import type { FileHandle } from 'node:fs/promises'
import type { Clock } from '../media/clock.ts'
import { appendParts, type Pace } from './append.ts'
import type { Buffers } from './buffers.ts'
import { type DataFile, openDataFile } from './data-file.ts'
import { closeQuietly, removeQuietly, storing } from './files.ts'
import type { Hashing } from './hashing.ts'
import type { AppendOptions, Part, UploadRef } from './port.ts'
import type { Multipart } from './s3-multipart.ts'
import type { S3Objects } from './s3-objects.ts'
import { md5Of, type Spool } from './s3-spool.ts'
import { dropTails, type Segment, type Standing, segmentOf } from './s3-tails.ts'

export interface AppendGiven extends AppendOptions {
  /** As the caller names it: tails are named after that. */
  upload: UploadRef
  /** As S3 names it. */
  own: UploadRef
  standing: Standing
  source: AsyncIterable<Uint8Array>
  multipart: Multipart
  objects: S3Objects
  spool: Spool
  buffers: Buffers
  hashing: Hashing
  clock: Clock
  read(upload: UploadRef, segment: Segment): AsyncIterable<Uint8Array>
}

/** Parts that the spool has room for: one is sent, one comes, and what is sent again stays. */
const spooledParts = 4
/** What a slow sender's bytes cost: a request each so often. */
const flushMs = 5_000
/** Segments of one part; then one is made of them all. */
const chainLimit = 16

/**
 * Receives bytes into a file in which the parts take turns, and sends each as it is full. What is no full part when the
 * source ends, or comes slowly, goes to a segment; it is read again when the upload goes on, so that the part is sent whole.
 */
export async function appendToS3(given: AppendGiven): Promise<number> {
  const { standing, source, offset, limit = Number.POSITIVE_INFINITY, buffers, hashing, clock, spool } = given
  const { stride } = standing
  const path = spool.newPath()
  const ring = spooledParts * stride
  const data = await storing('opening a spool file', () => openDataFile(path, 'wx+'))
  const pace: Pace = { flushMs, syncFrom: Number.POSITIVE_INFINITY, lagLimit: 2 * stride }
  try {
    await fetchTail(given, data, ring)
    return await appendParts({
      ...{ source, stride, offset, limit, buffers, hashing, clock, pace },
      signal: given.signal ?? new AbortController().signal,
      file: ringOf(data, ring),
      newEtag: () => '',
      moved: () => {},
      record: openRecorder(given, { handle: data.handle, ring, limit }),
      // It is S3 that holds them.
      flush: async () => {},
      onDiskError: () => {},
    })
  } finally {
    await closeQuietly(data)
    await removeQuietly(path)
  }
}

/** A file of a fixed length in whose places later bytes follow earlier ones; a part never lies over its end. */
function ringOf(data: DataFile, ring: number): Parameters<typeof appendParts>[0]['file'] {
  const read = ((buffer: Uint8Array, at: number, length: number, position: number) =>
    data.handle.read(buffer, at, length, position % ring)) as FileHandle['read']
  return {
    write: (bytes, position) => data.write(bytes, position % ring),
    handle: { read, datasync: async () => {} },
  }
}

async function fetchTail({ standing, upload, read }: AppendGiven, { handle }: DataFile, ring: number): Promise<void> {
  for (const segment of standing.chain) {
    let position = segment.from % ring
    for await (const bytes of read(upload, segment)) {
      await storing('writing to the spool', () => handle.writev([bytes], position))
      position += bytes.length
    }
  }
}

interface Recording {
  handle: FileHandle
  ring: number
  limit: number
}

/** Sends what has come of a part to where it is durable. */
function openRecorder(given: AppendGiven, { handle, ring, limit }: Recording): (part: Part) => Promise<void> {
  const { upload, own, standing, multipart, objects, buffers, hashing } = given
  const { stride } = standing
  let { chain } = standing
  let durable = given.offset

  async function sendSegment(start: number, to: number): Promise<void> {
    const isMerged = chain.length >= chainLimit
    const from = isMerged ? start : Math.max(start, durable)
    const segment = segmentOf(upload, from, to)
    const range = { handle, start: from % ring, size: to - from }
    const md5 = await storing('reading the spool', () => md5Of(range, { hashing, buffers }))
    const ref = { bucket: upload.ref.bucket, key: segment.key }
    await objects.put(ref, range, { content_type: 'application/octet-stream', md5 })
    if (isMerged) await dropTails(objects, upload, chain)
    chain = [...(isMerged ? [] : chain), segment]
  }

  return async ({ part_number, size, etag }) => {
    const start = (part_number - 1) * stride
    const to = start + size
    // At the limit nothing can follow: what is there is a part, however short.
    if (size === stride || to === limit) {
      await multipart.putPart(own, { part_number, range: { handle, start: start % ring, size }, md5: etag })
      if (chain.length > 0) await dropTails(objects, upload, chain)
      chain = []
    } else await sendSegment(start, to)
    durable = to
  }
}
