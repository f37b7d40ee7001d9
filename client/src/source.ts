import { SourceChanged } from './errors.ts'

/** A file to upload: a browser's `File`, any `Blob`, or whatever can hand out its bytes by position. */
export type UploadFile = Blob | Source

/** Bytes that can be read at any place, again and again. */
export interface Source {
  name?: string | undefined
  /** MIME type, when known; the service decides by the bytes. */
  type?: string | undefined
  /** Bytes. */
  size: number
  /** Milliseconds since the epoch; helps to know the file again after a reload. */
  lastModified?: number | undefined
  /** The bytes from `start` to before `end`. @throws when they are no longer those of the file that was opened. */
  slice(start: number, end: number): Bytes | Promise<Bytes>
}

export type Bytes = Blob | ReadableStream<Uint8Array> | Uint8Array

/** @throws TypeError for what is no file, such as a path, bytes, or a source that was not awaited */
export function checkFile(given: unknown): void {
  const { size, slice } = (given ?? {}) as Partial<Source>
  if (Number.isSafeInteger(size) && typeof slice === 'function') return
  throw new TypeError(
    'upload() takes a Blob, a File or a Source. For a path: await fileSource(path), of @media-service/client/node.',
  )
}

/** Bytes at the start and the end of a file that it is known by, beside its name, size and time. */
const sampleSize = 64 * 1024

/**
 * Knows a file again, in another process too, without reading all of it.
 * @param filename as it will be shown
 */
export async function fingerprintOf(source: UploadFile, filename: string): Promise<string> {
  const { size } = source
  const head = await bytesOf(await readSlice(source, 0, Math.min(size, sampleSize)))
  const tail = await bytesOf(await readSlice(source, Math.max(0, size - sampleSize), size))
  const time = (source as { lastModified?: number }).lastModified ?? ''
  return `${size}-${hashOf(`${filename}\n${source.type ?? ''}\n${time}\n${hashOf(head)}\n${hashOf(tail)}`)}`
}

/** @throws SourceChanged */
export async function readSlice(source: UploadFile, start: number, end: number): Promise<Bytes> {
  try {
    return await source.slice(start, end)
  } catch (error) {
    throw error instanceof SourceChanged ? error : new SourceChanged(error)
  }
}

/** @throws SourceChanged when a file behind a blob can no longer be read: `fetch` would call that a broken network. */
export async function checkReadable(source: UploadFile, start: number): Promise<void> {
  if (!(source instanceof Blob)) return
  try {
    await source.slice(start, start + 1).arrayBuffer()
  } catch (error) {
    throw new SourceChanged(error)
  }
}

/** Everything of it, in memory: for small pieces. @throws SourceChanged */
export async function bytesOf(bytes: Bytes): Promise<Uint8Array> {
  if (bytes instanceof Uint8Array) return bytes
  try {
    return new Uint8Array(await new Response(bytes).arrayBuffer())
  } catch (error) {
    throw error instanceof SourceChanged ? error : new SourceChanged(error)
  }
}

/** 64 bits of FNV-1a, twice 32: to know again, not to prove. `crypto.subtle` is not there on pages without TLS. */
function hashOf(given: string | Uint8Array): string {
  const bytes = typeof given === 'string' ? new TextEncoder().encode(given) : given
  let a = 0x811c9dc5
  let b = 0x1000193
  for (const byte of bytes) {
    a = Math.imul(a ^ byte, 0x01000193)
    b = Math.imul(b ^ byte, 0x85ebca6b) + a
  }
  return [a, b].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('')
}
