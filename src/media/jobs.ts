import type { MediaRecord, MediaType, MediaView } from './record.ts'

/** Jobs: where `http` and `worker` meet. A job's lease is the only lease; a queue message only says where to look. */

/** `process` makes outputs, `purge` removes a deleted media's bytes, `tidy` the outputs of attempts that did not win, `expire` ends an upload that was never completed, `segment` makes a piece of a long video. */
export const jobKinds = ['process', 'purge', 'tidy', 'expire', 'segment'] as const
export type JobKind = (typeof jobKinds)[number]

/** `held` waits until its user has room for it; `queued` waits for `due_at`; `running` holds a lease; `done` is over; `parked` waits for a person. */
export const jobStates = ['held', 'queued', 'running', 'done', 'parked'] as const
export type JobState = (typeof jobStates)[number]

export const lanes = ['tasks', 'tasks-long'] as const
export type Lane = (typeof lanes)[number]

export interface Job {
  /** `{media_id}.{kind}`, and more where there are several of a kind: creating it twice makes one. */
  job_id: string
  media_id: string
  user_id: string
  kind: JobKind
  lane: Lane
  state: JobState
  /** Milliseconds since the epoch; not to be claimed before. */
  due_at: number
  /** When the sweeper looks at it next; null when nothing is left to do. */
  sweep_at: number | null
  /** Wake-ups sent by the sweeper since it was queued: the interval doubles with each. */
  wakes: number
  lease_until: number | null
  /** Fencing token; rises by one at each claim, for ever. */
  token: number
  /** Claims since it was queued by a door. */
  attempts: number
  /** 0–100. */
  progress: number
  last_error: string | null
  created_at: number
  /** Whose it is while it runs, by `worker_id`; then, whose it was last. Null where nobody says. */
  worker: string | null
  /** Since when it waits for a person; null while it does not. */
  parked_at: number | null
  /** Of the request that made it, as a `traceparent`; null where nothing is traced. */
  trace: string | null
}

export type JobPatch = Partial<Omit<Job, 'job_id' | 'media_id' | 'user_id' | 'kind' | 'created_at' | 'trace'>>

/** A queue message. */
export interface WakeUp {
  job_id: string
}

/** The sweeper leaves a fresh job alone this long: its wake-up is on its way. Milliseconds. */
export const firstWakeAfter = 5_000
const longestWakeInterval = 10 * 60_000

/** Raw bytes from which a video is a matter of minutes, and takes the long lane. */
const longFrom = 200 * 1024 * 1024

export function jobIdOf(media_id: string, kind: JobKind): string {
  return `${media_id}.${kind}`
}

/** Pictures never wait behind films: the lane is chosen by estimated cost. */
export function laneFor(media_type: MediaType | null, file_size: number): Lane {
  return media_type === 'video' && file_size >= longFrom ? 'tasks-long' : 'tasks'
}

export function newJob(
  given: Pick<Job, 'media_id' | 'user_id' | 'kind' | 'lane'> & {
    now: number
    due_at?: number
    /** Whether it waits for its user's others first. */
    held?: boolean
    trace?: string | null | undefined
  },
): Job {
  const { media_id, user_id, kind, lane, now, due_at = now, held = false, trace = null } = given
  return {
    job_id: jobIdOf(media_id, kind),
    media_id,
    user_id,
    kind,
    lane,
    due_at,
    ...(held ? heldBack(now) : { state: 'queued', sweep_at: due_at + firstWakeAfter, wakes: 0 }),
    lease_until: null,
    token: 0,
    attempts: 0,
    progress: 0,
    last_error: null,
    created_at: now,
    worker: null,
    parked_at: null,
    trace,
  }
}

/**
 * The patch that queues a job again, from any state; its token stays, so that outputs never share a version.
 * @param sweep_at when the sweeper wakes it: at once when due, unless whoever queues it also sends a wake-up.
 */
export function requeued(due_at: number, sweep_at: number = due_at) {
  return {
    state: 'queued',
    due_at,
    sweep_at,
    wakes: 0,
    lease_until: null,
    progress: 0,
    parked_at: null,
  } as const satisfies JobPatch
}

/** The sweeper looks after held jobs more and more seldom: whoever ends a job lets the next go. */
const heldWakes = 4

/** The patch that lets a job wait until its user has room for it. */
export function heldBack(now: number) {
  return { state: 'held', sweep_at: nextSweep(now, heldWakes), wakes: heldWakes } as const satisfies JobPatch
}

/** The patch that lets a held job go; whoever commits it sends the wake-up. */
export function released(now: number): JobPatch {
  return requeued(now, now + firstWakeAfter)
}

/** The patch that leaves a job to a person. */
export function parked(now: number, last_error: string) {
  return { state: 'parked', sweep_at: null, lease_until: null, parked_at: now, last_error } as const satisfies JobPatch
}

/** The patch that ends a job. */
export const over: JobPatch = { state: 'done', lease_until: null, sweep_at: null }

/** Whether a worker may claim it now: due, or its holder's lease has run out. */
export function isClaimable(job: Job, now: number): boolean {
  if (job.state === 'queued') return job.due_at <= now
  return job.state === 'running' && (job.lease_until ?? 0) <= now
}

/** When the sweeper looks next after its nth wake-up: 5 s, 10 s, 20 s… at most 10 minutes. */
export function nextSweep(now: number, wakes: number): number {
  return now + Math.min(firstWakeAfter * 2 ** wakes, longestWakeInterval)
}

/** A record with the progress of its processing job, if there is one. */
export function viewOf(record: MediaRecord, job: Job | null): MediaView {
  if (record.status === 'processed') return { record, progress: 100 }
  return { record, progress: record.status === 'processing' ? (job?.progress ?? 0) : 0 }
}
