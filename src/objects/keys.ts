import { join } from 'node:path'
import { MediaError } from '../media/errors.ts'
import type { ObjectRef } from '../media/locations.ts'

/** Where an object lies: its bytes under its own name, its attributes in a small hidden file beside them. */
export interface Place {
  folder: string
  data: string
  sidecar: string
}

// A name is at most 255 bytes on every filesystem; the sidecar's is six longer than the data's.
const segment = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,248}$/
const keyLimit = 1024

/** @throws MediaError `internal` for a name that is not one of ours: it could lead out of the bucket. */
export function placeOf(root: string, ref: ObjectRef): Place {
  checkRef(ref)
  const { bucket, key } = ref
  const segments = key.split('/')
  const folder = join(root, bucket, ...segments.slice(0, -1))
  const name = segments.at(-1) ?? ''
  return { folder, data: join(folder, name), sidecar: join(folder, sidecarName(name)) }
}

/** @throws MediaError `internal` for a bucket or key that is not one of ours. */
export function checkRef({ bucket, key }: ObjectRef): void {
  checkBucket(bucket)
  if (key.length > keyLimit || !key.split('/').every((one) => segment.test(one))) throw notOurs(key)
}

/** @throws MediaError `internal` unless a prefix is one of whole folders. */
export function checkFolder(bucket: string, prefix: string): void {
  if (!prefix.endsWith('/')) throw notOurs(prefix)
  checkRef({ bucket, key: prefix.slice(0, -1) })
}

/** Splits a prefix at its last slash: the folder that holds all matches, and how their names in it start. */
export function splitPrefix(
  root: string,
  bucket: string,
  prefix: string,
): { folder: string; start: string; base: string } {
  checkBucket(bucket)
  const base = prefix.slice(0, prefix.lastIndexOf('/') + 1)
  const start = prefix.slice(base.length)
  const folders = base.split('/').slice(0, -1)
  const whole = start === '' || segment.test(start)
  if (prefix.length > keyLimit || !whole || !folders.every((one) => segment.test(one))) throw notOurs(prefix)
  return { folder: join(root, bucket, ...folders), start, base }
}

export function checkBucket(bucket: string): void {
  if (!segment.test(bucket)) throw notOurs(bucket)
}

export function sidecarName(name: string): string {
  return `.${name}.json`
}

/** The data file's name when `name` is a sidecar's, else null. */
export function sidecarOf(name: string): string | null {
  return name.startsWith('.') && name.endsWith('.json') ? name.slice(1, -5) : null
}

/** Whether a file could be ours: a person's hidden files are left alone. */
export function isName(name: string): boolean {
  return segment.test(name)
}

function notOurs(name: string): MediaError {
  return new MediaError('internal', `not a bucket or key of ours: ${JSON.stringify(name.slice(0, 200))}`)
}
