import { type Chance, isoTime } from '../media/clock.ts'
import { codeOf, type ErrorCode, MediaError } from '../media/errors.ts'
import { type Job, type Lane, parked, requeued } from '../media/jobs.ts'
import { outputPrefix, s3Url } from '../media/locations.ts'
import { planFolder, segmentFolder, segmentNameOf } from '../media/segments.ts'
import { advance } from '../media/states.ts'
import type { ObjectStore } from '../objects/port.ts'
import { hasDeadLetters, wake } from '../queue/port.ts'
import type { Claim } from './claim.ts'
import type { Ending } from './ending.ts'
import { outcomes, pauseAfter } from './outcomes.ts'
import { tidyLater } from './perform.ts'
import { report, type Segmenting } from './segments.ts'
import type { JobOutcome } from './watch.ts'

export interface Settling extends Segmenting {
  objects: ObjectStore
  chance: Chance
  processedBucket: string
  maxAttempts: number
  /** The lane on which a job that was cut short goes on; its own when not given. */
  handBackLane?: Lane
}

/** Tries after which pauses grow no more: who only asks for time may have any number of those. */
const longestPauseAttempts = 9

/** Work on bytes that must go in the end, or on nobody's file, is tried for days before a person is asked. */
const patientAttempts = 1_000

export function attemptLimit(job: Job, maxAttempts: number): number {
  return job.kind === 'process' || job.kind === 'segment' ? maxAttempts : patientAttempts
}

/**
 * Commits how a job ended, under its token. Tries again while the metadata cannot be reached.
 * Resolves false when the job has meanwhile passed to another, or its media was deleted: then nothing was changed.
 */
export async function settle({ job }: Claim, ending: Ending, doing: Settling, signal?: AbortSignal): Promise<boolean> {
  const { metadata, clock, chance, log } = doing
  const { job_id, media_id, token } = job
  const change = { job_id, expect: { states: ['running'] as const, token }, patch: ending.job }
  for (let tries = 1; ; tries++) {
    try {
      await metadata.commit({ ...ending.media, media_id, jobs: [change, ...(ending.media.jobs ?? [])] })
      break
    } catch (error) {
      const code = codeOf(error)
      if (code !== 'conflict' && code !== 'unavailable' && code !== 'storage_full') throw error
      // An answer may have been lost after its commit: only the job itself can tell.
      const found = await metadata.getJob(job_id).catch(() => null)
      if (found && (found.token !== token || found.state !== 'running')) {
        if (found.token === token && found.state === ending.job.state) break
        return false
      }
      if (code === 'conflict' && found) return false
      log.warn({ job_id, error }, 'commit of a finished job failed; trying again')
      await clock.sleep(pauseAfter(tries, chance.random()), signal)
    }
  }
  await ending.after?.().catch((error) => log.warn({ job_id, error }, 'raw media not marked as done'))
  return true
}

/**
 * What becomes of a job that threw: handed back, tried again later, or parked with its media `failed`.
 * @param left `mayStand` when its commit may have held though nobody saw the answer, `published` when the record may name
 *   some of its outputs already: then they are not ours to remove.
 */
export async function settleFailure(
  claim: Claim,
  error: unknown,
  doing: Settling,
  { mayStand, published }: { mayStand: boolean; published: boolean },
): Promise<JobOutcome> {
  const { job } = claim
  const { queue, log } = doing
  const code = codeOf(error)
  const about = { job_id: job.job_id, attempt: job.attempts, token: job.token, code, error }
  if (code !== 'interrupted') log.warn(about, 'job failed')
  if (!mayStand) await removeOutputs(claim, doing, published)
  if (code === 'lease_lost') return 'lost'
  const ending = code === 'interrupted' ? handBack(claim, doing) : retryOrPark(claim, error, doing, published)
  const settled = await settle(claim, ending, doing)
  if (!settled) return 'lost'
  if (ending.job.state === 'parked') {
    await bury(job, code, doing)
    return 'parked'
  }
  if (code !== 'interrupted') return 'retried'
  log.info(about, 'job handed back')
  await wake(queue, { ...job, lane: doing.handBackLane ?? job.lane }, log)
  return 'handed_back'
}

/** Where the queue has a place for them; a file that is bad itself is its owner's matter and no dead letter. */
async function bury({ job_id, kind, attempts }: Job, code: ErrorCode, { queue, log }: Settling): Promise<void> {
  if ((kind === 'process' && !isOurs(code)) || !hasDeadLetters(queue)) return
  await queue.deadLetters
    .bury({ job_id }, `${code} after ${attempts} attempts`)
    .catch((error) => log.warn({ job_id, error }, 'a parked job is not among the dead letters'))
}

