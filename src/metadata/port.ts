import type { Delivery, DeliveryState } from '../media/deliveries.ts'
import { type Job, type JobPatch, type JobState, jobIdOf, type Lane, viewOf } from '../media/jobs.ts'
import type { Usage } from '../media/quota.ts'
import type { EventDraft, MediaEvent, MediaPatch, MediaRecord, MediaType, MediaView, Status } from '../media/record.ts'
import type { WorkerNote } from '../media/workers.ts'

/**
 * Records, jobs and the event log, behind one atomic write.
 *
 * The driver promises: what a method has resolved is durable (it survives a power cut) and is seen by every later
 * read of `get`, `getJob`, `jobsOf` and `timeline`; `list`, `dueJobs`, `readLog` and what operators read may lag. A rejected
 * commit has changed nothing, or the caller cannot know (`unavailable`): then the caller reads again before it acts.
 * The caller promises: records and jobs change only through `commit` and `renew`, and never by whole records.
 *
 * Errors: `conflict` when a condition does not hold, `too_large` for more than the engine holds of one media,
 * `storage_full`, `unavailable`.
 */
export interface Metadata {
  /** The record, or its tombstone (`status: "deleted"`), or null. */
  get(media_id: string): Promise<MediaRecord | null>
  /** Newest first; without tombstones. A page may be short and still have a cursor. */
  list(query: ListQuery): Promise<Page>
  /**
   * The one way to change state: condition, patch, jobs and events in one atomic write.
   * @throws MediaError `conflict` when a condition does not hold: then nothing has changed.
   */
  commit(change: Commit): Promise<Committed>

  getJob(job_id: string): Promise<Job | null>
  /**
   * A heartbeat: lengthens the lease and notes progress, without a new version of the record.
   * Resolves false when the job no longer runs under this token: the holder must stop.
   */
  renew(heartbeat: Heartbeat): Promise<boolean>
  /** Jobs not over whose `sweep_at` has come, oldest first; perhaps as they were a moment ago: look before acting. */
  dueJobs(now: number, limit: number): Promise<Job[]>
  /** All jobs of a media, oldest first. */
  jobsOf(media_id: string): Promise<Job[]>
  /** Number of jobs by state, for operators. `done` is 0 where a driver does not count what is over. */
  countJobs(): Promise<Record<JobState, number>>
  /**
   * Jobs of one state, for operators: those that the sweeper looks at next first, of the parked those parked last first.
   * A page may be short and still have a cursor. @throws MediaError `invalid_cursor`
   */
  listJobs(query: JobQuery): Promise<JobPage>
  /** Since when the queued job of a lane that became due first has been due, or will be; null when none is queued. */
  oldestDue(lane: Lane): Promise<number | null>

  /**
   * Ids of a user's processing jobs that are held, or that are queued or run, those made first first, at most so many.
   * May lag, as `list` does.
   */
  userJobs(user_id: string, which: { held: boolean; limit: number }): Promise<string[]>

  /** What a user has, as of the last commits. */
  usageOf(user_id: string): Promise<Usage>

  /** Notes what a worker says of itself, in the place of what it said before. */
  noteWorker(note: WorkerNote): Promise<void>
  /** Workers that are not expired, by id. */
  listWorkers(now: number, limit: number): Promise<WorkerNote[]>

  /** A media's events with `seq` above `after`, in order. */
  timeline(media_id: string, after: number, limit: number): Promise<MediaEvent[]>
  /** Everybody's events after a cursor, each media's in order. The cursor is opaque; null starts at the beginning. */
  readLog(cursor: string | null, limit: number): Promise<{ events: MediaEvent[]; cursor: string | null }>
  /** A cursor behind all that `readLog` would give now; null for an empty log. */
  logEnd(): Promise<string | null>

  /**
   * Takes a named cursor, of which one holder at a time moves it: who follows the log for all processes. Null while
   * another holds it and its lease has not run out. Taking it again raises the token, so that the one before cannot move it.
   */
  takeCursor(name: string, lease: CursorLease): Promise<HeldCursor | null>
  /** Moves it and sets the end of the lease; one in the past gives it back. Resolves false when it is held under another token: the holder must stop. */
  moveCursor(name: string, held: HeldCursor & { lease_until: number }): Promise<boolean>

