import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { type ErrorCode, isStorageFull, MediaError } from '../media/errors.ts'
import { migrate } from './migrations.ts'

export type Value = string | number | bigint | null | Uint8Array
export type Row = Record<string, any>

/** One statement of a transaction or a query; parameters are named: `:media_id`. */
export interface Step {
  sql: string
  params?: Record<string, Value>
  /** The step must change or return a row; otherwise the whole transaction is rolled back as `conflict`, with this text. */
  orConflict?: string
}

export interface Request {
  id: number
  kind: 'transaction' | 'query'
  steps: readonly Step[]
}

export interface Failure {
  code: ErrorCode
  message: string
  cause?: string
}

export type Reply = { id: number; rows: Row[][] } | { id: number; failure: Failure }

export interface Engine {
  /** Runs a batch: its transactions in one commit, then its queries, so that none reads what is not durable. */
  run(requests: readonly Request[]): Reply[]
  close(): void
}

const statementLimit = 256

/** The synchronous half of the store. @param path a file, or `:memory:`. */
export function openEngine(path: string): Engine {
  const db = path === ':memory:' ? openDatabase(path) : openOwned(path)
  const statements = new Map<string, StatementSync>()
  /** A commit failed and no later one has succeeded: its pages may lie in the log. */
  let unsettled = false

  function prepare(sql: string): StatementSync {
    let statement = statements.get(sql)
    if (!statement) {
      if (statements.size >= statementLimit) statements.clear()
      statement = db.prepare(sql)
      statements.set(sql, statement)
    }
    return statement
  }

  function runSteps(steps: readonly Step[]): Row[][] {
    return steps.map(({ sql, params = {}, orConflict }) => {
      const statement = prepare(sql)
      const returns = statement.columns().length > 0
      const rows = returns ? statement.all(params) : []
      const touched = returns ? rows.length : Number(statement.run(params).changes)
      if (orConflict !== undefined && touched === 0) throw new MediaError('conflict', orConflict)
      return rows
    })
  }

  /** One transaction of the batch; its own failure leaves the others alone. */
  function runTransaction({ id, steps }: Request): Reply {
    if (steps.length > 1) prepare('SAVEPOINT one').run()
    try {
      const rows = runSteps(steps)
      if (steps.length > 1) prepare('RELEASE one').run()
      return { id, rows }
    } catch (error) {
      if (isBatchFatal(error) || !db.isTransaction) throw error
      if (steps.length > 1) db.exec('ROLLBACK TO one; RELEASE one')
      return { id, failure: failureOf(error) }
    }
  }

  /**
   * After a failed sync the frames of the refused commit may already be in the log, and a recovery would find them.
   * The next commit is written over them, so until one has succeeded nothing else is accepted.
   */
  function settle(): void {
    prepare('UPDATE pulse SET beats = beats + 1').run()
    unsettled = false
  }

  function commitAll(requests: readonly Request[]): Reply[] {
    try {
      if (unsettled) settle()
      prepare('BEGIN IMMEDIATE').run()
      const replies = requests.map(runTransaction)
      prepare('COMMIT').run()
      return replies
    } catch (error) {
      refuseBatch()
      return requests.map(({ id }) => ({ id, failure: failureOf(error) }))
    }
  }

  function refuseBatch(): void {
    unsettled = true
    try {
      if (db.isTransaction) db.exec('ROLLBACK')
      settle()
    } catch {
      // The next batch tries again before it writes.
    }
  }

  function answer({ id, steps }: Request): Reply {
    try {
      return { id, rows: runSteps(steps) }
    } catch (error) {
      return { id, failure: failureOf(error) }
    }
  }

  return {
    run: (requests) => {
      const transactions = requests.filter(({ kind }) => kind === 'transaction')
      const committed = transactions.length > 0 ? commitAll(transactions) : []
      return [...committed, ...requests.filter(({ kind }) => kind === 'query').map(answer)]
    },
    close: () => {
      statements.clear()
      db.close()
    },
  }
}

const lockTries = 20
const lockPause = 50

/** A process that has just been killed may hold its lock for a moment longer. */
function openOwned(path: string): DatabaseSync {
  for (let tries = 1; ; tries++) {
    try {
      makeFolder(dirname(path))
      const db = openDatabase(path)
      syncFolder(dirname(path))
      return db
    } catch (error) {
      if (primaryCode(error) !== codes.busy) throw explainOpening(path, error)
      if (tries === lockTries) throw ownedElsewhere(path, error)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lockPause)
    }
  }
}

function openDatabase(path: string): DatabaseSync {
  const db = new DatabaseSync(path)
  try {
    // The operating system's lock on the file makes one process the owner, and ends with that process however it dies.
    db.exec('PRAGMA locking_mode = EXCLUSIVE')
    db.exec('PRAGMA journal_mode = WAL')
    db.exec('PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON')
    db.exec('PRAGMA cache_size = -16000; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864')
    migrate(db)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

function makeFolder(folder: string): void {
  const first = mkdirSync(folder, { recursive: true })
  if (first !== undefined) syncFolder(dirname(first))
}

/** The names in a folder are durable only when the folder is. */
function syncFolder(folder: string): void {
  if (process.platform === 'win32') return
  const descriptor = openSync(folder, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function ownedElsewhere(path: string, cause: unknown): MediaError {
  const folder = dirname(path)
  return new MediaError(
    'unavailable',
    `the data in ${folder} belong to another running process, and only one may own them: stop it first (\`fuser ${path}\` names it), or start this one with another DATA_DIR`,
    { cause },
  )
}

function explainOpening(path: string, cause: unknown): MediaError {
  const text = cause instanceof Error ? cause.message : String(cause)
  const full = isStorageFull(cause) || primaryCode(cause) === codes.full
  return new MediaError(full ? 'storage_full' : 'unavailable', `cannot open ${path}: ${text}`, { cause })
}

/** SQLite's primary result codes, https://www.sqlite.org/rescode.html */
const codes = { busy: 5, locked: 6, nomem: 7, readonly: 8, ioerr: 10, corrupt: 11, full: 13, cantopen: 14, notadb: 26 }

function primaryCode(error: unknown): number | undefined {
  const errcode = (error as { errcode?: unknown } | null)?.errcode
  return typeof errcode === 'number' ? errcode & 0xff : undefined
}

/** Whether the disk or the database, not the statement, is at fault. */
function isBatchFatal(error: unknown): boolean {
  const code = primaryCode(error)
  return code !== undefined && Object.values(codes).includes(code)
}

export function failureOf(error: unknown): Failure {
  if (error instanceof MediaError) return { code: error.code, message: error.message }
  const text = error instanceof Error ? error.message : String(error)
  const errcode = (error as { errcode?: unknown } | null)?.errcode
  const cause = typeof errcode === 'number' ? `SQLite error ${errcode}: ${text}` : text
  if (primaryCode(error) === codes.full) return { code: 'storage_full', message: 'no room left for the data', cause }
  if (isBatchFatal(error)) return { code: 'unavailable', message: `the data cannot be reached (${text})`, cause }
  return { code: 'internal', message: `a statement failed: ${text}`, cause }
}
