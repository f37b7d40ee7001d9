import type { Buffers } from './buffers.ts'
import { storing } from './files.ts'
import type { Hashing } from './hashing.ts'
import { type ObjectRef, type Part, type PutOptions, partLimit, type StoredObject } from './port.ts'
import type { S3 } from './s3-client.ts'
import type { Multipart } from './s3-multipart.ts'
import type { S3Objects } from './s3-objects.ts'
import { headObject } from './s3-read.ts'
import { md5Of, type Range, reading } from './s3-spool.ts'

/** Stores files of this machine's. */
export interface FileSender {
  /** In parts at a time when it is large, in one request when small. */
  putFile(ref: ObjectRef, path: string, options: PutOptions & { size: number }): Promise<StoredObject>
  /** In one request whenever S3 takes it, so that the ETag is the MD5. */
  putWhole(ref: ObjectRef, path: string, options: PutOptions & { size: number; md5: string }): Promise<StoredObject>
}

const mebi = 1024 * 1024
/** Bytes that are not worth more than one request. */
const smallFile = 10 * mebi
/** Bytes that one request takes at most. */
const largestPut = 5 * 1024 ** 3
const usualPart = 8 * mebi
const partsAtOnce = 4

export interface FileSenderGiven {
  s3: S3
  objects: S3Objects
  multipart: Multipart
  hashing: Hashing
  buffers: Buffers
}

export function openFileSender({ s3, objects, multipart, hashing, buffers }: FileSenderGiven): FileSender {
  const hash = (range: Range) => storing('reading a file to send', () => md5Of(range, { hashing, buffers }))

  async function putOne(ref: ObjectRef, range: Range, put: PutOptions & { md5: string }): Promise<StoredObject> {
    const etag = await objects.put(ref, range, put)
    const { content_type } = put
    // No answer to a put says when it was.
    const found = await headObject(s3, ref, { signal: put.signal })
    return { ref, size: range.size, etag, content_type, last_modified: found?.last_modified ?? 0 }
  }

  async function putParts(ref: ObjectRef, { handle, size }: Range, put: PutOptions): Promise<StoredObject> {
    const upload = await multipart.create(ref, put)
    const stop = new AbortController()
    const signal = put.signal ? AbortSignal.any([put.signal, stop.signal]) : stop.signal
    const part_size = Math.max(usualPart, Math.ceil(size / partLimit / mebi) * mebi)
    const count = Math.ceil(size / part_size)
    const parts: Part[] = []
    let next = 1

    async function sendInTurn(): Promise<void> {
      while (next <= count) {
        const part_number = next++
        const start = (part_number - 1) * part_size
        const range = { handle, start, size: Math.min(part_size, size - start) }
        signal.throwIfAborted()
        parts.push(await multipart.putPart(upload, { part_number, range, md5: await hash(range), signal }))
      }
    }
    const senders = Array.from({ length: Math.min(partsAtOnce, count) }, sendInTurn)
    try {
      await Promise.all(senders)
      put.signal?.throwIfAborted()
      return await multipart.complete(
        upload,
        parts.sort((a, b) => a.part_number - b.part_number),
      )
    } catch (error) {
      stop.abort(error)
      // Parts that come after an abort would be kept, and paid for.
      await Promise.allSettled(senders)
      await multipart.abort(upload).catch(() => {})
      throw error
    }
  }

  return {
    putFile: async (ref, path, { size, ...put }) =>
      await reading(path, async (handle) => {
        const range = { handle, start: 0, size }
        if (size > smallFile) return await putParts(ref, range, put)
        return await putOne(ref, range, { ...put, md5: await hash(range) })
      }),
    putWhole: async (ref, path, { size, ...put }) =>
      await reading(path, async (handle) => {
        const range = { handle, start: 0, size }
        return size > largestPut ? await putParts(ref, range, put) : await putOne(ref, range, put)
      }),
  }
}
