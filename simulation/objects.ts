import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Clock } from '../src/media/clock.ts'
import { MediaError } from '../src/media/errors.ts'
import { type ObjectRef, s3Url } from '../src/media/locations.ts'
import type { Expiring, ObjectStore, PutOptions, Staged, StoredObject } from '../src/objects/port.ts'
import { openMemoryParts, stoppable } from './object-parts.ts'

export interface MemoryObjects extends ObjectStore, Expiring {
  /** Every address there is, and those of uploads under way, for the checks at the end. */
  addresses(): string[]
  /** Whether there is an object at an address. */
  has(url: string): boolean
}

interface Held {
  object: StoredObject
  bytes: Buffer
  doneAt: number | null
}

const headBytes = 64 * 1024

/** Objects in a map: what the simulation stands on. Passes the suite that every engine passes, but for its memory. */
export function openMemoryObjects(clock: Clock): MemoryObjects {
  const held = new Map<string, Held>()

  function store(ref: ObjectRef, bytes: Buffer, about: PutOptions & { etag?: string }): StoredObject {
    checkKey(ref)
    const last_modified = Math.floor(clock.now() / 1_000) * 1_000
    const { content_type, etag = md5(bytes) } = about
    const object = { ref, size: bytes.length, etag, content_type, last_modified }
    held.set(s3Url(ref), { object, bytes, doneAt: null })
    return object
  }

  const { expire: expireParts, addresses: partAddresses, ...inParts } = openMemoryParts({ clock, checkKey, store })

  function under(bucket: string, prefix: string): Held[] {
    const start = s3Url({ bucket, key: prefix })
    const found = [...held].filter(([url]) => url.startsWith(start))
    return found.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one)
  }

  return {
    ...inParts,
    stage: async (source, { limit = Number.POSITIVE_INFINITY, signal, onHead } = {}): Promise<Staged> => {
      const bytes = await collect(source, limit, signal)
      await onHead?.(bytes.subarray(0, headBytes))
      return {
        size: bytes.length,
        etag: md5(bytes),
        commit: async (ref, options) => store(ref, bytes, options),
        discard: async () => {},
      }
    },
    putFile: async (ref, path, options) => store(ref, await readFile(path), options),
    head: async (ref) => {
      checkKey(ref)
      return held.get(s3Url(ref))?.object ?? null
    },
    get: async (ref, { range, signal } = {}) => {
      checkKey(ref)
      const found = held.get(s3Url(ref))
      if (!found) throw new MediaError('not_found', `no object ${s3Url(ref)}`)
      signal?.throwIfAborted()
      const bytes = range ? found.bytes.subarray(range.start, range.end + 1) : found.bytes
      return { object: found.object, body: chunks(bytes, signal) }
    },
    remove: async (ref) => {
      checkKey(ref)
      held.delete(s3Url(ref))
    },
    removePrefix: async (bucket, prefix) => {
      checkKey({ bucket, key: prefix.replace(/\/$/, '') })
      if (!prefix.endsWith('/')) throw new MediaError('internal', `a prefix to remove ends with a slash: ${prefix}`)
      const found = under(bucket, prefix)
      for (const { object } of found) held.delete(s3Url(object.ref))
      return found.length
    },
    list: async function* (bucket, prefix) {
      for (const { object } of under(bucket, prefix)) yield object
    },
    markDone: async (ref) => {
      const found = held.get(s3Url(ref))
      if (found) found.doneAt ??= clock.now()
    },
    expire: async function* (bucket, { doneBefore, anyBefore }) {
      expireParts(bucket, anyBefore)
      for (const { object, doneAt } of under(bucket, '')) {
        if (object.last_modified >= anyBefore && (doneAt === null || doneAt >= doneBefore)) continue
        held.delete(s3Url(object.ref))
        yield object.ref
      }
    },
    ping: async () => {},
    close: async () => {},
    has: (url) => held.has(url),
    addresses: () => [...held.keys(), ...partAddresses().map(s3Url)],
  }
}

async function collect(source: AsyncIterable<Uint8Array>, limit: number, signal?: AbortSignal): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of stoppable(source, signal)) {
    size += part.length
    if (size > limit) throw new MediaError('too_large', `more than ${limit} bytes`)
    parts.push(Uint8Array.from(part))
  }
  return Buffer.concat(parts)
}

async function* chunks(bytes: Buffer, signal?: AbortSignal): AsyncIterable<Uint8Array> {
  for (let start = 0; start < bytes.length; start += headBytes) {
    signal?.throwIfAborted()
    yield bytes.subarray(start, start + headBytes)
  }
}

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex')
}

function checkKey({ bucket, key }: ObjectRef): void {
  const segment = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/
  if (key.length <= 1024 && [bucket, ...key.split('/')].every((part) => segment.test(part))) return
  throw new MediaError('internal', `not a key of ours: ${JSON.stringify(key)}`)
}
