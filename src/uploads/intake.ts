import { type Admission, freeAdmission } from '../media/admission.ts'
import { type Chance, type Clock, isoTime } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import { jobIdOf, laneFor, newJob } from '../media/jobs.ts'
import { s3Url } from '../media/locations.ts'
import type { Log } from '../media/log.ts'
import { noQuota, type Quota } from '../media/quota.ts'
import { type MediaRecord, newRecord } from '../media/record.ts'
import { advance } from '../media/states.ts'
import type { Commit, Metadata } from '../metadata/port.ts'
import type { ObjectStore, Staged } from '../objects/port.ts'
import { type Queue, wake } from '../queue/port.ts'
import { bytesSaid, fingerprintOf, type Keyed, type Named, settleOrMake } from './idempotency.ts'
import { displayName } from './names.ts'
import { type Sniffed, sniff } from './sniff.ts'

/** The room behind all doors: whatever way bytes come in, they become a media here. */
export interface Intake {
  /**
   * Takes a file's bytes in, under no name yet. Nothing is left behind when it throws.
   * @throws MediaError `file_empty`, `unsupported_media` as soon as the head is there, `too_large` as soon as the limit
   * is passed, `quota_exceeded`; the store's `storage_full`, `unavailable`; what `source` throws; the signal's reason.
   */
  receive(incoming: Incoming): Promise<Received>
  /**
   * Makes a media of what was received: its bytes, record, job and event are durable when this resolves. Under a key that
   * has made one already, that one is answered and nothing of what was received is kept.
   * @throws MediaError `quota_exceeded`; `storage_full`, `unavailable`: then there is no media, and no bytes but what the lifecycle removes;
   * what `Keyed.settle` throws.
   */
  accept(received: Received, words: Words): Promise<MediaRecord>
}

export interface Words {
  title: string
  /** One of those that are offered, checked; null for the default. */
  profile?: string | null
  keyed?: Keyed | undefined
}

export interface Incoming {
  user_id: string
  /** As the sender says; only for showing. */
  filename: string | null
  source: AsyncIterable<Uint8Array>
  /** Whether it has a key, under which it may have been taken before: that costs nothing more. */
  keyed?: boolean
  /** Bytes; the form's limit when a door has none of its own. */
  limit?: number
  signal: AbortSignal
}

/** Exactly one of `Intake.accept` and `discard` is to be called; `discard` after a failed `accept` does no harm. */
export interface Received {
  user_id: string
  filename: string | null
  type: Sniffed
  staged: Staged
  discard(): Promise<void>
}

export interface IntakePorts {
  metadata: Metadata
  objects: ObjectStore
  queue: Queue
  clock: Clock
  chance: Chance
  log: Log
  /** How much one user may have in flight; without it everything. */
  admission?: Admission
  /** Of the request at hand, for the job it makes; absent where nothing is traced. */
  traceparent?: () => string | null
  /** Told of each media that came in; must not throw. */
  onUpload?: (record: MediaRecord) => void
  /** How much one user may have at all; without it everything. */
  quota?: Quota
  /** Bucket of raw bytes. */
  tempBucket: string
  /** Bytes. */
  formLimit: number
}

export function openIntake(ports: IntakePorts): Intake {
  const { objects, formLimit, quota = noQuota } = ports
  return {
    receive: async ({ user_id, filename, source, keyed = false, limit = formLimit, signal }) => {
      let type: Sniffed | null = null
      const onHead = (head: Uint8Array) => {
        type = admit(head)
      }
      if (!keyed) await quota.check(user_id, { media: 1, bytes: 0 })
      const staged = await objects.stage(source, { limit, signal, onHead })
      return {
        user_id,
        filename: displayName(filename),
        type: type ?? admit(new Uint8Array()),
        staged,
        discard: staged.discard,
      }
    },

    accept: async (received, { title, profile = null, keyed }) => {
      const { filename, staged } = received
      let kept = false
      const record = await settleOrMake(
        keyed,
        () => fingerprintOf({ title, filename, ...(profile !== null && { profile }), ...bytesSaid(staged) }),
        async (named) => {
          kept = true
          return await makeMedia(ports, received, { title, profile, named })
        },
      )
      if (!kept) await received.discard()
      return record
    },
  }
}

