import { type Admission, freeAdmission } from '../media/admission.ts'
import type { Clock } from '../media/clock.ts'
import { codeOf, MediaError } from '../media/errors.ts'
import { firstWakeAfter, type Job, type JobPatch, jobIdOf, over, released, requeued } from '../media/jobs.ts'
import type { Log } from '../media/log.ts'
import { type Cut, isUnderWay, longestWait, newestCut, newSegmentJob, segmentNameOf } from '../media/segments.ts'
import type { Metadata } from '../metadata/port.ts'
import { canCut, type Processor, type Segments } from '../processing/process.ts'
import { type Queue, wake } from '../queue/port.ts'
import type { Claim } from './claim.ts'
import type { Attempt, Ending } from './ending.ts'

/** The share of a long video's progress that cutting it takes, and the one that is reached when all segments are made. Percent. */
const whenCut = 5
const whenMade = 90

export interface Segmenting {
  metadata: Metadata
  queue: Queue
  processor: Processor
  clock: Clock
  log: Log
  /** How much one user may have in flight; without it everything. */
  admission?: Admission
}

/** What the processor is told of an earlier cut. */
export function segmentsOf(cut: Cut | null): Segments | 'failed' | null {
  if (!cut) return null
  if (cut.jobs.some(({ state }) => state !== 'done')) return 'failed'
  return { plan: cut.plan, tokens: cut.jobs.map(({ token }) => token) }
}

/** The `process` job waits, and its attempt is not counted. */
export function wait({ job, record }: Claim, cut: Cut, doing: Segmenting): Ending {
  const { attempts } = job
  return {
    job: { ...requeued(doing.clock.now() + longestWait), attempts: attempts - 1, progress: progressOf(cut) },
    media: { expect: {}, patch: { attempts: record.attempts - 1 } },
    // The last may have ended meanwhile, and found nobody who waits.
    after: () => report(job, doing),
  }
}

/** The segments' jobs are made in the commit that lets the `process` job wait for them; what is beyond its user's share is held. */
export async function cutInto(count: number, { job }: Claim, doing: Segmenting): Promise<Ending> {
  const { clock, queue, log, admission = freeAdmission } = doing
  const share = await admission.segmentsOf(job.user_id)
  const now = clock.now()
  const jobs = Array.from({ length: count }, (_, n) =>
    newSegmentJob(job, { plan: job.token, n }, { now, held: n >= share }),
  )
  return {
    job: { ...requeued(now + longestWait), attempts: job.attempts - 1, progress: whenCut },
    media: { expect: { status: ['processing'] }, jobs: jobs.map((one) => ({ create: one })) },
    after: async () => {
      for (const one of jobs.slice(0, share)) await wake(queue, one, log)
    },
  }
}

/** Once one has failed for good, the others are of no use. */
export async function makeSegment(
  { job, record }: Claim,
  doing: Segmenting,
  { signal, onProgress }: Attempt,
): Promise<Ending> {
  const { processor, metadata } = doing
  const { token, media_id } = job
  const cut = newestCut(await metadata.jobsOf(media_id))
  if (!cut || !isUnderWay(cut)) return { job: over, media: { expect: {} } }
  if (!canCut(processor)) throw new MediaError('tool_missing', 'this process cannot make segments')
  await processor.processSegment({ record, token, segment: segmentNameOf(job), signal, onProgress })
  return { job: { ...over, progress: 100, last_error: null }, media: { expect: {} }, after: () => report(job, doing) }
}

/**
 * Lets as many of a film's held segments go as its user has room for, and ends them once they are of no use. To be called
 * when one has ended, and by the sweeper for when whoever ended it died.
 */
export async function letGo(cut: Cut, { admission = freeAdmission, ...doing }: LettingGo): Promise<void> {
  const held = cut.jobs.filter(({ state }) => state === 'held')
  const [first] = held
  if (!first) return
  if (!isUnderWay(cut)) return await moveHeld(held, over, doing)
  const inFlight = cut.jobs.filter(({ state }) => state === 'queued' || state === 'running').length
  const room = (await admission.segmentsOf(first.user_id)) - inFlight
  for (const job of held.slice(0, Math.max(0, room))) {
    await moveHeld([job], released(doing.clock.now()), doing)
    await wake(doing.queue, job, doing.log)
  }
}

type LettingGo = Pick<Segmenting, 'admission' | 'metadata' | 'queue' | 'clock' | 'log'>

/** Nothing, where another has moved one of them meanwhile. */
async function moveHeld(held: readonly Job[], patch: JobPatch, { metadata }: Pick<LettingGo, 'metadata'>) {
  const [first] = held
  if (!first) return
  const jobs = held.map(({ job_id, token }) => ({ job_id, expect: { states: ['held'] as const, token }, patch }))
  await metadata.commit({ media_id: first.media_id, expect: {}, jobs }).catch((error) => {
    if (codeOf(error) !== 'conflict') throw error
  })
}

/**
 * After a segment has come to its end: lets the next go, tells the `process` job how far they are, and wakes it after the
 * last. One that is never told finds out by itself, when it has waited for long.
 */
export async function report({ media_id }: Job, doing: Segmenting): Promise<void> {
  const { metadata, queue, clock, log } = doing
  const jobs = await metadata.jobsOf(media_id)
  const cut = newestCut(jobs)
  if (cut) await letGo(cut, doing)
  const process = jobs.find(({ job_id }) => job_id === jobIdOf(media_id, 'process'))
  if (!cut || process?.state !== 'queued') return
  const now = clock.now()
  const isOver = !isUnderWay(cut)
  const due = isOver ? { due_at: now, sweep_at: now + firstWakeAfter, wakes: 0 } : {}
  const { job_id, token, lane } = process
  const patch = { ...due, progress: Math.max(process.progress, progressOf(cut)) }
  try {
    await metadata.commit({
      media_id,
      expect: {},
      jobs: [{ job_id, expect: { states: ['queued'], token }, patch }],
    })
  } catch (error) {
    // Taken meanwhile.
    if (codeOf(error) === 'conflict') return
    throw error
  }
  if (isOver) await wake(queue, { job_id, lane }, log)
}

function progressOf({ jobs }: Cut): number {
  const made = jobs.filter(({ state }) => state === 'done').length
  return Math.floor(whenCut + ((whenMade - whenCut) * made) / jobs.length)
}
