import { type Admission, freeAdmission } from '../media/admission.ts'
import { isoTime } from '../media/clock.ts'
import { codeOf, MediaError } from '../media/errors.ts'
import { jobIdOf, jobStates, laneFor, newJob, over } from '../media/jobs.ts'
import { parseS3Url } from '../media/locations.ts'
import type { Log } from '../media/log.ts'
import type { Quota } from '../media/quota.ts'
import { type MediaRecord, tombstonePatch, type UploadDetails } from '../media/record.ts'
import { advance } from '../media/states.ts'
import type { UploadRef } from '../objects/port.ts'
import { type Queue, wake } from '../queue/port.ts'
import { type Begin, type BeginPorts, begin } from './begin.ts'
import { answeredBefore, assemble, checkSize, commitMedia, type FinishPorts, typeOf } from './finish.ts'
import { openTurns } from './in-turn.ts'
import { inOrder, type PartName } from './part-names.ts'

export type { Begin } from './begin.ts'

/** Uploads that come in pieces, whatever the door: begun, gone on with, made a media or given up. */
export interface Pending {
  /**
   * Makes the record (`uploading`) and its place in the store; both are durable when this resolves.
   * @throws MediaError `file_empty`, `too_large`, `unsupported_media` for a type that is said and never taken,
   * `unknown_profile`.
   */
  begin(given: Begin): Promise<MediaRecord>
  /**
   * The caller's upload, under way.
   * @throws MediaError `not_found` for an unknown, foreign, deleted one; `wrong_state` when it is complete.
   */
  find(user_id: string, media_id: string): Promise<Found>
  /** Notes the size that a sender left open. @throws MediaError `size_mismatch` when another is known, `too_large` */
  declareSize(found: Found, file_size: number): Promise<void>
  /**
   * Makes a media of what the store holds. Called again, or after its answer was lost, it answers the same media.
   * @param parts what the sender believes is held; whatever is held when not given.
   * @throws MediaError `not_found`; `invalid_parts`, `size_mismatch`, `file_empty`, `too_large`: then the upload goes on;
   * `unsupported_media`: then it is gone; `wrong_state` when it is complete with other parts.
   */
  finish(user_id: string, media_id: string, parts?: readonly PartName[]): Promise<MediaRecord>
  /** Gives the upload up: its parts are gone when this resolves. Again: nothing. @throws MediaError `not_found`, `wrong_state` */
  abort(user_id: string, media_id: string): Promise<void>
}

export interface Found {
  record: MediaRecord
  details: UploadDetails
  upload: UploadRef
}

export interface PendingPorts extends FinishPorts, BeginPorts {
  queue: Queue
  log: Log
  /** How much one user may have in flight; without it everything. */
  admission?: Admission
  /** Of the request at hand, for the job it makes; absent where nothing is traced. */
  traceparent?: () => string | null
  /** Told of each media that came in; must not throw. */
  onUpload?: (record: MediaRecord) => void
  /** How much one user may have at all; without it everything. */
  quota?: Quota
}

const purgeLane = 'tasks'
/** A note that lost a race is tried again on what it finds. */
const raceLimit = 8

type Upload = MediaRecord & { upload: UploadDetails }

