import type { Clock } from '../media/clock.ts'
import { codeOf, MediaError } from '../media/errors.ts'
import { firstWakeAfter, type Job, jobIdOf, over, requeued } from '../media/jobs.ts'
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

/** The segments' jobs are made in the commit that lets the `process` job wait for them. */
export function cutInto(count: number, { job }: Claim, { clock, queue, log }: Segmenting): Ending {
  const now = clock.now()
  const jobs = Array.from({ length: count }, (_, n) => newSegmentJob(job, { plan: job.token, n }, now))
  return {
    job: { ...requeued(now + longestWait), attempts: job.attempts - 1, progress: whenCut },
    media: { expect: { status: ['processing'] }, jobs: jobs.map((one) => ({ create: one })) },
    after: async () => {
      for (const one of jobs) await wake(queue, one, log)
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
 * After a segment has come to its end: tells the `process` job how far they are, and wakes it after the last.
 * One that is never told finds out by itself, when it has waited for long.
 */
export async function report({ media_id }: Job, { metadata, queue, clock, log }: Segmenting): Promise<void> {
  const jobs = await metadata.jobsOf(media_id)
  const cut = newestCut(jobs)
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
