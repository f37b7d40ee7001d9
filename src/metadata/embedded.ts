import type { Row, Store, Value } from '../embedded/store.ts'
import { MediaError } from '../media/errors.ts'
import { type JobState, jobStates } from '../media/jobs.ts'
import { readCursor, writeCursor } from './cursors.ts'
import { openEmbeddedDeliveries } from './embedded-deliveries.ts'
import { openEmbeddedOperations } from './embedded-operations.ts'
import {
  commitSteps,
  eventColumns,
  eventOf,
  jobColumns,
  jobOf,
  moveStep,
  recordOf,
  renewSteps,
  takeStep,
} from './embedded-steps.ts'
import { foldCase } from './folding.ts'
import type { ListQuery, Metadata, Page } from './port.ts'

/**
 * Metadata in the embedded store: the default, with nothing to set up.
 *
 * For operators: tables `media`, `jobs`, `events`, `cursors`, `deliveries`, `workers` of the data folder's database; every write is
 * synced, and writes that arrive together share one commit. One process only; for several, choose a distributed driver. A list that filters
 * reads at most 1 000 of the user's media a page. Here no answer is ever lost between the database and the caller; a
 * driver over a network must recognise its own commit when it asks again.
 */
export function openEmbeddedMetadata(store: Store): Metadata {
  async function first(sql: string, params: Record<string, Value>): Promise<Row | null> {
    return (await rows(sql, params))[0] ?? null
  }

  async function rows(sql: string, params: Record<string, Value>): Promise<Row[]> {
    const [found = []] = await store.query([{ sql, params }])
    return found
  }

  return {
    get: async (media_id) => {
      const row = await first('SELECT doc, version FROM media WHERE media_id = :media_id', { media_id })
      return row && recordOf(row)
    },

    list: async (query) => await listPage(store, query),

    commit: async (change) => {
      const results = await store.transaction(commitSteps(change))
      const [row] = results.at(-1) ?? []
      if (!row) throw new MediaError('internal', `no record after a commit to ${change.media_id}`)
      const count = change.events?.length ?? 0
      return {
        record: recordOf(row),
        events: results
          .slice(-1 - count, -1)
          .flat()
          .map(eventOf),
      }
    },

    getJob: async (job_id) => {
      const row = await first(`SELECT ${jobColumns} FROM jobs WHERE job_id = :job_id`, { job_id })
      return row && jobOf(row)
    },

    renew: async (heartbeat) => {
      const [, held = []] = await store.transaction(renewSteps(heartbeat))
      return held.length > 0
    },

    dueJobs: async (now, limit) => {
      const due = await rows(
        `SELECT ${jobColumns} FROM jobs WHERE sweep_at <= :now AND state IN ('held', 'queued', 'running')
         ORDER BY sweep_at, job_id LIMIT :limit`,
        { now, limit: bounded(limit) },
      )
      return due.map(jobOf)
    },

    jobsOf: async (media_id) => {
      const sql = `SELECT ${jobColumns} FROM jobs WHERE media_id = :media_id ORDER BY created_at, job_id`
      return (await rows(sql, { media_id })).map(jobOf)
    },

    countJobs: async () => {
      const counts = await rows('SELECT state, jobs FROM job_counts', {})
      const found = new Map(counts.map(({ state, jobs }) => [state, Number(jobs)]))
      return Object.fromEntries(jobStates.map((state) => [state, found.get(state) ?? 0])) as Record<JobState, number>
    },

    timeline: async (media_id, after, limit) => {
      const sql = `SELECT ${eventColumns} FROM events WHERE media_id = :media_id AND seq > :after
        ORDER BY seq LIMIT :limit`
      return (await rows(sql, { media_id, after, limit: bounded(limit) })).map(eventOf)
    },

    readLog: async (cursor, limit) => {
      const [after = 0] = cursor === null ? [] : readCursor(cursor, ['number'])
      const found = await rows(
        `SELECT position, ${eventColumns} FROM events WHERE position > :after ORDER BY position LIMIT :limit`,
        { after, limit: bounded(limit) },
      )
      const last = found.at(-1)
      return { events: found.map(eventOf), cursor: last ? writeCursor([last.position]) : cursor }
    },

    logEnd: async () => {
      const [last] = await rows('SELECT MAX(position) AS position FROM events', {})
      return typeof last?.position === 'number' ? writeCursor([last.position]) : null
    },

    takeCursor: async (name, lease) => {
      const [[taken] = []] = await store.transaction([takeStep(name, lease)])
      return taken ? { token: taken.token, value: taken.value } : null
    },

    moveCursor: async (name, held) => {
      const [moved = []] = await store.transaction([moveStep(name, held)])
      return moved.length > 0
    },

    deliveries: openEmbeddedDeliveries(store),
    ...openEmbeddedOperations(store),

    ping: async () => await store.ping(),
    // The store is closed by whoever opened it: the queue stands on it too.
    close: async () => {},
  }
}

/** Rows of a user read for one page; also the longest page. */
const scanLimit = 1_000

function bounded(limit: number): number {
  return Math.max(1, Math.min(limit, scanLimit))
}

/** Sorts after every time. */
const endOfTime = '\u{10ffff}'

async function listPage(store: Store, query: ListQuery): Promise<Page> {
  const { user_id, cursor, status = null, media_type = null, q } = query
  const [before_time = endOfTime, before_id = ''] = cursor === undefined ? [] : readCursor(cursor, ['string', 'string'])
  if (!user_id.isWellFormed()) return { items: [], next_cursor: null }
  const limit = bounded(query.limit)
  const place = { user_id, before_time, before_id }
  const scan = `FROM media WHERE user_id = :user_id AND status <> 'deleted'
    AND (upload_time, media_id) < (:before_time, :before_id) ORDER BY upload_time DESC, media_id DESC LIMIT ${scanLimit}`
  const [hits = [], [endOfScan] = []] = await store.query([
    {
      sql: `SELECT doc, version, upload_time, media_id FROM (SELECT * ${scan})
            WHERE (:status IS NULL OR status = :status) AND (:media_type IS NULL OR media_type = :media_type)
              AND (:q IS NULL OR instr(title_folded, :q) > 0)
            ORDER BY upload_time DESC, media_id DESC LIMIT :more`,
      params: { ...place, status, media_type, q: q ? foldCase(q) : null, more: limit + 1 },
    },
    { sql: `SELECT upload_time, media_id ${scan} OFFSET ${scanLimit - 1}`, params: place },
  ])
  const items = hits.slice(0, limit)
  const last = hits.length > limit ? items.at(-1) : endOfScan
  return { items: items.map(recordOf), next_cursor: last ? writeCursor([last.upload_time, last.media_id]) : null }
}
