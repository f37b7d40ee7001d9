import type { Row, Step, Value } from '../embedded/store.ts'
import type { Job } from '../media/jobs.ts'
import type { MediaEvent, MediaPatch, MediaRecord, MediaType } from '../media/record.ts'
import { jobFields, patchedFields, patchedJobFields, requireCreate, requireExpected } from './changes.ts'
import { requireCursorValue } from './cursors.ts'
import { foldCase } from './folding.ts'
import type { Commit, CursorLease, Heartbeat, HeldCursor, JobChange } from './port.ts'

/** The SQL of the embedded driver's writes, and its rows as the port's types. */

export function recordOf(row: Row): MediaRecord {
  // Fields that came after a row was written.
  return {
    upload: null,
    idempotency: null,
    dominant_color: null,
    profile: null,
    ...JSON.parse(row.doc),
    version: row.version,
  }
}

/** Condition first, then what it guards; the last step returns the record, those before it the events. */
export function commitSteps(change: Commit): Step[] {
  const { media_id, expect, jobs = [], events = [] } = change
  return [
    expect.absent ? createStep(change) : changeStep(change),
    ...jobs.map(jobStep),
    ...events.map(({ type, at, data = {} }, index) => ({
      sql: `INSERT INTO events (media_id, user_id, seq, type, at, data)
            SELECT media_id, user_id, event_seq - :later, :type, :at, :data FROM media WHERE media_id = :media_id
            RETURNING ${eventColumns}`,
      params: { media_id, later: events.length - 1 - index, type, at, data: JSON.stringify(data) },
    })),
    { sql: 'SELECT doc, version FROM media WHERE media_id = :media_id', params: { media_id } },
  ]
}

function createStep(change: Commit): Step {
  const create = requireCreate(change)
  const { media_id, user_id, upload_time, status, media_type, version, title } = create
  const { events = [] } = change
  return {
    sql: `INSERT INTO media (media_id, user_id, upload_time, status, media_type, version, event_seq, title_folded, doc)
          VALUES (:media_id, :user_id, :upload_time, :status, :media_type, :version, :events, :title_folded, :doc)
          ON CONFLICT DO NOTHING`,
    params: {
      ...{ media_id, user_id, upload_time, status, version },
      media_type: typeColumn(media_type),
      events: events.length,
      title_folded: foldCase(title),
      doc: JSON.stringify(create),
    },
    orConflict: `${media_id} exists already`,
  }
}

function changeStep(change: Commit): Step {
  const expect = requireExpected(change)
  const { media_id, patch, events = [] } = change
  const { version = null, status = null } = expect
  const where = `media_id = :media_id AND (:version IS NULL OR version = :version)
    AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))`
  const params = { media_id, version, statuses: status && JSON.stringify(status) }
  const orConflict = `${media_id} is not as expected: ${JSON.stringify(expect)}`
  if (!patch && events.length === 0) return { sql: `SELECT 1 FROM media WHERE ${where}`, params, orConflict }
  const set = patch ? patchOf(patch) : { assignments: [], params: {} }
  return {
    sql: `UPDATE media SET ${['event_seq = event_seq + :events', ...set.assignments].join(', ')} WHERE ${where}`,
    params: { ...params, events: events.length, ...set.params },
    orConflict,
  }
}

/** Sets fields one by one inside the document, so that a null is kept as a null; and the columns copied out of it. */
function patchOf(patch: MediaPatch): { assignments: string[]; params: Record<string, Value> } {
  const fields = patchedFields(patch)
  const params: Record<string, Value> = {}
  for (const [name, value] of fields) params[`doc_${name}`] = JSON.stringify(value)
  const paths = fields.map(([name]) => `, '$.${name}', json(:doc_${name})`).join('')
  const assignments = ['version = version + 1', `doc = json_set(doc${paths})`]
  const { status, media_type, title } = patch
  const columns = {
    status,
    media_type: media_type === undefined ? undefined : typeColumn(media_type),
    title_folded: folded(title),
  }
  for (const [column, value] of Object.entries(columns)) {
    if (value === undefined) continue
    assignments.push(`${column} = :${column}`)
    params[column] = value
  }
  return { assignments, params }
}

/** The column takes no null: an unknown type is no type. */
function typeColumn(media_type: MediaType | null): string {
  return media_type ?? ''
}

function folded(title: string | undefined): string | undefined {
  return title === undefined ? undefined : foldCase(title)
}

// Jobs

export const jobColumns = jobFields.join(', ')

export function jobOf(row: Row): Job {
  return { ...row } as Job
}

function jobStep(change: JobChange): Step {
  if ('create' in change) {
    const job = change.create as unknown as Record<string, Value>
    return {
      sql: `INSERT INTO jobs (${jobColumns}) VALUES (${jobFields.map((name) => `:${name}`).join(', ')})
            ON CONFLICT DO NOTHING`,
      params: Object.fromEntries(jobFields.map((name) => [name, job[name] ?? null])),
      orConflict: `the job ${job.job_id} exists already`,
    }
  }
  const { job_id, expect, patch } = change
  const fields = patchedJobFields(patch)
  const where = `job_id = :job_id AND state IN (SELECT value FROM json_each(:states))
    AND (:held IS NULL OR token = :held)`
  const set = fields.map(([name]) => `${name} = :${name}`).join(', ')
  return {
    sql: set ? `UPDATE jobs SET ${set} WHERE ${where}` : `SELECT 1 FROM jobs WHERE ${where}`,
    params: {
      ...Object.fromEntries(fields),
      job_id,
      states: JSON.stringify(expect.states),
      held: expect.token ?? null,
    },
    orConflict: `the job ${job_id} is not as expected: ${JSON.stringify(expect)}`,
  }
}

/** A heartbeat that was overtaken by a later one changes nothing, and its holder still holds. */
export function renewSteps({ job_id, token, lease_until, sweep_at, progress }: Heartbeat): Step[] {
  const held = `job_id = :job_id AND state = 'running' AND token = :token`
  return [
    {
      sql: `UPDATE jobs SET lease_until = :lease_until, sweep_at = :sweep_at, progress = :progress
            WHERE ${held} AND coalesce(lease_until, 0) <= :lease_until`,
      params: { job_id, token, lease_until, sweep_at, progress },
    },
    { sql: `SELECT 1 FROM jobs WHERE ${held}`, params: { job_id, token } },
  ]
}

// Events

export const eventColumns = 'media_id, user_id, seq, type, at, data'

export function eventOf({ media_id, user_id, seq, type, at, data }: Row): MediaEvent {
  return { event_id: `${media_id}.${seq}`, media_id, user_id, seq, type, at, data: JSON.parse(data) }
}

// Cursors

export function takeStep(name: string, { now, lease_until }: CursorLease): Step {
  return {
    sql: `INSERT INTO cursors (name, token, lease_until, value) VALUES (:name, 1, :lease_until, NULL)
          ON CONFLICT (name) DO UPDATE SET token = token + 1, lease_until = :lease_until WHERE lease_until <= :now
          RETURNING token, value`,
    params: { name, now, lease_until },
  }
}

export function moveStep(name: string, { token, value, lease_until }: HeldCursor & { lease_until: number }): Step {
  requireCursorValue(value)
  return {
    sql: `UPDATE cursors SET value = :value, lease_until = :lease_until WHERE name = :name AND token = :token
          RETURNING token`,
    params: { name, token, value, lease_until },
  }
}
