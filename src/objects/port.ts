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
  /**
   * Begins an object that comes in parts. It is invisible until it is complete; one that never is goes with the bucket's
   * lifecycle. The caller keeps what is returned.
   */
  beginUpload(ref: ObjectRef, options: BeginUpload): Promise<UploadRef>
  /**
   * Receives one part; sent again, it takes the place of what was there. Of two that send the same part, the later
   * one's bytes stand, whole. A part cut short or refused is as if never sent, and what it was to replace is gone or,
   * on S3, stands.
   * @throws MediaError `not_found` when there is no such upload (any more), `invalid_parts` for a number that is none,
   * `size_mismatch` when `source` does not have `size` bytes, or `size` more than a part may; what `source` throws.
   */
  putPart(upload: UploadRef, part: PutPart): Promise<Part>
  /**
   * Receives bytes that follow those already held, and resolves with the number held then. What came before `source`
   * threw or `signal` aborted is kept: `heldOf` says how much. The caller promises one `append` at a time, and not to
   * mix it with `putPart`.
   * @throws MediaError `not_found`, `wrong_offset` when `offset` bytes is not what is held, `too_large` when more come
   * than `limit` holds in all (what fits is kept); what `source` throws; the signal's reason.
   */
  append(upload: UploadRef, source: AsyncIterable<Uint8Array>, options: AppendOptions): Promise<number>
  /** What is durably held, by part number. @throws MediaError `not_found` */
  heldOf(upload: UploadRef): Promise<Held>
  /**
   * Makes one object of the parts, which must follow one another without a gap from 1 on: nothing is copied where the
   * engine can help it. Parts not named are dropped. Whoever still sends a part fails.
   * @param parts their numbers and ETags; all that is held when not given.
   * @throws MediaError `not_found` when there is no such upload: aborted, or complete (then the object is there);
   * `invalid_parts` when one is missing or has another ETag: then the upload goes on.
   */
  completeUpload(upload: UploadRef, parts?: readonly Pick<Part, 'part_number' | 'etag'>[]): Promise<StoredObject>
  /** Removes the upload with all its parts; one that is not there is no error. Whoever still sends a part fails. */
  abortUpload(upload: UploadRef): Promise<void>
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

/** An object on its way in parts: plain data. */
export interface UploadRef {
  ref: ObjectRef
  upload_id: string
}

export interface BeginUpload {
  content_type: string
  /** Bytes of each part but the last; null: as the first part that is sent, and 5 MiB at least. */
  part_size: number | null
}

/** Parts are numbered from 1 to this. */
export const partLimit = 10_000
/** Bytes that a part other than the last must have at least, and any at most. */
export const smallestPart = 5 * 1024 * 1024
export const largestPart = 5 * 1024 ** 3

export interface PutPart {
  part_number: number
  source: AsyncIterable<Uint8Array>
  /** Bytes, exactly. */
  size: number
  signal?: AbortSignal
}

export interface Part {
  part_number: number
  /** Bytes. */
  size: number
  /** Without quotes. */
  etag: string
}

export interface AppendOptions {
  /** Bytes held now. */
  offset: number
  /** Bytes that the whole may have. */
  limit?: number
  signal?: AbortSignal
}

export interface Held {
  /** By number. Of an appended upload the last may still grow. */
  parts: Part[]
  /** Bytes held without a gap from the first on. */
  offset: number
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

/** An ability: addresses at which a client puts parts straight to the store. */
export interface Presigning {
  /**
   * An address that takes one part by `PUT` and answers its `ETag`.
   * @param part `size` in bytes, exactly; null when the sender has not said it. `expires_in` in seconds.
   */
  presignPart(
    upload: UploadRef,
    part: { part_number: number; size: number | null; expires_in: number },
  ): Promise<string>
}

/** An ability: the store has no server of its own, so ours takes what comes to the addresses it has presigned. */
export interface PresignedDoor extends Presigning {
  /**
   * What a request to such an address may do.
   * @param path below the store's own, `/{bucket}/{key}`, decoded.
   * @throws MediaError `bad_signature` when the address is altered, expired or none of ours.
   */
  admitPart(request: { path: string; query: URLSearchParams }): PresignedPart
}

export interface PresignedPart {
  upload: UploadRef
  part_number: number
  size: number | null
}

export function canPresign<S extends ObjectStore>(store: S): store is S & Presigning {
  return 'presignPart' in store
}

export function hasPresignedDoor<S extends ObjectStore>(store: S): store is S & PresignedDoor {
  return 'admitPart' in store
}

export function hasLocalFiles<S extends ObjectStore>(store: S): store is S & LocalFiles {
  return 'pathOf' in store
}

export function isExpiring<S extends ObjectStore>(store: S): store is S & Expiring {
  return 'expire' in store
}
