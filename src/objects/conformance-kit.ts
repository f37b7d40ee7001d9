import { createHash } from 'node:crypto'
import { codeOf } from '../media/errors.ts'
import type { ObjectStore, PutOptions, StoredObject } from './port.ts'

export interface Opened {
  store: ObjectStore
  /** Names of everything that is held outside the buckets: received and not committed, or begun in parts. */
  unfinished(): Promise<readonly string[]>
  /** Opens the same store anew, as after a restart; the one before is not used again. */
  reopen(): Promise<void>
  /** Closes the store and removes what it kept. */
  end(): Promise<void>
}

/** What the tests of one driver work with. The store may be opened anew between them. */
export interface Suite {
  opened: Opened
  store: ObjectStore
  /** For local files. */
  folder: string
  /** A test, unless the driver is excepted from it. */
  must(title: string, work: () => Promise<void>): void
  hold(key: string, bytes: Uint8Array, options?: PutOptions): Promise<StoredObject>
  bytesAt(key: string, range?: { start: number; end: number }): Promise<Buffer>
  keys(prefix: string): Promise<string[]>
}

export const bucket = 'suite-bucket'
export const put: PutOptions = { content_type: 'video/mp4' }
export const kib = 1024
export const mib = 1024 * kib

export function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex')
}

export async function* pieces(bytes: Uint8Array, size: number): AsyncIterable<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size)
}

/** Bytes cut into parts. */
export function slices(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) => bytes.subarray(n * size, (n + 1) * size))
}

/** S3's ETag of bytes that came in parts of a size, reckoned apart from the code under test. */
export function etagOfPieces(bytes: Buffer, size: number): string {
  const sums = slices(bytes, size).map((part) => createHash('md5').update(part).digest())
  return `${md5(Buffer.concat(sums))}-${sums.length}`
}

export async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await all(body))
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

export function hasCode(code: string): (error: unknown) => boolean {
  return (error) => codeOf(error) === code
}
