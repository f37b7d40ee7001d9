import type { Row, Store, Value } from '../embedded/store.ts'
import type { Lane } from '../media/jobs.ts'
import type { WorkerNote } from '../media/workers.ts'
import { readCursor, readTime, writeCursor } from './cursors.ts'
import { jobColumns, jobOf } from './embedded-steps.ts'
import type { JobPage, JobQuery, Metadata } from './port.ts'

type Operations = Pick<Metadata, 'listJobs' | 'oldestDue' | 'userJobs' | 'usageOf' | 'noteWorker' | 'listWorkers'>

const longestPage = 1_000
/** Milliseconds after which what a dead worker said is forgotten. */
const forgottenAfter = 86_400_000

/** What operators read, in the embedded store; tables `jobs` and `workers`. */
export function openEmbeddedOperations(store: Store): Operations {
  async function read(sql: string, params: Record<string, Value>): Promise<Row[]> {
    const [rows = []] = await store.query([{ sql, params }])
    return rows
  }

  return {
    listJobs: async (query) => await jobPage(read, query),

    oldestDue: async (lane: Lane) => {
      const sql = "SELECT min(due_at) AS due_at FROM jobs WHERE lane = :lane AND state = 'queued'"
      return (await read(sql, { lane }))[0]?.due_at ?? null
    },

    userJobs: async (user_id, { held, limit }) => {
      if (!user_id.isWellFormed()) return []
      const states = held ? "'held'" : "'queued', 'running'"
      const sql = `SELECT job_id FROM jobs WHERE user_id = :user_id AND state IN (${states})
        AND kind = 'process' AND state IN ('held', 'queued', 'running') ORDER BY created_at, job_id LIMIT :limit`
      return (await read(sql, { user_id, limit: bounded(limit) })).map(({ job_id }) => job_id)
    },

    usageOf: async (user_id) => {
      const [row] = await read('SELECT media, bytes FROM usage WHERE user_id = :user_id', { user_id })
      return { media: row?.media ?? 0, bytes: row?.bytes ?? 0 }
    },

    noteWorker: async (note) => {
      const { worker_id, expires_at, seen_at } = note
      const sql = `INSERT INTO workers (worker_id, expires_at, doc) VALUES (:worker_id, :expires_at, :doc)
        ON CONFLICT (worker_id) DO UPDATE SET expires_at = :expires_at, doc = :doc`
      await store.transaction([
        { sql, params: { worker_id, expires_at, doc: JSON.stringify(note) } },
        { sql: 'DELETE FROM workers WHERE expires_at < :before', params: { before: seen_at - forgottenAfter } },
      ])
    },

    listWorkers: async (now, limit): Promise<WorkerNote[]> => {
      const sql = 'SELECT doc FROM workers WHERE expires_at > :now ORDER BY worker_id LIMIT :limit'
      return (await read(sql, { now, limit: bounded(limit) })).map(({ doc }) => JSON.parse(doc))
    },
  }
}

const place = 'coalesce(sweep_at, parked_at, 9e15)'

async function jobPage(
  read: (sql: string, params: Record<string, Value>) => Promise<Row[]>,
  { state, cursor, limit: asked }: JobQuery,
): Promise<JobPage> {
  const newest = state === 'parked'
  const start = String(newest ? Number.MAX_SAFE_INTEGER : Number.MIN_SAFE_INTEGER)
  const [time, id = ''] = cursor === undefined ? [start] : readCursor(cursor, ['string', 'string'])
  const at = readTime(time)
  const limit = bounded(asked)
  const [beyond, order] = newest ? ['<', 'DESC'] : ['>', 'ASC']
  const rows = await read(
    `SELECT ${jobColumns}, ${place} AS place FROM jobs WHERE state = :state AND state <> 'done'
       AND (${place}, job_id) ${beyond} (:at, :id) ORDER BY ${place} ${order}, job_id ${order} LIMIT :more`,
    { state, at, id, more: limit + 1 },
  )
  const last = rows.length > limit ? rows[limit - 1] : undefined
  return {
    items: rows.slice(0, limit).map(({ place: _, ...row }) => jobOf(row)),
    next_cursor: last ? writeCursor([String(last.place), last.job_id]) : null,
  }
}

function bounded(limit: number): number {
  return Math.max(1, Math.min(limit, longestPage))
}