  /** What goes to webhook endpoints, and what became of it. */
  deliveries: Deliveries
  /** Resolves when a write would be accepted; for readiness. */
  ping(): Promise<void>
  close(): Promise<void>
}

export interface ListQuery {
  user_id: string
  limit: number
  cursor?: string | undefined
  status?: Status | undefined
  media_type?: MediaType | undefined
  /** The title contains it, case-folded. */
  q?: string | undefined
}

export interface Page {
  items: MediaRecord[]
  /** Give it back as `cursor` for the next page; null at the end. */
  next_cursor: string | null
}

export interface JobQuery {
  state: Exclude<JobState, 'done'>
  limit: number
  cursor?: string | undefined
}

export interface JobPage {
  items: Job[]
  next_cursor: string | null
}

export interface Commit {
  media_id: string
  /** What must be true of the record. */
  expect: { absent: true } | { absent?: false; version?: number; status?: readonly Status[] }
  /** With `expect.absent`: the new record. */
  create?: MediaRecord
  /** Named fields to set; raises `version` by one. */
  patch?: MediaPatch
  jobs?: readonly JobChange[]
  /** Appended in order; they get the media's next sequence numbers. */
  events?: readonly EventDraft[]
}

export type JobChange =
  /** A new job; `conflict` when its id exists. */
  | { create: Job }
  /** A change to a job in one of `states`, and under `token` when given; otherwise `conflict`. */
  | { job_id: string; expect: { states: readonly JobState[]; token?: number }; patch: JobPatch }

export interface Committed {
  record: MediaRecord
  events: MediaEvent[]
}

export interface Heartbeat {
  job_id: string
  token: number
  lease_until: number
  /** The sweeper looks again then; normally `lease_until`. */
  sweep_at: number
  progress: number
}

export interface CursorLease {
  /** Milliseconds since the epoch. */
  now: number
  lease_until: number
}

export interface HeldCursor {
  /** Fencing token; rises by one whenever it is taken. */
  token: number
  /** What was moved to last; null at first. Opaque, at most 64 KiB. */
  value: string | null
}

/** A record with the progress of its processing job, which is asked for only while it runs. */
export async function readView(metadata: Pick<Metadata, 'getJob'>, record: MediaRecord): Promise<MediaView> {
  const job = record.status === 'processing' ? await metadata.getJob(jobIdOf(record.media_id, 'process')) : null
  return viewOf(record, job)
}

/**
 * Webhooks on their way, a row each, kept until `expires_at`.
 *
 * The driver promises: what a method has resolved is durable, and seen by every later `get` and `first`; `due` and `list`
 * may lag. The caller promises: only who holds a delivery's token changes it.
 */
export interface Deliveries {
  /** Resolves false when it is there already, whatever has become of it. */
  add(delivery: Delivery): Promise<boolean>
  get(delivery_id: string): Promise<Delivery | null>
  /** Those of an endpoint that wait and whose time has come, the longest due first. */
  due(endpoint_id: string, now: number, limit: number): Promise<Delivery[]>
  /** The first of a media's events that waits for an endpoint. */
  first(endpoint_id: string, media_id: string): Promise<Delivery | null>
  /** Puts it in the place of that under `token`. Resolves false when the token is another by now, or it is gone. */
  replace(delivery: Delivery, token: number): Promise<boolean>
  /** Newest first. A page may be short and still have a cursor. */
  list(query: DeliveryQuery): Promise<{ items: Delivery[]; next_cursor: string | null }>
  /** Removes what has expired, at most so many; resolves with their number, 0 where the engine itself removes them. */
  expire(now: number, limit: number): Promise<number>
}

export interface DeliveryQuery {
  limit: number
  cursor?: string | undefined
  state?: DeliveryState | undefined
  endpoint_id?: string | undefined
}
