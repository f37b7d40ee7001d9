import { createHash } from 'node:crypto'
import type { Clock } from '../src/media/clock.ts'
import { MediaError } from '../src/media/errors.ts'
import {
  appendedPart,
  checkPart,
  checkPartSize,
  chooseParts,
  countPart,
  etagOfParts,
  heldOf,
  noUpload,
  strideOf,
} from '../src/objects/parts.ts'
import type { ObjectRef, ObjectStore, Part, StoredObject, UploadRef } from '../src/objects/port.ts'

type PartMethods = 'beginUpload' | 'putPart' | 'append' | 'heldOf' | 'completeUpload' | 'abortUpload'

export interface MemoryParts extends Pick<ObjectStore, PartMethods> {
  /** Removes what was begun before; how many. */
  expire(bucket: string, before: number): void
  /** Addresses that uploads under way are to have. */
  addresses(): ObjectRef[]
}

interface MemoryPart extends Part {
  bytes: Buffer
}

interface MemoryUpload {
  ref: ObjectRef
  content_type: string
  created: number
  part_size: number | null
  stride: number | null
  parts: Map<number, MemoryPart>
  /** Who began to send a part last. */
  senders: Map<number, symbol>
}

export interface PartsGiven {
  clock: Clock
  checkKey(ref: ObjectRef): void
  store(ref: ObjectRef, bytes: Buffer, about: { content_type: string; etag: string }): StoredObject
}

/** Objects that come in parts, in maps. */
export function openMemoryParts({ clock, checkKey, store }: PartsGiven): MemoryParts {
  const uploads = new Map<string, MemoryUpload>()
  let begun = 0

  function knows({ ref, upload_id }: UploadRef): MemoryUpload | null {
    const found = uploads.get(upload_id)
    return found?.ref.bucket === ref.bucket && found.ref.key === ref.key ? found : null
  }

  function find(upload: UploadRef): MemoryUpload {
    const found = knows(upload)
    if (found) return found
    throw noUpload(upload.upload_id)
  }

  return {
    beginUpload: async (ref, { content_type, part_size }) => {
      checkKey(ref)
      const upload_id = md5(Buffer.from(`upload ${++begun}`))
      const created = clock.now()
      uploads.set(upload_id, {
        ...{ ref, content_type, created, part_size, stride: part_size },
        ...{ parts: new Map(), senders: new Map() },
      })
      return { ref, upload_id }
    },

    putPart: async (upload, { part_number, source, size, signal }) => {
      checkPart({ part_number, size })
      const found = find(upload)
      found.stride ??= strideOf(found.part_size, size)
      checkPartSize(size, found.stride)
      const sender = Symbol()
      found.senders.set(part_number, sender)
      found.parts.delete(part_number)
      const bytes = await collectPart(source, size, signal)
      find(upload)
      const part = { part_number, size, etag: md5(bytes) }
      // One that began later takes its place, or has failed and left none.
      if (found.senders.get(part_number) === sender) found.parts.set(part_number, { ...part, bytes })
      return part
    },

    append: async (upload, source, { offset, limit = Number.POSITIVE_INFINITY, signal }) => {
      const found = find(upload)
      found.stride ??= appendedPart
      let { offset: held } = heldOf(found.parts.values(), found.stride)
      if (offset !== held) throw new MediaError('wrong_offset', `append at ${offset}, ${held} bytes held`)
      for await (const bytes of stoppable(source, signal)) {
        find(upload)
        const fitting = bytes.subarray(0, Math.max(0, limit - held))
        extend(found, held, fitting)
        held += fitting.length
        if (fitting.length < bytes.length) throw new MediaError('too_large', `more than ${limit} bytes`)
      }
      find(upload)
      return held
    },

    heldOf: async (upload) => {
      const { parts, stride } = find(upload)
      return heldOf([...parts.values()].map(withoutBytes), stride ?? appendedPart)
    },

    completeUpload: async (upload, named) => {
      const { parts, ref, content_type, stride } = find(upload)
      const chosen = chooseParts(parts, stride ?? appendedPart, named)
      const bytes = Buffer.concat(chosen.map(({ part_number }) => parts.get(part_number)?.bytes ?? Buffer.alloc(0)))
      uploads.delete(upload.upload_id)
      return store(ref, bytes, { content_type, etag: etagOfParts(chosen) })
    },

    abortUpload: async (upload) => {
      if (knows(upload)) uploads.delete(upload.upload_id)
    },

    expire: (bucket, before) => {
      for (const [upload_id, { ref, created }] of uploads) {
        if (ref.bucket === bucket && created < before) uploads.delete(upload_id)
      }
    },

    addresses: () => [...uploads.values()].map(({ ref }) => ref),
  }
}

/** Puts bytes at an offset, cut into parts. */
function extend({ parts, stride }: MemoryUpload, offset: number, bytes: Uint8Array): void {
  const length = stride ?? appendedPart
  for (let done = 0; done < bytes.length; ) {
    const at = offset + done
    const part_number = Math.floor(at / length) + 1
    const piece = bytes.subarray(done, done + length - (at % length))
    const whole = Buffer.concat([parts.get(part_number)?.bytes ?? Buffer.alloc(0), piece])
    parts.set(part_number, { part_number, size: whole.length, etag: md5(whole), bytes: whole })
    done += piece.length
  }
}

async function collectPart(source: AsyncIterable<Uint8Array>, size: number, signal?: AbortSignal): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  const count = countPart(size)
  for await (const piece of stoppable(source, signal)) {
    count.add(piece.length)
    pieces.push(Uint8Array.from(piece))
  }
  count.end()
  return Buffer.concat(pieces)
}

/** A source that ends with the signal's reason, even while it is stuck. */
export async function* stoppable(source: AsyncIterable<Uint8Array>, signal?: AbortSignal): AsyncIterable<Uint8Array> {
  const { promise: stopped, reject } = Promise.withResolvers<never>()
  stopped.catch(() => {})
  const onAbort = () => reject(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  if (signal?.aborted) onAbort()
  const iterator = source[Symbol.asyncIterator]()
  try {
    for (;;) {
      const { done, value } = await Promise.race([stopped, iterator.next()])
      if (done) return
      yield value
    }
  } finally {
    signal?.removeEventListener('abort', onAbort)
    // Not awaited: a source that is stuck does not keep us.
    void Promise.resolve(iterator.return?.()).catch(() => {})
  }
}

function withoutBytes({ part_number, size, etag }: MemoryPart): Part {
  return { part_number, size, etag }
}

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex')
}
