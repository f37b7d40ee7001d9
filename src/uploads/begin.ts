import { type Chance, type Clock, isoTime } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import { newJob } from '../media/jobs.ts'
import { s3Url } from '../media/locations.ts'
import type { Quota } from '../media/quota.ts'
import { type MediaRecord, newRecord, type UploadDetails } from '../media/record.ts'
import type { Commit, Metadata } from '../metadata/port.ts'
import type { ObjectStore } from '../objects/port.ts'
import { checkSize } from './finish.ts'
import { guessType } from './guess.ts'
import { displayName } from './names.ts'
import { checkProfile } from './profile-name.ts'
import type { Sniffed } from './sniffed.ts'

export interface BeginPorts {
  metadata: Metadata
  objects: ObjectStore
  clock: Clock
  chance: Chance
  /** Bucket of raw bytes. */
  tempBucket: string
  /** Bytes of a file, at most. */
  maxBytes: number
  /** How long an upload may take. */
  expirySeconds: number
  /** How much one user may have at all; without it everything. */
  quota?: Quota
  /** That may be named, `default` first. */
  profiles?: readonly string[]
}

export interface Begin {
  user_id: string
  door: UploadDetails['door']
  title: string
  filename: string | null
  /** As the sender says; null when he does not. */
  content_type: string | null
  /** Bytes; null when the sender does not say yet. */
  file_size: number | null
  /** Bytes; null: as the first part's. */
  part_size: number | null
  /** As the sender names it. */
  profile?: string | null | undefined
  checksum?: string | null | undefined
  metadata?: string | null | undefined
  /** Under which it is made, when the sender gave a key. */
  idempotent?: { media_id: string; fingerprint: string } | undefined
}

/** The place in the store first, then the record: what a crash leaves between the two goes with the bucket's lifecycle. */
export async function begin(ports: BeginPorts, given: Begin): Promise<MediaRecord> {
  const { metadata, objects, clock, chance, tempBucket, expirySeconds } = ports
  const { door, content_type, part_size, file_size, checksum = null, metadata: said = null } = given
  if (file_size !== null) checkSize(file_size, ports)
  const filename = displayName(given.filename)
  const profile = checkProfile(given.profile, ports.profiles)
  const guess = guessType({ content_type, filename })
  if (guess === 'refused') throw new MediaError('unsupported_media', `announced as ${content_type}`)
  await ports.quota?.check(given.user_id, { media: 1, bytes: file_size ?? 0 })
  const media_id = given.idempotent?.media_id ?? chance.uuid()
  const ref = { bucket: tempBucket, key: guess ? `${media_id}.${guess.extension}` : media_id }
  const stored_type = guess?.content_type ?? 'application/octet-stream'
  const { upload_id } = await objects.beginUpload(ref, { content_type: stored_type, part_size })
  const now = clock.now()
  const expires = now + expirySeconds * 1_000
  const expires_at = isoTime(expires)
  const details = { door, upload_id, s3_url: s3Url(ref), part_size, file_size, checksum, expires_at, metadata: said }
  const change = firstCommit({ ...given, filename, profile }, { media_id, guess, details, now, expires })
  try {
    return (await metadata.commit(change)).record
  } catch (error) {
    const found = await metadata.get(media_id).catch(() => 'unknown' as const)
    if (found !== 'unknown' && found?.upload?.upload_id === upload_id) return found
    // Unknown: the lifecycle removes it, should there be no record.
    if (found !== 'unknown') await objects.abortUpload({ ref, upload_id }).catch(() => {})
    throw error
  }
}

interface Birth {
  media_id: string
  guess: Sniffed | null
  details: UploadDetails
  now: number
  expires: number
}

/** The record of an upload that begins, and the job that ends it when nobody does. */
function firstCommit(
  given: Begin & { profile: string | null },
  { media_id, guess, details, now, expires }: Birth,
): Commit {
  const { user_id, title, filename, profile, door } = given
  const at = isoTime(now)
  const expiry = newJob({ media_id, user_id, kind: 'expire', lane: 'tasks', now, due_at: expires })
  return {
    media_id,
    expect: { absent: true },
    create: newRecord({
      ...{ media_id, user_id, title, filename, profile, upload_time: at, status: 'uploading' },
      media_type: guess?.media_type ?? null,
      upload: details,
      idempotency: given.idempotent?.fingerprint ?? null,
    }),
    jobs: [{ create: expiry }],
    events: [{ type: 'media.created', at, data: { door } }],
  }
}
