import { freeAdmission } from '../media/admission.ts'
import { isoTime } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import { firstWakeAfter, heldBack, type Job, jobIdOf, laneFor, requeued } from '../media/jobs.ts'
import { parseS3Url } from '../media/locations.ts'
import type { MediaRecord } from '../media/record.ts'
import { advance, legalFrom } from '../media/states.ts'
import type { Commit } from '../metadata/port.ts'
import type { ObjectStore } from '../objects/port.ts'
import { wake } from '../queue/port.ts'
import type { LibraryPorts } from './ports.ts'

/** Has a failed media processed again. @throws MediaError `wrong_state` unless failed, `raw_expired`, `conflict` */
export async function retryMedia(found: MediaRecord, ports: LibraryPorts): Promise<MediaRecord> {
  const { metadata, objects, queue, clock, log, admission = freeAdmission } = ports
  const { media_id } = found
  const { status } = advance(found.status, 'retried')
  if (!(await rawIsThere(objects, found))) throw new MediaError('raw_expired', `raw bytes of ${media_id} are gone`)
  const job_id = jobIdOf(media_id, 'process')
  const now = clock.now()
  return await admission.admit(found.user_id, async (held) => {
    const patch = { ...fresh(now), ...(held && heldBack(now)) }
    const { record } = await metadata.commit({
      media_id,
      expect: { version: found.version, status: legalFrom('retried') },
      patch: { status, error: null, attempts: 0 },
      jobs: [{ job_id, expect: { states: ['parked', 'done'] }, patch }],
      events: [{ type: 'media.retried', at: isoTime(now) }],
    })
    if (!held) await wake(queue, { job_id, lane: laneFor(record.media_type, record.file_size ?? 0) }, log)
    return record
  })
}

function fresh(now: number) {
  return { ...requeued(now, now + firstWakeAfter), attempts: 0, last_error: null }
}

async function rawIsThere(objects: ObjectStore, { temp_s3_url }: MediaRecord): Promise<boolean> {
  return temp_s3_url !== null && (await objects.head(parseS3Url(temp_s3_url))) !== null
}

/** Has a parked job tried again, whoever's it is. @throws MediaError `not_found`, `wrong_state`, `raw_expired`, `conflict` */
export async function replayJob(job_id: string, ports: LibraryPorts): Promise<Job> {
  const { metadata, queue, clock, log } = ports
  const job = await metadata.getJob(job_id)
  const record = job && (await metadata.get(job.media_id))
  if (!job || !record) throw new MediaError('not_found', `no job ${job_id}`)
  if (job.state !== 'parked') {
    throw new MediaError('wrong_state', `${job_id} is ${job.state}`, { detail: 'The job is not parked.' })
  }
  const { media_id, token, lane } = job
  // A failed media goes back to its start with its job; of other jobs the media knows nothing.
  if (job.kind === 'process') await retryMedia(record, ports)
  else {
    const change = { job_id, expect: { states: ['parked'], token }, patch: fresh(clock.now()) } as const
    await metadata.commit({ media_id, expect: {}, jobs: [change] } satisfies Commit)
    await wake(queue, { job_id, lane }, log)
  }
  log.info({ job_id, media_id }, 'a parked job is tried again')
  return (await metadata.getJob(job_id)) ?? job
}
