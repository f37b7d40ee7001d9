import type { Clock } from '../media/clock.ts'
import { codeOf, MediaError } from '../media/errors.ts'
import type { Buffers } from './buffers.ts'
import { closeQuietly, removeQuietly } from './files.ts'
import type { Hashing } from './hashing.ts'
import { checkRef } from './keys.ts'
import { openLocks } from './locks.ts'
import { appendedPart, checkPart, checkPartSize, chooseParts, countPart, heldOf, noUpload } from './parts.ts'
import { type AppendOptions, type ObjectStore, type Part, type PutPart, smallestPart, type UploadRef } from './port.ts'
import { receive } from './receive.ts'
import { appendToS3 } from './s3-append.ts'
import type { Multipart } from './s3-multipart.ts'
import type { S3Objects } from './s3-objects.ts'
import { reading, type Spool } from './s3-spool.ts'
import { dropTails, listTails, longestChain, partOfChain, type Segment, type Standing } from './s3-tails.ts'
import { openWriters } from './s3-writers.ts'
import type { PartMethods } from './uploads.ts'

export interface S3UploadsGiven {
  multipart: Multipart
  objects: S3Objects
  spool: Spool
  buffers: Buffers
  hashing: Hashing
  clock: Clock
  read(upload: UploadRef, segment: Segment): AsyncIterable<Uint8Array>
}

type Named = Parameters<ObjectStore['completeUpload']>[1]

/** Objects in parts: S3's uploads, and tails of what is appended. */
export function openS3Uploads(given: S3UploadsGiven): Pick<ObjectStore, PartMethods> {
  const { multipart, objects, spool, buffers, hashing } = given
  const locks = openLocks()
  const writers = openWriters()

  async function standingOf(upload: UploadRef, unsaid?: number): Promise<Standing> {
    const { own, part_size } = readName(upload)
    const listing = listTails(objects, upload)
    listing.catch(() => {})
    const parts = await multipart.list(own)
    const tails = await listing
    const stride = part_size ?? unsaid ?? strideIn(parts, tails.length > 0)
    const base = heldOf(parts, stride).offset
    return { parts, chain: longestChain(tails, base), stride, base }
  }

  async function receivePart(upload: UploadRef, { part_number, size, source, signal }: PutPart): Promise<Part> {
    const { own, part_size } = readName(upload)
    if (part_size !== null) checkPartSize(size, part_size)
    const path = spool.newPath()
    const counted = exactly(source, size)
    const options = signal ? { signal } : {}
    const file = await receive({ source: counted, path, buffers, hashing, flush: async () => {}, ...options })
    try {
      const range = (handle: Parameters<Parameters<typeof reading>[1]>[0]) => ({ handle, start: 0, size })
      return await reading(path, async (handle) =>
        multipart.putPart(own, { part_number, range: range(handle), md5: file.md5 ?? '', signal }),
      )
    } finally {
      await closeQuietly(file.data)
      await removeQuietly(path)
    }
  }

  async function append(upload: UploadRef, source: PutPart['source'], options: AppendOptions): Promise<number> {
    const { own, part_size } = readName(upload)
    const standing = await standingOf(upload, part_size ?? appendedPart)
    const held = endOf(standing)
    if (options.offset !== held) {
      throw new MediaError('wrong_offset', `append at ${options.offset}, ${held} bytes held`)
    }
    // A short part was the last one, for no part of S3's can grow.
    const limit = held % standing.stride !== 0 && standing.chain.length === 0 ? held : options.limit
    return await appendToS3({
      ...given,
      upload,
      own,
      standing,
      source,
      ...options,
      ...(limit !== undefined && { limit }),
    })
  }

  /** Makes a part of what was appended last. */
  async function partOfTail(upload: UploadRef, chain: readonly Segment[], part_number: number): Promise<Part> {
    const source = async function* () {
      for (const segment of chain) yield* given.read(upload, segment)
    }
    const size = (chain.at(-1)?.to ?? 0) - (chain[0]?.from ?? 0)
    return await receivePart(upload, { part_number, size, source: source() })
  }

  async function complete(upload: UploadRef, standing: Standing, named: Named) {
    const chosen = chooseIn(standing, named)
    const last = chosen.at(-1)
    const tail = last && isTail(standing, last) ? last : null
    const made = tail ? [await partOfTail(upload, standing.chain, tail.part_number)] : []
    const object = await multipart.complete(readName(upload).own, [...chosen.slice(0, tail ? -1 : undefined), ...made])
    if (standing.chain.length > 0) await dropTails(objects, upload)
    return object
  }

  return {
    beginUpload: async (ref, { content_type, part_size }) => {
      checkRef(ref)
      return { ref, upload_id: nameOf(await multipart.create(ref, { content_type }), part_size) }
    },
    putPart: async (upload, part) => {
      checkPart(part)
      const { upload_id } = upload
      return await writers.write(upload_id, part.signal, (signal) =>
        locks.hold(`${upload_id}/${part.part_number}`, () => receivePart(upload, { ...part, signal })),
      )
    },
    append: async (upload, source, options) =>
      await writers.write(upload.upload_id, options.signal, (signal) => append(upload, source, { ...options, signal })),
    heldOf: async (upload) => {
      const standing = await standingOf(upload)
      return { parts: partsOf(standing), offset: endOf(standing) }
    },
    // Whoever sends is sent away first, also when it then turns out that parts are missing: he asks what is held, and goes on.
    completeUpload: async (upload, named) => {
      const { upload_id } = upload
      return await writers.end(upload_id, noUpload(upload_id), async () =>
        complete(upload, await standingOf(upload), named),
      )
    },
    abortUpload: async (upload) => {
      const own = ownOf(upload)
      if (!own) return
      await writers.end(upload.upload_id, noUpload(upload.upload_id), async () => {
        await multipart.abort(own)
        await dropTails(objects, upload)
      })
    },
  }
}

