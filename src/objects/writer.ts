import type { MediaError } from '../media/errors.ts'
import type { Buffers, Bytes } from './buffers.ts'
import type { DataFile } from './data-file.ts'
import { storageError } from './files.ts'
import type { StreamHash } from './hashing.ts'

/** Bytes after which the disk is told to begin. */
const flushEvery = 16 * 1024 * 1024

/** Writes buffers to a file and gives them to the hash at the same time. */
export interface Writer {
  /** Takes the buffer over; resolves when there is room for the next. */
  write(buffer: Bytes, length: number, hash: StreamHash | null): Promise<void>
  /** Resolves when everything is written. */
  finish(): Promise<void>
  /** Resolves when nothing is under way any more, however it went. */
  settle(): Promise<void>
}

export interface WriterOptions {
  file: Pick<DataFile, 'write'> & { handle: Pick<DataFile['handle'], 'datasync'> }
  buffers: Buffers
  /** Where in the file the first byte goes. */
  position: number
  /** Makes durable what is written; the file's own sync when not given. */
  flush?: (() => Promise<void>) | undefined
  /** Told at once when the disk or the hash fails. */
  onError: (error: MediaError) => void
}

export function openWriter(options: WriterOptions): Writer {
  const { file, buffers, position: start, flush = () => file.handle.datasync(), onError } = options
  const underWay = new Set<Promise<void>>()
  let position = start
  let failure: MediaError | null = null
  let flushed = start
  let flushing: Promise<void> | null = null

  /** Lets the disk begin while the rest still comes: what waits for the last sync is then a part of the file. */
  function flushEarly(): void {
    if (flushing || position - flushed < flushEvery) return
    flushed = position
    flushing = flush().then(
      () => {
        flushing = null
      },
      (error) => {
        failure ??= storageError(error, 'syncing an upload')
        onError(failure)
      },
    )
  }

  async function put(buffer: Bytes, length: number, at: number, hash: StreamHash | null): Promise<void> {
    const bytes = buffer.subarray(0, length)
    const results = await Promise.allSettled([file.write(bytes, at), hash?.update(bytes)])
    buffers.give(buffer)
    const failed = results.find((result) => result.status === 'rejected')
    if (!failed) return
    failure ??= storageError(failed.reason, 'writing an upload')
    onError(failure)
  }

  return {
    write: async (buffer, length, hash) => {
      const task: Promise<void> = put(buffer, length, position, hash).finally(() => underWay.delete(task))
      underWay.add(task)
      position += length
      flushEarly()
      if (underWay.size >= buffers.share()) await Promise.race(underWay)
      if (failure) throw failure
    },
    finish: async () => {
      await Promise.all([...underWay, flushing])
      if (failure) throw failure
    },
    settle: async () => {
      await Promise.all([...underWay, flushing])
    },
  }
}

/** Lets one waiting be ended from outside; remembers nothing of those before, however many. */
export interface Stop {
  /** Ends the waiting under way, and all to come. */
  now(reason: unknown): void
  /** Ends the waiting under way, should it be one that can be woken. */
  wake(): void
  unless<T>(work: Promise<T>): Promise<T>
  /** Resolves null when woken before. */
  orWoken<T>(work: Promise<T>): Promise<T | null>
}

export function openStop(): Stop {
  let stopped: { reason: unknown } | null = null
  let reject: ((reason: unknown) => void) | null = null
  let wake: (() => void) | null = null

  function wait<T>(work: Promise<T>, woken: ((resolve: (value: T | null) => void) => () => void) | null) {
    return new Promise<T | null>((resolve, rejectThis) => {
      reject = rejectThis
      wake = woken?.(resolve) ?? null
      if (stopped) rejectThis(stopped.reason)
      work.then(resolve, rejectThis)
    })
  }

  return {
    now: (reason) => {
      stopped ??= { reason }
      reject?.(stopped.reason)
    },
    wake: () => wake?.(),
    unless: <T>(work: Promise<T>) => wait(work, null) as Promise<T>,
    orWoken: (work) => wait(work, (resolve) => () => resolve(null)),
  }
}