export function openPending(ports: PendingPorts): Pending {
  const { metadata, queue, log, admission = freeAdmission } = ports
  // Two that finish or give up the same upload at once would each see half of what the other does.
  const inTurn = openTurns()

  async function own(user_id: string, media_id: string): Promise<Upload> {
    const record = await metadata.get(media_id)
    const { upload } = record ?? {}
    if (!record || !upload || record.user_id !== user_id) {
      throw new MediaError('not_found', `no upload ${media_id} of ${user_id}`)
    }
    return { ...record, upload }
  }

  async function find(user_id: string, media_id: string): Promise<Found> {
    const record = await own(user_id, media_id)
    if (record.status === 'deleted') throw new MediaError('not_found', `upload ${media_id} was given up`)
    if (record.status !== 'uploading') {
      throw new MediaError('wrong_state', `upload ${media_id} is complete`, { detail: 'The upload is complete.' })
    }
    return { record, details: record.upload, upload: refOf(record.upload) }
  }

  async function makeMedia(record: Upload, parts?: readonly PartName[]): Promise<MediaRecord> {
    const { media_id } = record
    try {
      const object = await assemble(ports, record, parts)
      const type = await typeOf(ports.objects, object)
      return await admission.admit(record.user_id, async (held) => {
        const completed = await commitMedia(ports, { record, object, type, parts, held, trace: ports.traceparent?.() })
        ports.onUpload?.(completed)
        const lane = laneFor(type.media_type, object.size)
        if (!held) await wake(queue, { job_id: jobIdOf(media_id, 'process'), lane }, log)
        return completed
      })
    } catch (error) {
      if (codeOf(error) === 'unsupported_media') await giveUp(ports, record, 'unsupported_media')
      throw error
    }
  }

  async function finish(user_id: string, media_id: string, parts?: readonly PartName[]): Promise<MediaRecord> {
    const record = await own(user_id, media_id)
    if (record.status !== 'uploading') return answeredBefore(record, parts)
    try {
      return await makeMedia(record, parts)
    } catch (error) {
      // Another process has finished it, or given it up, at the same time.
      if (codeOf(error) !== 'conflict' && codeOf(error) !== 'not_found') throw error
      const found = await own(user_id, media_id)
      if (found.status === 'uploading') throw error
      return answeredBefore(found, parts)
    }
  }

  async function abort(user_id: string, media_id: string): Promise<void> {
    for (let tries = 1; ; tries++) {
      const record = await own(user_id, media_id)
      if (record.status === 'deleted') return
      if (record.status !== 'uploading') {
        const detail = 'The upload is complete. Remove the media with DELETE /api/media/{media_id}.'
        throw new MediaError('wrong_state', `upload ${media_id} is complete`, { detail })
      }
      try {
        return await giveUp(ports, record, 'sender')
      } catch (error) {
        if (codeOf(error) !== 'conflict' || tries === raceLimit) throw error
      }
    }
  }

  return {
    begin: async (given) => await begin(ports, given),
    find,

    declareSize: async ({ record: { user_id, media_id } }, file_size) => {
      for (let tries = 1; ; tries++) {
        const { record, details } = await find(user_id, media_id)
        if (details.file_size === file_size) return
        if (details.file_size !== null) {
          throw new MediaError('size_mismatch', `${details.file_size} bytes were declared, and now ${file_size}`)
        }
        checkSize(file_size, ports)
        await ports.quota?.check(user_id, { media: 0, bytes: file_size })
        const { version } = record
        try {
          await metadata.commit({ media_id, expect: { version }, patch: { upload: { ...details, file_size } } })
          return
        } catch (error) {
          // Renamed, or declared, at the same time.
          if (codeOf(error) !== 'conflict' || tries === raceLimit) throw error
        }
      }
    },

    finish: (user_id, media_id, parts) => inTurn(media_id, () => finish(user_id, media_id, parts && inOrder(parts))),
    abort: (user_id, media_id) => inTurn(media_id, () => abort(user_id, media_id)),
  }
}

function refOf({ s3_url, upload_id }: UploadDetails): UploadRef {
  return { ref: parseS3Url(s3_url), upload_id }
}

/** A tombstone; the parts go at once, and what is left of them by the purge job. */
async function giveUp(ports: PendingPorts, record: Upload, reason: 'sender' | 'unsupported_media'): Promise<void> {
  const { metadata, objects, queue, clock, log } = ports
  const { media_id, user_id, upload } = record
  const now = clock.now()
  const at = isoTime(now)
  const { event } = advance(record.status, 'aborted')
  // Who asks again is told again.
  const error = reason === 'sender' ? null : { code: reason, message: 'This is no image, video or sound.' }
  await metadata.commit({
    media_id,
    expect: { status: ['uploading'] },
    patch: { ...tombstonePatch(record, at), error },
    jobs: [
      { job_id: jobIdOf(media_id, 'expire'), expect: { states: jobStates }, patch: over },
      { create: newJob({ media_id, user_id, kind: 'purge', lane: purgeLane, now }) },
    ],
    events: [{ type: event, at, data: { reason } }],
  })
  log.info({ audit: 'media.aborted', media_id, user_id, reason }, 'audit: an upload was given up')
  const remove = async () => {
    await objects.abortUpload(refOf(upload))
    await objects.remove(parseS3Url(upload.s3_url))
  }
  await remove().catch((cause) => log.warn({ media_id, error: cause }, 'parts of a given-up upload left to the purge'))
  await wake(queue, { job_id: jobIdOf(media_id, 'purge'), lane: purgeLane }, log)
}
