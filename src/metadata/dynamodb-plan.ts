import { MediaError } from '../media/errors.ts'
import type { JobPatch, JobState } from '../media/jobs.ts'
import type { Usage } from '../media/quota.ts'
import type { EventDraft, MediaEvent, MediaRecord } from '../media/record.ts'
import { patchedFields, patchedJobFields, requireCreate, requireExpected } from './changes.ts'
import {
  dueOf,
  eventKey,
  isKeyable,
  jobItem,
  jobKey,
  type Known,
  listedKey,
  recordKey,
  recordOf,
  setting,
  shardOf,
  stateKeys,
  usageKey,
  userKey,
  userKeys,
  waitingKeys,
} from './dynamodb-items.ts'
import type { Item, Write } from './dynamodb-table.ts'
import { foldCase } from './folding.ts'
import type { Commit, Committed, JobChange } from './port.ts'

/** What one attempt at a commit would write, decided on what is known of the record. */
export interface Plan {
  /** None when the commit only asks whether its conditions hold. */
  writes: Write[]
  /** The writes whose conditions are the caller's: when one fails, so does the commit. */
  callers: number[]
  committed: Committed
  /** Seconds since the epoch at which all items of the media go; null while it is needed. */
  retires: number | null
}

/** Seconds for which a media that is gone can still be asked for its log. */
const keptFor = 30 * 86_400
const recentCommits = 16
/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html */
const writesAtMost = 100
const itemAtMost = 390 * 1024
const allAtMost = 3_900 * 1024

/** @throws MediaError `conflict` when the record is not as the commit expects, `too_large` for what no item can hold */
export function planCommit(change: Commit, known: Known | null, at: { now: number; id: string }): Plan {
  const { events: drafts = [], jobs = [], patch } = change
  const before = change.expect.absent ? newKnown(change, known) : expectedKnown(change, known)
  const record = patch ? patched(before.record, patch) : before.record
  const events = drafts.map((draft, index) => placed(record, draft, before.event_seq + 1 + index))
  const ends = before.record.status === 'deleted' && events.some(({ type }) => type === 'media.purged')
  const retires = ends ? Math.floor(at.now / 1_000) + keptFor : null
  const expires_at = retires ?? before.expires_at
  const after = { ...before, record, event_seq: before.event_seq + events.length, expires_at }
  const writes = [
    recordWrite(change, before, after, at),
    ...jobs.map((job) => jobWrite(job, { commit: at.id, expires_at }, record.user_id)),
    ...events.map((event) => eventWrite(event, { commit: at.id, expires_at })),
    ...usageWrites(change.expect.absent ? null : before.record, record),
  ]
  requireRoom(change.media_id, writes)
  const asksOnly = !change.create && !patch && jobs.length === 0 && events.length === 0
  const callers = [...(change.expect.absent ? [0] : []), ...jobs.map((_, index) => index + 1)]
  return { writes: asksOnly ? [] : writes, callers, committed: { record, events }, retires }
}

function newKnown(change: Commit, known: Known | null): Known {
  const record = requireCreate(change)
  if (!isKeyable(record.media_id) || !isKeyable(record.user_id)) {
    throw new MediaError('invalid_request', 'a name of more than 900 bytes')
  }
  if (known) throw new MediaError('conflict', `${change.media_id} exists already`)
  return { record: plain(record), rev: 0, event_seq: 0, recent: [], expires_at: undefined }
}

function expectedKnown(change: Commit, known: Known | null): Known {
  const { version, status } = requireExpected(change)
  const holds =
    known &&
    (version === undefined || version === known.record.version) &&
    (status === undefined || status.includes(known.record.status))
  if (holds) return known
  throw new MediaError('conflict', `${change.media_id} is not as expected: ${JSON.stringify(change.expect)}`)
}

function patched(record: MediaRecord, patch: NonNullable<Commit['patch']>): MediaRecord {
  return plain({ ...record, ...Object.fromEntries(patchedFields(patch)), version: record.version + 1 })
}

/** As it will be read. */
function plain(record: MediaRecord): MediaRecord {
  return recordOf(JSON.stringify(record))
}

function placed({ media_id, user_id }: MediaRecord, draft: EventDraft, seq: number): MediaEvent {
  const { type, at, data = {} } = draft
  return { event_id: `${media_id}.${seq}`, media_id, user_id, seq, type, at, data: JSON.parse(JSON.stringify(data)) }
}

function recordWrite(change: Commit, before: Known, after: Known, { now, id }: { now: number; id: string }): Write {
  const { media_id, patch, create, events = [] } = change
  const Key = recordKey(media_id)
  const recent = [...before.recent, id].slice(-recentCommits)
  const fields = { ...recordFields(after), rev: before.rev + 1, recent }
  const unlogged = events.length > 0 ? { log_shard: shardOf(media_id) } : {}
  if (create) {
    const since = events.length > 0 ? { log_since: now } : {}
    const item = { ...Key, ...fields, ...unlogged, ...since, logged_seq: 0 }
    return { Put: { Item: present(item), ConditionExpression: 'attribute_not_exists(PK)' } }
  }
  const condition = 'rev = :before'
  if (!patch && events.length === 0) {
    return {
      ConditionCheck: { Key, ConditionExpression: condition, ExpressionAttributeValues: { ':before': before.rev } },
    }
  }
  const update = setting({ ...fields, ...unlogged })
  const values: Item = { ...update.ExpressionAttributeValues, ':before': before.rev }
  let { UpdateExpression } = update
  if (events.length > 0) {
    values[':now'] = now
    UpdateExpression = UpdateExpression.replace('SET ', 'SET log_since = if_not_exists(log_since, :now), ')
  }
  return {
    Update: { Key, ...update, UpdateExpression, ExpressionAttributeValues: values, ConditionExpression: condition },
  }
}

