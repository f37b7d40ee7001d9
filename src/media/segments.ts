import { type Job, newJob } from './jobs.ts'

/**
 * A long video is cut into segments, each made by a job of its own, on whatever worker takes it. Its `process` job cuts
 * it, waits while they run, and puts together what they made.
 */

/** Which segment of which cut: the token of the attempt that cut it, and 0, 1, 2… */
export interface SegmentName {
  plan: number
  n: number
}

/** The jobs of the newest cut of a media, in order. */
export interface Cut {
  plan: number
  jobs: Job[]
}

/** All of a cut are made in one commit, beside the record and its job, and ended in one: DynamoDB takes 100 writes at once. */
export const mostSegments = 80

/** A segment that is never heard of again is missed after so long. Milliseconds. */
export const longestWait = 10 * 60_000

/** @param held whether it waits for the ones before it */
export function newSegmentJob(process: Job, { plan, n }: SegmentName, { now, held }: { now: number; held: boolean }) {
  const { media_id, user_id, trace } = process
  const job = newJob({ media_id, user_id, kind: 'segment', lane: 'tasks-long', now, held, trace })
  return { ...job, job_id: `${job.job_id}.${plan}.${n}` }
}

export function segmentNameOf({ job_id }: Pick<Job, 'job_id'>): SegmentName {
  const [plan, n] = job_id.split('.').slice(-2).map(Number)
  return { plan: plan ?? 0, n: n ?? 0 }
}

export function newestCut(jobs: readonly Job[]): Cut | null {
  const named = jobs.filter(({ kind }) => kind === 'segment').map((job) => ({ job, ...segmentNameOf(job) }))
  if (named.length === 0) return null
  const plan = Math.max(...named.map((one) => one.plan))
  const own = named.filter((one) => one.plan === plan).sort((a, b) => a.n - b.n)
  return { plan, jobs: own.map(({ job }) => job) }
}

/** One that has failed for good ends the waiting for all: the media is then made in one piece. */
export function isUnderWay({ jobs }: Cut): boolean {
  return !jobs.some(({ state }) => state === 'parked') && jobs.some(({ state }) => state !== 'done')
}

/** Where the work of all cuts of a media lies until it is put together: below no version, so nobody is ever given it. */
export function workFolder(media_id: string): string {
  return `${media_id}/work/`
}

export function planFolder(media_id: string, plan: number): string {
  return `${workFolder(media_id)}${plan}/`
}

/** What one attempt at a segment has made; of another attempt's it touches nothing. */
export function segmentFolder(media_id: string, { plan, n }: SegmentName, token: number): string {
  return `${planFolder(media_id, plan)}${n}-${token}/`
}