/** The part size goes with S3's name of the upload, for S3 keeps nothing of the kind: `{bytes}.{name}`, 0 for unsaid. */
function nameOf({ upload_id }: UploadRef, part_size: number | null): string {
  return `${part_size ?? 0}.${upload_id}`
}

/** @throws MediaError `not_found` for a name that we have not given. */
export function readName({ ref, upload_id }: UploadRef): { own: UploadRef; part_size: number | null } {
  const match = /^(\d{1,13})\.([\x21-\x7e]+)$/.exec(upload_id)
  if (!match?.[2]) throw noUpload(upload_id)
  return { own: { ref, upload_id: match[2] }, part_size: Number(match[1]) || null }
}

function ownOf(upload: UploadRef): UploadRef | null {
  try {
    return readName(upload).own
  } catch (error) {
    if (codeOf(error) === 'not_found') return null
    throw error
  }
}

/** Of an upload whose part size nobody has said: the first part's, or of what is appended. */
function strideIn(parts: readonly Part[], isAppended: boolean): number {
  const [first] = parts
  if (first?.part_number !== 1) return isAppended || parts.length === 0 ? appendedPart : largest(parts)
  return Math.max(smallestPart, first.size)
}

function largest(parts: readonly Part[]): number {
  return parts.reduce((found, { size }) => Math.max(found, size), smallestPart)
}

/** A chain goes on from the parts, so the part after them is not there. */
function partsOf({ parts, chain, stride }: Standing): Part[] {
  const tail = partOfChain(chain, Math.floor((chain[0]?.from ?? 0) / stride) + 1)
  return tail ? [...parts, tail].sort((a, b) => a.part_number - b.part_number) : parts
}

function isTail({ parts }: Standing, { part_number }: Part): boolean {
  return !parts.some((part) => part.part_number === part_number)
}

export function endOf({ base, chain }: Standing): number {
  return chain.at(-1)?.to ?? base
}

function chooseIn(standing: Standing, named: Named): Part[] {
  const byNumber = new Map(partsOf(standing).map((part) => [part.part_number, part]))
  return chooseParts(byNumber, standing.stride, named)
}

/** @throws MediaError `size_mismatch` as soon as it does not hold. */
async function* exactly(source: AsyncIterable<Uint8Array>, size: number): AsyncIterable<Uint8Array> {
  const count = countPart(size)
  for await (const bytes of source) {
    count.add(bytes.length)
    yield bytes
  }
  count.end()
}