/** Whether it is not the file's fault. */
function isOurs(code: ErrorCode): boolean {
  return code === 'gave_up' || outcomes[code].action === 'retry'
}

/** The attempt's own version only, so that nothing another worker made is touched; and nothing that may be played already. */
async function removeOutputs({ job }: Claim, doing: Settling, published: boolean): Promise<void> {
  const { metadata, objects, processedBucket, log } = doing
  const prefix = prefixOf(job)
  if (prefix === null) return
  try {
    const record = published ? await metadata.get(job.media_id) : null
    const isNamed = record?.processed_s3_url?.startsWith(s3Url({ bucket: processedBucket, key: prefix }))
    if (record && record.status !== 'deleted' && (isNamed || record.status === 'processing')) return
    await objects.removePrefix(processedBucket, prefix)
    if (job.kind === 'process') await objects.removePrefix(processedBucket, planFolder(job.media_id, job.token))
  } catch (error) {
    log.warn({ job_id: job.job_id, error }, 'outputs of a failed attempt not removed')
  }
}

function prefixOf(job: Job): string | null {
  const { kind, media_id, token } = job
  if (kind === 'process') return outputPrefix(media_id, token)
  return kind === 'segment' ? segmentFolder(media_id, segmentNameOf(job), token) : null
}

/** An attempt that we cut short is not counted. */
function handBack({ job, record }: Claim, { clock, handBackLane = job.lane }: Settling): Ending {
  const attempts = job.attempts - 1
  const media = { expect: {}, ...(job.kind === 'process' ? { patch: { attempts: record.attempts - 1 } } : {}) }
  return { job: { ...requeued(clock.now()), lane: handBackLane, attempts }, media }
}

function retryOrPark({ job, record }: Claim, error: unknown, doing: Settling, published: boolean): Ending {
  const { clock, chance, maxAttempts } = doing
  const code = codeOf(error)
  const last_error = `${code}: ${error instanceof Error ? error.message : String(error)}`.slice(0, 2_000)
  const now = clock.now()
  if (outcomes[code].action === 'wait') return waitLonger({ job, record }, { now, random: chance.random(), last_error })
  const onlyLater = code === 'slow_down' && job.kind !== 'process'
  const attempts = onlyLater ? Math.min(job.attempts, longestPauseAttempts) : job.attempts
  if (outcomes[code].action === 'retry' && attempts < attemptLimit(job, maxAttempts)) {
    const due_at = now + pauseAfter(job.attempts, chance.random())
    return { job: { ...requeued(due_at), attempts, last_error }, media: { expect: {} } }
  }
  if (job.kind === 'segment') {
    return { job: parked(now, last_error), media: { expect: {} }, after: () => report(job, doing) }
  }
  if (job.kind !== 'process') return { job: parked(now, last_error), media: { expect: {} } }
  const { status, event } = advance(record.status, 'failed')
  const failure = { code, message: outcomes[code].message }
  const events = [{ type: event, at: isoTime(now), data: { ...failure, attempt: job.attempts } }]
  // What an attempt has published goes on playing, unless the file itself is at fault.
  const patch = { status, error: failure, ...(isOurs(code) ? {} : { playable: false }) }
  const jobs = tidyLater(job, now, published || record.playable)
  return { job: parked(now, last_error), media: { expect: { status: ['processing'] }, patch, jobs, events } }
}

const waitMs = 30_000

/** What a job waits for will come: the attempt is not counted. */
function waitLonger(
  { job, record }: Claim,
  { now, random, last_error }: { now: number; random: number; last_error: string },
): Ending {
  const attempts = job.attempts - 1
  const media = { expect: {}, ...(job.kind === 'process' ? { patch: { attempts: record.attempts - 1 } } : {}) }
  return { job: { ...requeued(now + waitMs * (0.5 + random / 2)), attempts, last_error }, media }
}

/** @throws MediaError `gave_up` for a job that has killed its workers too often to be tried once more. */
export function refuseEndless(job: Job, maxAttempts: number): void {
  if (job.attempts <= attemptLimit(job, maxAttempts)) return
  throw new MediaError('gave_up', `job ${job.job_id} never came to an end in ${job.attempts - 1} attempts`, {
    cause: job.last_error,
  })
}
