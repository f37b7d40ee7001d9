import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { type Desk, errorOf, openDesk } from './desk.ts'
import { openEngine, type Row, type Step } from './engine.ts'
import type { FromThread, ToThread } from './thread.ts'

export type { Row, Step, Value } from './engine.ts'

/**
 * The embedded engine's one database, shared by the metadata and the queue drivers, which write their own SQL.
 *
 * For operators: one SQLite file and its log (`-wal`) in the data folder, owned by one process at a time. What has been
 * answered is synced (`synchronous=FULL`): writes that arrive together share one commit. On a full or failing disk
 * writes are refused and reads go on; it mends itself when the disk does. Back it up with the service stopped, or by a
 * snapshot of the folder that takes both files at one moment.
 *
 * Errors: `conflict` from a step's condition, `storage_full`, `unavailable` (disk, or more than 10 000 requests
 * waiting), `internal` for a statement that is wrong.
 */
export interface Store {
  /** All steps or none, durable when it resolves; the rows each step returned. */
  transaction(steps: readonly Step[]): Promise<Row[][]>
  /** Reads only, all on one state, and only what is durable. */
  query(steps: readonly Step[]): Promise<Row[][]>
  /** Resolves when a write has been made durable. */
  ping(): Promise<void>
  /** Answers what was asked before, then closes. */
  close(): Promise<void>
}

/**
 * Opens the database at `path` in a thread of its own; makes the folder and brings the schema up to date.
 * @param onFatal told once if the thread dies: nothing can be stored any more, and the process should end.
 * @throws MediaError `unavailable` naming the folder when another process owns it or a newer release wrote it.
 */
export async function openStore(options: { path: string; onFatal?: (error: Error) => void }): Promise<Store> {
  const { path, onFatal } = options
  const thread = new Worker(new URL(`./thread${extname(import.meta.url)}`, import.meta.url), {
    name: 'store',
    workerData: { storePath: path },
  })
  const desk = openDesk((requests) => thread.postMessage({ requests } satisfies ToThread))
  const exited = new Promise<void>((resolve) => thread.once('exit', () => resolve()))
  let closing: Promise<void> | null = null

  await opened(thread, exited)
  watch(thread, desk, (error) => {
    if (!closing) onFatal?.(error)
  })

  async function close(): Promise<void> {
    desk.stopTaking('the store is closed')
    thread.postMessage({ close: true } satisfies ToThread)
    await exited
  }
  return storeOn(desk, () => (closing ??= close()))
}

/** The same engine in memory and in this thread, answering by microtasks alone: for the seeded simulation. */
export function openInlineStore(): Store {
  const engine = openEngine(':memory:')
  const desk = openDesk((requests) => desk.settle(engine.run(requests)))
  let open = true
  return storeOn(desk, async () => {
    desk.stopTaking('the store is closed')
    if (open) engine.close()
    open = false
  })
}

function storeOn(desk: Desk, close: () => Promise<void>): Store {
  return {
    transaction: (steps) => desk.ask('transaction', steps),
    query: (steps) => desk.ask('query', steps),
    ping: async () => {
      await desk.ask('transaction', [{ sql: 'UPDATE pulse SET beats = beats + 1' }])
    },
    close,
  }
}

/** Resolves when the thread has the database open. */
async function opened(thread: Worker, exited: Promise<void>): Promise<void> {
  const first = await new Promise<FromThread>((resolve, reject) => {
    thread.once('message', resolve)
    thread.once('error', reject)
    void exited.then(() => reject(new Error('the store ended before it was open')))
  })
  if ('refused' in first) {
    await thread.terminate()
    throw errorOf(first.refused)
  }
}

function watch(thread: Worker, desk: Desk, onDeath: (error: Error) => void): void {
  let failure: Error | null = null
  thread.on('message', (message: FromThread) => {
    if ('replies' in message) desk.settle(message.replies)
  })
  thread.on('error', (error) => {
    failure = error as Error
  })
  thread.once('exit', (code) => {
    const error = failure ?? new Error(`the store's thread ended with code ${code}`)
    desk.shut('the store has stopped', error)
    onDeath(error)
  })
}
