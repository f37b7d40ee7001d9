import { isoTime } from '../media/clock.ts'
import { codeOf, MediaError } from '../media/errors.ts'
import { type Job, type JobKind, newJob, over } from '../media/jobs.ts'
import { type ObjectRef, outputPrefix, parseS3Url, s3Url } from '../media/locations.ts'
import type { Measured } from '../media/measured.ts'
import { tombstonePatch } from '../media/record.ts'
import { isUnderWay, newestCut, workFolder } from '../media/segments.ts'
import { advance } from '../media/states.ts'
import type { JobChange } from '../metadata/port.ts'
import { canCut, type Playable } from '../processing/process.ts'
import type { Claim } from './claim.ts'
import type { Attempt, Ending } from './ending.ts'
import type { Performing } from './performing.ts'
import { purgeMedia } from './purge.ts'
import { cutInto, makeSegment, segmentsOf, wait } from './segments.ts'

type Perform = (claim: Claim, doing: Performing, attempt: Attempt) => Promise<Ending>

/** What each kind of job does. */
export const performers: Record<JobKind, Perform> = {
  process: processMedia,
  purge: purgeMedia,
  tidy: tidyOutputs,
  expire: expireUpload,
  segment: makeSegment,
}

const tidyAfter = 24 * 3_600_000

async function processMedia(claim: Claim, doing: Performing, attempt: Attempt): Promise<Ending> {
  const { record, job } = claim
  const { objects, processor, clock, metadata, processedBucket } = doing
  const { token, media_id } = job
  const { signal, onProgress, onPublishing } = attempt
  // What was never claimed before was never cut.
  const cut = token === 1 ? null : newestCut(await metadata.jobsOf(media_id))
  if (cut && isUnderWay(cut)) return wait(claim, cut, doing)
  const onPlayable = async (early: Playable) => {
    onPublishing(true)
    const refused = (await publish(claim, early, doing)) === 'refused'
    if (!refused) return
    onPublishing(false)
    throw new MediaError('lease_lost', `job ${job.job_id} passed to another before its film was there`)
  }
  const told: Partial<Pick<Measured, 'steps'>> = {}
  const onSteps = (steps: Measured['steps']) => void (told.steps = steps)
  const task = { record, token, signal, onProgress, onPlayable, onSteps }
  const processed = canCut(processor)
    ? await processor.processOrCut({ ...task, segments: segmentsOf(cut) })
    : await processor.process(task)
  if ('segments' in processed) return await cutInto(processed.segments, claim, doing)
  const now = clock.now()
  const { status, event } = advance('processing', 'processed')
  const { temp_s3_url } = record
  return {
    job: { ...over, progress: 100, last_error: null },
    media: {
      expect: { status: ['processing'] },
      patch: { ...processed, status, playable: true, error: null },
      jobs: tidyLater(job, now),
      events: [{ type: event, at: isoTime(now), data: { attempt: job.attempts, token, ...told } }],
    },
    after: async () => {
      if (temp_s3_url) await objects.markDone(parseS3Url(temp_s3_url))
      if (cut) await objects.removePrefix(processedBucket, workFolder(media_id))
      if (cut) await objects.removePrefix(processedBucket, workFolder(media_id))
    },
  }
}

/**
 * Lets be played what can be played already; a version of an earlier attempt gives way to it, and goes with the final
 * commit's tidying. Metadata that do not answer cost only this.
 */
async function publish(
  { job }: Claim,
  early: Playable,
  { metadata, clock }: Performing,
): Promise<'done' | 'refused' | 'unknown'> {
  const { job_id, media_id, token, attempts } = job
  try {
    await metadata.commit({
      media_id,
      expect: { status: ['processing'] },
      patch: { ...early, playable: true },
      jobs: [{ job_id, expect: { states: ['running'], token }, patch: {} }],
      events: [{ type: 'media.playable', at: isoTime(clock.now()), data: { attempt: attempts, token } }],
    })
    return 'done'
  } catch (error) {
    const code = codeOf(error)
    if (code === 'conflict') return 'refused'
    if (code === 'unavailable' || code === 'storage_full') return 'unknown'
    throw error
  }
}

/** Attempts whose end nobody saw may have left outputs; only the first has none before it, and its own when it published any. */
export function tidyLater({ media_id, user_id, token }: Job, now: number, published = false): JobChange[] {
  if (token === 1 && !published) return []
  const job = newJob({ media_id, user_id, kind: 'tidy', lane: 'tasks', now, due_at: now + tidyAfter })
  return [{ create: { ...job, job_id: `${job.job_id}.${token}` } }]
}

/**
 * Removes the outputs of attempts up to the job's own, but not the version that the record names; of one that never came
 * to its end, only what the record names is left. All, when the media is deleted.
 */
async function tidyOutputs({ job, record }: Claim, { objects, processedBucket }: Performing): Promise<Ending> {
  const { media_id, status, processed_s3_url, thumbnail_s3_url, renditions } = record
  if (status === 'deleted') {
    await objects.removePrefix(processedBucket, `${media_id}/`)
    return { job: over, media: { expect: {} } }
  }
  const last = Number(job.job_id.split('.').at(-1))
  const winner = versionIn(processed_s3_url ?? '')
  const named = [processed_s3_url, thumbnail_s3_url, ...renditions.map(({ s3_url }) => s3_url)]
  const stale = new Set<number>()
  const unnamed: ObjectRef[] = []
  for await (const { ref } of objects.list(processedBucket, `${media_id}/`)) {
    const version = versionIn(ref.key)
    if (version === null || version > last) continue
    if (version !== winner) stale.add(version)
    else if (status === 'failed' && !named.includes(s3Url(ref))) unnamed.push(ref)
  }
  await objects.removePrefix(processedBucket, workFolder(media_id))
  for (const version of stale) await objects.removePrefix(processedBucket, outputPrefix(media_id, version))
  for (const ref of unnamed) await objects.remove(ref)
  return { job: over, media: { expect: {} } }
}

/** An upload that is not complete in time is given up, as its sender could have done. */
async function expireUpload({ record }: Claim, { clock, log }: Performing): Promise<Ending> {
  const { media_id, user_id, status } = record
  if (status !== 'uploading') return { job: over, media: { expect: {} } }
  const now = clock.now()
  const { event } = advance(status, 'aborted')
  return {
    job: over,
    media: {
      expect: { status: ['uploading'] },
      patch: tombstonePatch(record, isoTime(now)),
      jobs: [{ create: newJob({ media_id, user_id, kind: 'purge', lane: 'tasks', now }) }],
      events: [{ type: event, at: isoTime(now), data: { reason: 'expired' } }],
    },
    after: async () => {
      log.info({ audit: 'media.aborted', media_id, user_id, reason: 'expired' }, 'audit: an upload expired')
    },
  }
}

function versionIn(address: string): number | null {
  const version = /\/v(\d+)\//.exec(address)?.[1]
  return version === undefined ? null : Number(version)
}
