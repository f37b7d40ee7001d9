import { type FileHandle, open, readFile } from 'node:fs/promises'
import { MediaError } from '../media/errors.ts'
import { type ObjectRef, s3Url } from '../media/locations.ts'
import { closeQuietly, isMissing, statOf, storing } from './files.ts'
import type { Place } from './keys.ts'
import type { GetOptions, StoredObject } from './port.ts'

/** An object's attributes, as the file beside it holds them. */
export interface Sidecar {
  size: number
  etag: string
  content_type: string
  /** Milliseconds since the epoch. */
  last_modified: number
  done_at: number | null
}

export interface OpenObject {
  object: StoredObject
  handle: FileHandle
}

const chunkBytes = 512 * 1024

/** The attributes, or null when there are none that can be read. */
export async function readSidecar(place: Place): Promise<Sidecar | null> {
  try {
    return JSON.parse(await readFile(place.sidecar, 'utf8')) as Sidecar
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return null
    throw error
  }
}

/** Opens an object, or resolves null. Bytes and attributes always belong together, whoever writes meanwhile. */
export async function openObject(ref: ObjectRef, place: Place): Promise<OpenObject | null> {
  const handle = await open(place.data, 'r').catch((error) => {
    if (isMissing(error)) return null
    throw error
  })
  if (!handle) return null
  try {
    const sidecar = await readSidecar(place)
    // In this order: a writer unlinks the old bytes before it touches the attributes, so bytes that still have their
    // name now are those that the attributes just read tell of.
    const [opened, named] = await Promise.all([handle.stat(), statOf(place.data)])
    const { size, ino } = opened
    if (sidecar && sidecar.size === size && named?.ino === ino) {
      const { etag, content_type, last_modified } = sidecar
      return { handle, object: { ref, size, etag, content_type, last_modified } }
    }
  } catch (error) {
    await closeQuietly(handle)
    throw error
  }
  await handle.close()
  return null
}

/** The bytes in large chunks; read to the end or returned early, the file is closed, also when never begun. */
export function readBody(
  { object, handle }: OpenObject,
  { range, signal }: { range: GetOptions['range'] | undefined; signal: AbortSignal | undefined },
): AsyncIterable<Uint8Array> {
  const end = range ? Math.min(range.end + 1, object.size) : object.size
  let position = range ? range.start : 0
  let closed = false

  async function close(): Promise<void> {
    if (closed) return
    closed = true
    signal?.removeEventListener('abort', onAbort)
    await handle.close()
  }
  const onAbort = () => void close().catch(() => {})
  signal?.addEventListener('abort', onAbort, { once: true })

  async function read(): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafeSlow(Math.min(chunkBytes, end - position))
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, position)
    if (bytesRead === 0) throw new MediaError('unavailable', `${s3Url(object.ref)} has shrunk while it was read`)
    position += bytesRead
    return bytes.subarray(0, bytesRead)
  }

  const iterator: AsyncIterator<Uint8Array> = {
    next: async () => {
      signal?.throwIfAborted()
      if (closed || position >= end) {
        await close()
        return { done: true, value: undefined }
      }
      try {
        return { done: false, value: await storing(`reading ${s3Url(object.ref)}`, read) }
      } catch (error) {
        await close()
        throw signal?.aborted ? signal.reason : error
      }
    },
    return: async () => {
      await close()
      return { done: true, value: undefined }
    },
  }
  return { [Symbol.asyncIterator]: () => iterator }
}
