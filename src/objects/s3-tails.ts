import { createHash } from 'node:crypto'
import { codeOf } from '../media/errors.ts'
import type { Part, UploadRef } from './port.ts'
import type { ListedEntry, S3Objects } from './s3-objects.ts'

/**
 * The bytes of an appended upload that are no part yet, for S3 takes no part below 5 MiB. They lie in objects of the
 * upload's own bucket, below a name that is no key of ours: `.tails/{upload}/{from}-{to}`, in bytes of the whole.
 * What follows a tail is a further one. No writer writes over another's: who lags behind makes a shorter way.
 */
export interface Segment {
  key: string
  from: number
  to: number
  etag: string
}

/** What S3 holds of an upload. */
export interface Standing {
  /** S3's, by number. */
  parts: Part[]
  /** What follows them and is no part yet. */
  chain: Segment[]
  /** Bytes of each part but the last. */
  stride: number
  /** Bytes of the parts from the first on, without a gap. */
  base: number
}

export const tailFolder = '.tails/'

/** An upload's own; nobody who has the upload's name with another key finds it. */
export function tailPrefix({ ref, upload_id }: UploadRef): string {
  const name = createHash('sha256').update(`${ref.bucket}/${ref.key}\n${upload_id}`).digest('hex')
  return `${tailFolder}${name.slice(0, 40)}/`
}

export function segmentOf(upload: UploadRef, from: number, to: number): Segment {
  const pad = (bytes: number) => String(bytes).padStart(14, '0')
  return { key: `${tailPrefix(upload)}${pad(from)}-${pad(to)}`, from, to, etag: '' }
}

export async function listTails(objects: S3Objects, upload: UploadRef): Promise<Segment[]> {
  const found: Segment[] = []
  for await (const entry of objects.entries(upload.ref.bucket, tailPrefix(upload))) {
    const segment = parse(entry)
    if (segment) found.push(segment)
  }
  return found
}

function parse({ key, size, etag }: ListedEntry): Segment | null {
  const match = /\/(\d+)-(\d+)$/.exec(key)
  const [from, to] = [Number(match?.[1]), Number(match?.[2])]
  return match && to - from === size ? { key, from, to, etag } : null
}

/** The way through the segments that comes farthest from `base`, without a gap and in few steps. */
export function longestChain(segments: readonly Segment[], base: number): Segment[] {
  const sorted = segments.toSorted((a, b) => a.from - b.from || b.to - a.to)
  const reached = new Map<number, Segment | null>([[base, null]])
  let farthest = base
  for (const segment of sorted) {
    if (segment.from >= segment.to || !reached.has(segment.from) || reached.has(segment.to)) continue
    reached.set(segment.to, segment)
    farthest = Math.max(farthest, segment.to)
  }
  const chain: Segment[] = []
  for (let at = farthest; at > base; ) {
    const last = reached.get(at)
    if (!last) break
    chain.unshift(last)
    at = last.from
  }
  return chain
}

/** What a chain is as a part: it has the MD5 only when it is one object. */
export function partOfChain(chain: readonly Segment[], part_number: number): Part | null {
  const [first, ...others] = chain
  if (!first) return null
  const size = (chain.at(-1)?.to ?? 0) - first.from
  const sums = chain.map(({ etag }) => etag).join()
  return { part_number, size, etag: others.length === 0 ? first.etag : createHash('md5').update(sums).digest('hex') }
}

/** For what is no longer needed: the bucket's lifecycle removes what stays. */
export async function dropTails(objects: S3Objects, upload: UploadRef, chain?: readonly Segment[]): Promise<void> {
  const { bucket } = upload.ref
  try {
    const keys = (chain ?? (await listTails(objects, upload))).map(({ key }) => key)
    if (keys.length > 0) await objects.removeKeys(bucket, keys)
  } catch (error) {
    if (codeOf(error) === 'internal') throw error
  }
}
