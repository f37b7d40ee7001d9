import { codeOf, MediaError } from '../media/errors.ts'
import { firstWakeAfter, isClaimable, type Job } from '../media/jobs.ts'
import type { MediaRecord } from '../media/record.ts'
import { wake } from '../queue/port.ts'
import { claimJob } from './claim.ts'
import { type Doing, runClaim } from './run.ts'
import type { JobOutcome } from './watch.ts'

/** `nothing` was to be done: done, not due, held by another, or of the long lane. `forwarded` to it. `no_time` to begin. */
export type WithinOutcome = JobOutcome | 'nothing' | 'forwarded' | 'no_time'

/** What is kept of the time for taking outputs back and handing the job on. Milliseconds. */
export const reserveMs = 10_000
/** With less than this beside the reserve nothing is begun. Milliseconds. */
const leastMs = 5_000

/**
 * Does the job of one wake-up where time is short, as in Lambda. What would take longer than is left goes to the lane
 * `tasks-long`, and so does what was begun and is not done in time; jobs of that lane are left to its own workers.
 * @param remaining milliseconds until this process is cut off
 * @throws what the metadata throw before the claim: then nothing has happened
 */
export async function performWithin(job_id: string, doing: Doing, remaining: () => number): Promise<WithinOutcome> {
  const { metadata, clock } = doing
  const job = await metadata.getJob(job_id)
  if (!job || job.lane === 'tasks-long' || !isClaimable(job, clock.now())) return 'nothing'
  const time = remaining() - reserveMs
  if (time < leastMs) return 'no_time'
  const record = await metadata.get(job.media_id)
  if (record && estimateMs(job, record) > time) return await forward(job, doing)
  const claim = await claimJob(job_id, { ...doing, now: clock.now() })
  if (!claim) return 'nothing'
  const done = new AbortController()
  const late = new AbortController()
  clock.sleep(Math.max(0, remaining() - reserveMs), done.signal).then(
    () => late.abort(new MediaError('interrupted', `job ${job_id} was not done in the time that was left`)),
    () => {},
  )
  try {
    return await runClaim(claim, { ...doing, handBackLane: 'tasks-long' }, late.signal)
  } finally {
    done.abort()
  }
}

const perMegabyte: Record<'image' | 'audio' | 'video', number> = { image: 300, audio: 200, video: 1_000 }

/** Generous: forwarding what would have fitted costs a little, cutting it off costs all that was done. Milliseconds. */
export function estimateMs({ kind }: Job, { media_type, file_size, duration }: MediaRecord): number {
  if (kind !== 'process') return leastMs
  const type = media_type ?? 'video'
  const bySize = ((file_size ?? 0) / 1024 ** 2) * perMegabyte[type]
  const byLength = type === 'video' ? (duration ?? 0) * 1_000 : (duration ?? 0) * 50
  return leastMs + Math.max(bySize, byLength)
}

/** The sweeper sends the wake-up again, should this process end before it does. */
async function forward(job: Job, { metadata, queue, clock, log }: Doing): Promise<WithinOutcome> {
  const { job_id, media_id, state, token } = job
  const patch = { lane: 'tasks-long', sweep_at: clock.now() + firstWakeAfter, wakes: 0 } as const
  try {
    await metadata.commit({ media_id, expect: {}, jobs: [{ job_id, expect: { states: [state], token }, patch }] })
  } catch (error) {
    // Taken meanwhile.
    if (codeOf(error) === 'conflict') return 'nothing'
    throw error
  }
  await wake(queue, { job_id, lane: 'tasks-long' }, log)
  log.info({ job_id }, 'job forwarded: it would not be done in the time that is left')
  return 'forwarded'
}
