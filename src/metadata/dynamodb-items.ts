import { type Job, type JobPatch, type JobState, type Lane, lanes } from '../media/jobs.ts'
import type { MediaEvent, MediaRecord } from '../media/record.ts'
import { jobFields } from './changes.ts'
import type { Item, Key } from './dynamodb-table.ts'

/**
 * What lies in the table.
 *
 * | item    | PK             | SK            | in the index                                            |
 * |---------|----------------|---------------|---------------------------------------------------------|
 * | record  | `M#{media_id}` | `M`           | `by-user` while not deleted, `by-unlogged` while the log lacks an event of it |
 * | job     | `M#{media_id}` | `J#{kind}`    | `by-state` until done, `by-unlogged` under a partition of its lane while queued, `by-user` under partitions of its user while it is to be done and makes outputs |
 * | event   | `M#{media_id}` | `E#{seq}`     |                                                         |
 * | log     | `L#{chunk}`    | `B#{batch}`   |                                                         |
 * | cursor  | `C#{name}`     | `C`           |                                                         |
 * | delivery | `D#{endpoint_id}#{media_id}` | `D#{seq}` | `by-state` while it waits, `by-user` under a partition of their own |
 * | worker  | `W`            | `W#{worker}`  |                                                         |
 * | usage   | `U#{user_id}`  | `U#{shard}`   |                                                         |
 * | pulse   | `P`            | `P`           |                                                         |
 */

export const indexes = { user: 'by-user', state: 'by-state', unlogged: 'by-unlogged' } as const

/** Partitions of an index whose key would otherwise be one for all. */
export const shards = 8

export function shardOf(media_id: string): number {
  // FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(media_id)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return hash % shards
}

/** Whether a name can be part of a key at all; what cannot is not there. */
export function isKeyable(id: string): boolean {
  return id.isWellFormed() && Buffer.byteLength(id) <= 900
}

export function recordKey(media_id: string): Key {
  return { PK: `M#${media_id}`, SK: 'M' }
}

export function eventKey(media_id: string, seq: number): Key {
  return { PK: `M#${media_id}`, SK: eventSort(seq) }
}

export function eventSort(seq: number): string {
  return `E#${String(seq).padStart(15, '0')}`
}

/** A job's id begins with whose it is: `{media_id}.process`, `{media_id}.tidy.3`; one made elsewhere leads to nothing. */
export function jobKey(job_id: string): Key {
  const dot = job_id.indexOf('.')
  return { PK: `M#${job_id.slice(0, Math.max(dot, 0))}`, SK: `J#${job_id.slice(dot + 1)}` }
}

export function cursorKey(name: string): Key {
  return { PK: `C#${name}`, SK: 'C' }
}

/** What a record's item says beside the record. */
export interface Known {
  record: MediaRecord
  /** Rises with each write to the item: the condition of the next. */
  rev: number
  /** Of the newest event. */
  event_seq: number
  /** Ids of the latest commits, newest last. */
  recent: string[]
  /** Seconds since the epoch. */
  expires_at: number | undefined
}

export function knownOf({ doc, rev, event_seq, recent, expires_at }: Item): Known {
  return { record: recordOf(doc), rev, event_seq, recent, expires_at }
}

export function recordOf(doc: string): MediaRecord {
  // Fields that came after an item was written.
  return { upload: null, idempotency: null, dominant_color: null, profile: null, ...JSON.parse(doc) }
}

/** A null is left out: an index's key cannot be null. */
export function jobItem(job: Job): Item {
  const fields = Object.entries(job).filter(([name, value]) => value !== null && jobFields.includes(name))
  const { state, media_id, user_id, job_id, created_at } = job
  return {
    ...{ ...jobKey(job.job_id), ...Object.fromEntries(fields), ...stateKeys(state, media_id) },
    ...{ due: dueOf(job), ...waitingKeys(job, media_id) },
    ...userKeys({ job_id, state, user_id }),
    listed: `${String(created_at).padStart(15, '0')}#${job_id}`,
  }
}

export function jobOf(item: Item): Job {
  return Object.fromEntries(jobFields.map((name) => [name, item[name] ?? null])) as unknown as Job
}

/** A job that is done is in no index. */
export function stateKeys(state: JobState, media_id: string): { state_shard?: string } {
  return state === 'done' ? {} : { state_shard: stateShard(state, shardOf(media_id)) }
}

export function stateShard(state: JobState, shard: number): string {
  return `${state}#${shard}`
}

/** When the sweeper looks at it; of one that waits for a person, since when it does. */
export function dueOf({ sweep_at, parked_at }: { sweep_at?: number | null; parked_at?: number | null }): number {
  return sweep_at ?? parked_at ?? 9e15
}

/** While it is queued it stands among those of its lane, by when it is due. The log's own partitions are `0` to `7`. */
export function waitingKeys({ lane, state, due_at }: JobPatch, media_id: string): Item {
  return {
    ...(lane && { log_shard: dueShard(lane, shardOf(media_id)) }),
    ...(state && { log_since: state === 'queued' ? due_at : undefined }),
  }
}

export function dueShard(lane: Lane, shard: number): number {
  return 100 * (lanes.indexOf(lane) + 1) + shard
}

export function eventOf({ media_id, user_id, seq, type, at, data }: Item): MediaEvent {
  return { event_id: `${media_id}.${seq}`, media_id, user_id, seq, type, at, data: JSON.parse(data) }
}

/** A job that makes outputs, among those of its user. @returns nothing for a job of another kind, or a state that stays */
export function userKeys(job: { job_id: string; state: JobState | undefined; user_id: string }): Item {
  const { job_id, state, user_id } = job
  if (!state || !job_id.endsWith('.process')) return {}
  const inFlight = state === 'queued' || state === 'running'
  return { user: state === 'held' || inFlight ? userJobsKey(user_id, state === 'held') : undefined }
}

export function userJobsKey(user_id: string, held: boolean): string {
  return `J#${held ? 'held' : 'live'}#${user_id}`
}

/** What a user has is counted in several items: one would be written by all his commits. */
export function usageKey(user_id: string, media_id: string): Key {
  return { PK: `U#${user_id}`, SK: `U#${shardOf(media_id)}` }
}

export function usageKeys(user_id: string): Key[] {
  return Array.from({ length: shards }, (_, shard) => ({ PK: `U#${user_id}`, SK: `U#${shard}` }))
}

export function userKey(user_id: string): string {
  return `U#${user_id}`
}

export function listedKey(upload_time: string, media_id: string): string {
  return `${upload_time}#${media_id}`
}

/** An update of named fields; what is undefined or null is removed. */
export function setting(fields: Record<string, unknown>) {
  const entries = Object.entries(fields)
  const set = entries.filter(([, value]) => value !== undefined && value !== null)
  const gone = entries.filter(([, value]) => value === undefined || value === null)
  const removing = gone.length > 0 ? ` REMOVE ${gone.map(([name]) => `#${name}`).join(', ')}` : ''
  return {
    UpdateExpression: `SET ${set.map(([name]) => `#${name} = :${name}`).join(', ')}${removing}`,
    ExpressionAttributeNames: Object.fromEntries(entries.map(([name]) => [`#${name}`, name])),
    ExpressionAttributeValues: Object.fromEntries(set.map(([name, value]) => [`:${name}`, value])),
  }
}
