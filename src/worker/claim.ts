import { isoTime } from '../media/clock.ts'
import { codeOf } from '../media/errors.ts'
import { isClaimable, type Job, over } from '../media/jobs.ts'
import type { MediaRecord } from '../media/record.ts'
import { legalFrom } from '../media/states.ts'
import type { Commit, Metadata } from '../metadata/port.ts'

/** A job held under a lease, and its media as it was then. */
export interface Claim {
  job: Job
  record: MediaRecord
}

/** What a claim needs to know of the world. */
export interface Claiming {
  metadata: Metadata
  now: number
  leaseMs: number
  /** Who claims it. */
  worker_id?: string | null
}

/**
 * Takes a job for this worker by one conditional write that raises its token.
 * Null when there is nothing to do: done, not due, held by another, or lost to a faster one.
 */
export async function claimJob(
  job_id: string,
  { metadata, now, leaseMs, worker_id = null }: Claiming,
): Promise<Claim | null> {
  const job = await metadata.getJob(job_id)
  if (!job || !isClaimable(job, now)) return null
  const found = await metadata.get(job.media_id)
  if (!found) return null
  const claimed = held(job, now + leaseMs, worker_id)
  try {
    const { record } = await metadata.commit(claimCommit({ from: job, to: claimed, record: found, now }))
    return isMoot(job, record) ? null : { job: claimed, record }
  } catch (error) {
    if (codeOf(error) === 'conflict') return null
    throw error
  }
}

function held(job: Job, lease_until: number, worker: string | null): Job {
  const { token, attempts } = job
  return {
    ...job,
    state: 'running',
    token: token + 1,
    attempts: attempts + 1,
    lease_until,
    sweep_at: lease_until,
    wakes: 0,
    // Of a long video whose segments are made already.
    progress: job.state === 'queued' ? job.progress : 0,
    worker,
  }
}

/** A processing job whose media has gone another way (deleted, or done by hand) has nothing left to do; nor has a segment. */
function isMoot({ kind }: Job, { status }: MediaRecord): boolean {
  return (
    (kind === 'process' && !legalFrom('claimed').includes(status)) || (kind === 'segment' && status !== 'processing')
  )
}

function claimCommit({ from, to, record, now }: { from: Job; to: Job; record: MediaRecord; now: number }): Commit {
  const { media_id, job_id } = from
  const expect = { states: [from.state], token: from.token }
  if (isMoot(from, record)) return { media_id, expect: {}, jobs: [{ job_id, expect, patch: over }] }
  const { state, token, attempts, lease_until, sweep_at, wakes, progress, worker } = to
  const jobs = [{ job_id, expect, patch: { state, token, attempts, lease_until, sweep_at, wakes, progress, worker } }]
  if (from.kind !== 'process') return { media_id, expect: {}, jobs }
  return {
    media_id,
    expect: { status: legalFrom('claimed') },
    patch: { status: 'processing', attempts },
    jobs,
    events: [{ type: 'media.processing', at: isoTime(now), data: { attempt: attempts, token } }],
  }
}
