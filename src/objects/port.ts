import type { ObjectRef } from '../media/locations.ts'

export type { ObjectRef } from '../media/locations.ts'

/**
 * Bytes under keys, in buckets.
 *
 * The driver promises: what a method has resolved is durable and whole, or absent: no reader sees half an object;
 * memory is flat at any size; ETags are S3's (MD5 for one part, `md5(md5s)-N` for N).
 * The caller promises: a delivered key is never written again with other bytes; keys are made by us, of the
 * characters `A–Z a–z 0–9 . _ - /`, no segment starting with a dot (else `internal`).
 *
 * Errors: `storage_full`, `unavailable`; a missing object is null or `not_found`.
 */
export interface ObjectStore {
  /**
   * Receives bytes under no name yet. Resolves when `source` has ended and everything is held; nothing is visible.
   * `source` is pulled only as fast as the store takes it. When `source` throws or `signal` aborts, nothing is left behind.
   * @throws MediaError `too_large` as soon as more than `limit` bytes came.
   */
  stage(source: AsyncIterable<Uint8Array>, options?: StageOptions): Promise<Staged>
  /** Stores a local file: in parallel parts when large, in one request when small. */
  putFile(ref: ObjectRef, path: string, options: PutOptions): Promise<StoredObject>
  /** The object's attributes, or null. */
  head(ref: ObjectRef): Promise<StoredObject | null>
  /**
   * The object's bytes, or those of one range (inclusive, already checked against the size).
   * `body` yields large chunks; whoever takes it reads it to the end or returns early: either closes it.
   * @throws MediaError `not_found`
   */
  get(ref: ObjectRef, options?: GetOptions): Promise<ObjectBody>
  /** Removes one object; one that is not there is no error. */
  remove(ref: ObjectRef): Promise<void>
  /** Removes all objects whose key starts with `prefix`, which ends with a slash; returns how many. */
  removePrefix(bucket: string, prefix: string): Promise<number>
  /** All objects whose key starts with `prefix`, by key, a page at a time. */
  list(bucket: string, prefix: string): AsyncIterable<ListedObject>
  /** Marks a raw object as done with: the lifecycle removes it after `TEMP_DAYS`. A missing object is no error. */
  markDone(ref: ObjectRef): Promise<void>
  /** Resolves when a write would be accepted; for readiness. */
  ping(): Promise<void>
  close(): Promise<void>
}

export interface StageOptions {
  /** Bytes. */
  limit?: number
  signal?: AbortSignal
  /** Called once with the first bytes (64 KiB, or all when fewer), before more is received; what it throws ends the staging. */
  onHead?: (head: Uint8Array) => void | Promise<void>
}

/** Bytes received and not yet named. Exactly one of `commit` and `discard` is to be called. */
export interface Staged {
  size: number
  /** Without quotes. */
  etag: string
  /** Gives the bytes their name, durably. */
  commit(ref: ObjectRef, options: PutOptions): Promise<StoredObject>
  /** Leaves nothing behind; never throws. */
  discard(): Promise<void>
}

export interface PutOptions {
  content_type: string
  signal?: AbortSignal
}

export interface GetOptions {
  range?: { start: number; end: number }
  signal?: AbortSignal
}

export interface StoredObject {
  ref: ObjectRef
  size: number
  /** Without quotes. */
  etag: string
  content_type: string
  /** Milliseconds since the epoch, whole seconds. */
  last_modified: number
}

export interface ObjectBody {
  object: StoredObject
  body: AsyncIterable<Uint8Array>
}

export interface ListedObject {
  ref: ObjectRef
  size: number
  /** Milliseconds since the epoch. */
  last_modified: number
}

/** An ability: the object's file on this machine's disk, to be read in place instead of downloaded. */
export interface LocalFiles {
  /** Path of the object's bytes, or null when there is none. Read only. */
  pathOf(ref: ObjectRef): Promise<string | null>
}

/** An ability: the driver applies the temporary bucket's lifecycle itself. On S3 the bucket's own rules do. */
export interface Expiring {
  /** Removes objects marked done before `doneBefore` and any other last modified before `anyBefore`; yields what it removed. */
  expire(bucket: string, rules: { doneBefore: number; anyBefore: number }): AsyncIterable<ObjectRef>
}

export function hasLocalFiles<S extends ObjectStore>(store: S): store is S & LocalFiles {
  return 'pathOf' in store
}

export function isExpiring<S extends ObjectStore>(store: S): store is S & Expiring {
  return 'expire' in store
}