/** The record, and the fields copied out of it for its index. */
function recordFields({ record, event_seq, expires_at }: Known): Item {
  const { media_id, user_id, upload_time, status, media_type, title } = record
  const listed = status !== 'deleted'
  return {
    doc: JSON.stringify(record),
    ...{ status, event_seq, expires_at },
    media_type: media_type ?? '',
    title_folded: foldCase(title).toWellFormed(),
    user: listed ? userKey(user_id) : undefined,
    listed: listed ? listedKey(upload_time, media_id) : undefined,
  }
}

function jobWrite(
  change: JobChange,
  marks: { commit: string; expires_at: number | undefined },
  user_id: string,
): Write {
  if ('create' in change) {
    const Item = present({ ...jobItem(change.create), ...marks })
    return { Put: { Item, ConditionExpression: 'attribute_not_exists(PK)' } }
  }
  const { job_id, expect, patch } = change
  if (expect.states.length === 0) throw new MediaError('conflict', `the job ${job_id} is expected in no state`)
  const fields = Object.fromEntries(patchedJobFields(patch))
  const Key = jobKey(job_id)
  const keys = {
    ...(patch.sweep_at !== undefined && { due: dueOf(patch) }),
    ...(patch.state && { state_shard: undefined, ...stateKeys(patch.state, Key.PK.slice(2)) }),
    ...waitingKeys(withState(patch, expect.states), Key.PK.slice(2)),
    ...userKeys({ job_id, state: patch.state, user_id }),
  }
  const kept = marks.expires_at === undefined ? { commit: marks.commit } : marks
  const update = setting({ ...fields, ...keys, ...kept })
  const states = Object.fromEntries(expect.states.map((state, index) => [`:state_${index}`, state]))
  const held = expect.token === undefined ? {} : { ':held': expect.token }
  const conditions = [`#state IN (${Object.keys(states).join(', ')})`]
  if (expect.token !== undefined) conditions.push('#token = :held')
  return {
    Update: {
      ...{ Key, UpdateExpression: update.UpdateExpression, ConditionExpression: conditions.join(' AND ') },
      ExpressionAttributeNames: {
        ...update.ExpressionAttributeNames,
        '#state': 'state',
        ...(expect.token !== undefined && { '#token': 'token' }),
      },
      ExpressionAttributeValues: { ...update.ExpressionAttributeValues, ...states, ...held },
    },
  }
}

/** A due date that moves says by its condition what the job is. */
function withState(patch: JobPatch, [state, ...others]: readonly JobState[]): JobPatch {
  if (patch.state || patch.due_at === undefined || !state || others.length > 0) return patch
  return { ...patch, state }
}

/** What a user has changes in the commit that changes it. */
function usageWrites(before: MediaRecord | null, after: MediaRecord): Write[] {
  const [was, is] = [usageOf(before), usageOf(after)]
  const [media, bytes] = [is.media - was.media, is.bytes - was.bytes]
  if (media === 0 && bytes === 0) return []
  const { user_id, media_id } = after
  const ExpressionAttributeNames = { '#media': 'media', '#bytes': 'bytes' }
  const ExpressionAttributeValues = { ':media': media, ':bytes': bytes }
  const UpdateExpression = 'ADD #media :media, #bytes :bytes'
  const Key = usageKey(user_id, media_id)
  return [{ Update: { Key, UpdateExpression, ExpressionAttributeNames, ExpressionAttributeValues } }]
}

function usageOf(record: MediaRecord | null): Usage {
  if (!record || record.status === 'deleted') return { media: 0, bytes: 0 }
  return { media: 1, bytes: record.file_size ?? record.upload?.file_size ?? 0 }
}

function eventWrite(event: MediaEvent, marks: { commit: string; expires_at: number | undefined }): Write {
  const { media_id, user_id, seq, type, at, data } = event
  const fields = { media_id, user_id, seq, type, at, data: JSON.stringify(data) }
  const Item = present({ ...eventKey(media_id, seq), ...fields, ...marks })
  return { Put: { Item, ConditionExpression: 'attribute_not_exists(PK)' } }
}

function present(item: Item): Item {
  return Object.fromEntries(Object.entries(item).filter(([, value]) => value !== undefined))
}

function requireRoom(media_id: string, writes: readonly Write[]): void {
  if (writes.length > writesAtMost) {
    throw new MediaError(
      'internal',
      `${writes.length} writes in one commit to ${media_id}; DynamoDB takes ${writesAtMost}`,
    )
  }
  const sizes = writes.map(sizeOf)
  if (Math.max(...sizes) <= itemAtMost && sizes.reduce((sum, size) => sum + size, 0) <= allAtMost) return
  const detail = 'There is more to note of this media than its record can hold.'
  throw new MediaError('too_large', `${media_id}: an item of more than 400 KB, which DynamoDB does not take`, {
    detail,
  })
}

/** Bytes of text in what is written; the rest is small. */
function sizeOf(write: Write): number {
  const [input = {}] = Object.values(write) as { Item?: Item; ExpressionAttributeValues?: Item }[]
  const values = Object.values(input.Item ?? input.ExpressionAttributeValues ?? {})
  return values.reduce<number>((sum, value) => sum + (typeof value === 'string' ? Buffer.byteLength(value) : 16), 256)
}