async function makeMedia(
  ports: IntakePorts,
  received: Received,
  { title, profile, named }: { title: string; profile: string | null; named: Named | undefined },
): Promise<MediaRecord> {
  const { objects, queue, chance, clock, log, tempBucket, admission = freeAdmission } = ports
  const { type, staged } = received
  await ports.quota?.check(received.user_id, { media: 1, bytes: staged.size })
  const media_id = named?.media_id ?? chance.uuid()
  // Under one key two may come at once: each keeps its bytes in a place of its own until it is settled whose they are.
  const place = named ? `${media_id}.${chance.secret(8).toString('hex')}` : media_id
  const ref = { bucket: tempBucket, key: `${place}.${type.extension}` }
  await staged.commit(ref, { content_type: type.content_type })
  const born = {
    media_id,
    title,
    profile,
    idempotency: named?.fingerprint ?? null,
    temp_s3_url: s3Url(ref),
    now: clock.now(),
  }
  const lane = laneFor(type.media_type, staged.size)
  return await admission.admit(received.user_id, async (held) => {
    const change = firstCommit(received, { ...born, held, trace: ports.traceparent?.() })
    const record = await commitOrRemove(ports, change, () => objects.remove(ref))
    ports.onUpload?.(record)
    if (!held) await wake(queue, { job_id: jobIdOf(media_id, 'process'), lane }, log)
    return record
  })
}

/** @throws MediaError `file_empty`, `unsupported_media` */
function admit(head: Uint8Array): Sniffed {
  if (head.length === 0) throw new MediaError('file_empty', 'a file without bytes')
  const type = sniff(head)
  if (!type) throw new MediaError('unsupported_media', 'bytes of no type that is taken')
  return type
}

type Born = Pick<MediaRecord, 'media_id' | 'title' | 'profile' | 'idempotency'> & {
  temp_s3_url: string
  now: number
  held: boolean
  trace: string | null | undefined
}

/** Record, job and event come into being in one commit. */
function firstCommit(
  { user_id, filename, type, staged }: Received,
  { media_id, title, profile, idempotency, temp_s3_url, now, held, trace }: Born,
): Commit {
  const { media_type, content_type } = type
  const { status, event } = advance('uploading', 'uploaded')
  const lane = laneFor(media_type, staged.size)
  const at = isoTime(now)
  return {
    media_id,
    expect: { absent: true },
    create: newRecord({
      ...{ media_id, user_id, title, profile, media_type, upload_time: at, status },
      ...{ temp_s3_url, etag: staged.etag, file_size: staged.size, filename, content_type, idempotency },
    }),
    jobs: [{ create: newJob({ media_id, user_id, kind: 'process', lane, now, held, trace }) }],
    events: [{ type: event, at }],
  }
}

/** A commit may have happened though it failed: bytes are removed only when the record is known not to be there. */
async function commitOrRemove({ metadata, log }: IntakePorts, change: Commit, removeBytes: () => Promise<void>) {
  const { media_id, create } = change
  try {
    return (await metadata.commit(change)).record
  } catch (error) {
    const found = await metadata.get(media_id).catch(() => 'unknown' as const)
    if (found === 'unknown') throw error
    if (found !== null && found.user_id === create?.user_id && found.temp_s3_url === create.temp_s3_url) return found
    // Of two that came under one key, the one that is not in the record goes.
    if (found === null || found.temp_s3_url !== create?.temp_s3_url) {
      await removeBytes().catch((cause) => log.warn({ media_id, error: cause }, 'raw bytes left to the lifecycle'))
    }
    throw error
  }
}
