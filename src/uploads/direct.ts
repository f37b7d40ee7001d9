import type { Clock } from '../media/clock.ts'
import { codeOf, MediaError } from '../media/errors.ts'
import type { MediaRecord, UploadDetails } from '../media/record.ts'
import { type Held, type ObjectStore, type Part, type Presigning, partLimit, smallestPart } from '../objects/port.ts'
import { fingerprintOf, type Keyed, type Named, settleOrMake } from './idempotency.ts'
import type { PartName } from './part-names.ts'
import type { Found, Pending } from './pending.ts'

/** Uploads whose bytes go straight to the object store, by signed addresses: the API only says where, and what came. */
export interface DirectDoor {
  /** @throws MediaError `file_empty`, `too_large`, `unsupported_media`, `unknown_profile` */
  init(given: Init): Promise<Plan>
  /** Fresh addresses. @throws MediaError `not_found`, `wrong_state` when complete, `invalid_parts` for a number that is none. */
  sign(user_id: string, media_id: string, part_numbers: readonly number[]): Promise<SignedPart[]>
  /** What the store holds. @throws MediaError `not_found`, `wrong_state` when complete. */
  state(user_id: string, media_id: string): Promise<State>
  /** As `Pending.finish`. @throws MediaError `wrong_state` for an upload by tus */
  complete(user_id: string, media_id: string, parts: readonly PartName[]): Promise<MediaRecord>
  /** As `Pending.abort`. */
  abort(user_id: string, media_id: string): Promise<void>
}

export interface Init {
  user_id: string
  title: string
  filename: string
  content_type: string
  /** Bytes. */
  file_size: number
  /** The default when not given. */
  profile?: string | undefined
  checksum?: string | undefined
  /** Of a request with an `Idempotency-Key`. */
  keyed?: Keyed | undefined
}

export interface SignedPart {
  part_number: number
  url: string
}

export interface Plan {
  media_id: string
  /** Bytes of each part but the last. */
  part_size: number
  part_count: number
  /** The first ones. */
  parts: SignedPart[]
  expires_at: string
}

export interface State {
  media_id: string
  part_size: number | null
  part_count: number | null
  expires_at: string
  file_size: number | null
  stored_bytes: number
  parts: Part[]
}

/** Parts whose addresses come with the first answer. */
const signedAtOnce = 100
/** Seconds that an address is good for, at most. */
export const urlSeconds = 2 * 3600
const mebi = 1024 * 1024

export interface DirectPorts {
  pending: Pending
  objects: Pick<ObjectStore, 'heldOf' | 'head'> & Presigning
  clock: Clock
}

export function openDirectDoor(ports: DirectPorts): DirectDoor {
  const { pending } = ports
  return {
    init: async ({ keyed, user_id, ...said }) => {
      const part_size = partSizeOf(said.file_size)
      const begin = async (idempotent?: Named) =>
        await pending.begin({ ...said, user_id, door: 'direct', part_size, idempotent })
      return await planOf(ports, await settleOrMake(keyed, () => fingerprintOf(said), begin))
    },

    sign: async (user_id, media_id, part_numbers) => {
      const found = await pending.find(user_id, media_id)
      refuseAppended(found)
      return await signParts(ports, found, part_numbers)
    },

    state: async (user_id, media_id) => {
      const found = await pending.find(user_id, media_id)
      const { details } = found
      const { part_size, file_size, expires_at } = details
      const { parts } = await heldOrComplete(ports, found)
      const stored_bytes = parts.reduce((sum, { size }) => sum + size, 0)
      return { media_id, part_size, part_count: countOf(details), expires_at, file_size, stored_bytes, parts }
    },

    complete: async (user_id, media_id, parts) => {
      // What is not under way is answered by who finishes.
      const found = await pending.find(user_id, media_id).catch(() => null)
      if (found) refuseAppended(found)
      return await pending.finish(user_id, media_id, parts)
    },
    abort: pending.abort,
  }
}

/** What is appended is over when its sender says so: what is held may be half a file. @throws MediaError `wrong_state` */
function refuseAppended({ details, record }: Found): void {
  if (details.door !== 'tus') return
  throw new MediaError('wrong_state', `parts of ${record.media_id}, which is sent by tus`, {
    detail: 'This upload is gone on with where it was begun: at the address of resumable uploads.',
  })
}

/** Bytes of each part but the last: as few parts as S3 takes, of whole MiB. */
export function partSizeOf(file_size: number): number {
  return Math.ceil(Math.max(smallestPart, file_size / partLimit) / mebi) * mebi
}

function countOf({ part_size, file_size }: UploadDetails): number | null {
  return part_size === null || file_size === null ? null : Math.ceil(file_size / part_size)
}

async function planOf(ports: DirectPorts, record: MediaRecord): Promise<Plan> {
  const { media_id, user_id, upload, status } = record
  const part_size = upload?.part_size ?? null
  const part_count = upload && countOf(upload)
  if (!upload || part_size === null || part_count === null) {
    throw new MediaError('internal', `upload ${media_id} was begun without sizes`)
  }
  const first = Array.from({ length: Math.min(part_count, signedAtOnce) }, (_, index) => index + 1)
  // The answer to a repeated request may find the upload complete: there is nothing left to sign.
  const parts = status === 'uploading' ? await signParts(ports, await ports.pending.find(user_id, media_id), first) : []
  return { media_id, part_size, part_count, parts, expires_at: upload.expires_at }
}

/** Each address takes as many bytes as its part has, where that is known. */
async function signParts(
  { objects, clock }: DirectPorts,
  { details, upload }: Found,
  part_numbers: readonly number[],
): Promise<SignedPart[]> {
  const left = Math.ceil((Date.parse(details.expires_at) - clock.now()) / 1_000)
  if (left < 1) throw new MediaError('not_found', `upload ${upload.upload_id} has expired`)
  const expires_in = Math.min(urlSeconds, left)
  const count = countOf(details) ?? partLimit
  const sign = async (part_number: number) => {
    if (part_number > count) throw noSuchPart(part_number, count)
    const size = sizeOf(part_number, details)
    return { part_number, url: await objects.presignPart(upload, { part_number, size, expires_in }) }
  }
  return await Promise.all(part_numbers.map(sign))
}

function sizeOf(part_number: number, { part_size, file_size }: UploadDetails): number | null {
  if (part_size === null || file_size === null) return null
  return Math.min(part_size, file_size - (part_number - 1) * part_size)
}

function noSuchPart(part_number: number, count: number): MediaError {
  return new MediaError('invalid_parts', `part ${part_number} of ${count}`, {
    detail: `There is no part ${part_number}: this upload has ${count}.`,
  })
}

/**
 * What is held. A crash may have come after the parts were made one object and before the record knew it: then the
 * upload is finished first, so that nobody takes it for lost.
 * @throws MediaError `wrong_state` when it is complete, and whatever finishing it may.
 */
async function heldOrComplete({ pending, objects }: DirectPorts, { record, upload }: Found): Promise<Held> {
  try {
    return await objects.heldOf(upload)
  } catch (error) {
    if (codeOf(error) !== 'not_found' || !(await objects.head(upload.ref))) throw error
    await pending.finish(record.user_id, record.media_id)
    throw new MediaError('wrong_state', `upload ${record.media_id} is complete`, { detail: 'The upload is complete.' })
  }
}
