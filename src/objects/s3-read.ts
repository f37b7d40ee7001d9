import type { Readable } from 'node:stream'
import { GetObjectCommand, type GetObjectCommandOutput, HeadObjectCommand } from '@aws-sdk/client-s3'
import { codeOf, MediaError } from '../media/errors.ts'
import { s3Url } from '../media/locations.ts'
import type { GetOptions, ObjectBody, ObjectRef, StoredObject } from './port.ts'
import { type RunOptions, type S3, unquote } from './s3-client.ts'
import { doing, isTransient, s3Error } from './s3-errors.ts'

/** Bytes that are worth handing on. */
const smallestChunk = 64 * 1024
/** How often a body is gone on with where it was cut and nothing came of it. */
const resumeLimit = 5

export async function headObject(s3: S3, ref: ObjectRef, options: RunOptions = {}): Promise<StoredObject | null> {
  const { bucket: Bucket, key: Key } = ref
  try {
    const head = await s3.run(
      doing('GetObject', ref),
      (client, abort) => client.send(new HeadObjectCommand({ Bucket, Key }), abort),
      options,
    )
    return storedOf(ref, head, head.ContentLength ?? 0)
  } catch (error) {
    if (codeOf(error) === 'not_found') return null
    throw error
  }
}

type Attributes = Pick<GetObjectCommandOutput, 'ETag' | 'ContentType' | 'LastModified'>

function storedOf(ref: ObjectRef, { ETag, ContentType, LastModified }: Attributes, size: number): StoredObject {
  const content_type = ContentType ?? 'application/octet-stream'
  return { ref, size, etag: unquote(ETag), content_type, last_modified: LastModified?.getTime() ?? 0 }
}

/** Opens an object's bytes. A body that is cut is gone on with where it broke, as long as it is the same object. */
export async function getObject(s3: S3, ref: ObjectRef, { range, signal }: GetOptions = {}): Promise<ObjectBody> {
  signal?.throwIfAborted()
  const first = await ask(s3, ref, { range, signal })
  const object = storedOf(ref, first, sizeOf(first))
  const end = range ? Math.min(range.end + 1, object.size) : object.size
  const start = range?.start ?? 0
  return { object, body: openBody(s3, object, { start, end, first: first.Body as Readable, signal }) }
}

interface Wanted {
  range?: GetOptions['range'] | undefined
  signal: AbortSignal | undefined
  etag?: string
}

async function ask(s3: S3, ref: ObjectRef, { range, signal, etag }: Wanted) {
  const { bucket: Bucket, key: Key } = ref
  const Range = range && `bytes=${range.start}-${range.end}`
  const wanted = { Bucket, Key, ...(Range && { Range }), ...(etag && { IfMatch: `"${etag}"` }) }
  const request: Parameters<typeof s3.run<GetObjectCommandOutput>>[1] = (client, abort) =>
    client.send(new GetObjectCommand(wanted), abort)
  return await s3.run(doing('GetObject', ref), request, { signal })
}

function sizeOf({ ContentRange, ContentLength }: GetObjectCommandOutput): number {
  const whole = /\/(\d+)$/.exec(ContentRange ?? '')?.[1]
  return whole === undefined ? (ContentLength ?? 0) : Number(whole)
}

interface BodyGiven {
  start: number
  end: number
  first: Readable
  signal: AbortSignal | undefined
}

/** The bytes in chunks; read to the end or returned early, the connection is let go, also when never begun. */
function openBody(s3: S3, object: StoredObject, given: BodyGiven): AsyncIterable<Uint8Array> {
  const { ref, etag } = object
  const { end, signal } = given
  let position = given.start
  let resumes = 0
  let over = false
  let stream = begin(given.first)

  function close(): void {
    over = true
    signal?.removeEventListener('abort', close)
    stream.body.destroy()
  }
  signal?.addEventListener('abort', close, { once: true })

  /** Bytes enough to hand on, or what is left. */
  async function gather(): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    let size = 0
    while (size < smallestChunk && position + size < end) {
      const { done, value } = await stream.chunks.next().catch(async (error) => await resume(error, position + size))
      if (done) {
        await resume(new Error('the body was cut'), position + size)
        continue
      }
      chunks.push(value)
      size += value.length
      // Who reads slowly is cut off by the idle line again and again, and goes on each time.
      if (value.length > 0) resumes = 0
    }
    position += size
    return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, size)
  }

  /** Goes on from where it broke. */
  async function resume(error: unknown, from: number): Promise<IteratorResult<Uint8Array>> {
    signal?.throwIfAborted()
    if (++resumes > resumeLimit || !isTransient(error)) throw s3Error(error, doing('GetObject', ref))
    const { Body } = await ask(s3, ref, { range: { start: from, end: end - 1 }, signal, etag }).catch((cause) => {
      throw new MediaError('unavailable', `${s3Url(ref)} was cut and could not be gone on with`, { cause })
    })
    stream.body.destroy()
    stream = begin(Body as Readable)
    return { done: false, value: new Uint8Array(0) }
  }

  const iterator: AsyncIterator<Uint8Array> = {
    next: async () => {
      signal?.throwIfAborted()
      if (over || position >= end) {
        close()
        return { done: true, value: undefined }
      }
      try {
        return { done: false, value: await gather() }
      } catch (error) {
        close()
        throw signal?.aborted ? signal.reason : error
      }
    },
    return: async () => {
      close()
      return { done: true, value: undefined }
    },
  }
  return { [Symbol.asyncIterator]: () => iterator }
}

function begin(body: Readable): { body: Readable; chunks: AsyncIterator<Uint8Array> } {
  // Destroyed before it is read, it must not end the process.
  body.on('error', () => {})
  return { body, chunks: body[Symbol.asyncIterator]() }
}
