import type { FileHandle } from 'node:fs/promises'
import type { MediaError } from '../media/errors.ts'
import type { Buffers, Bytes } from './buffers.ts'
import { storageError } from './files.ts'
import type { StreamHash } from './hashing.ts'

/** Buffers of one file on their way to disk and hash at a time: with fewer, the hash waits for its next. */
const inFlightLimit = 4

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
  handle: FileHandle
  buffers: Buffers
  /** Where in the file the first byte goes. */
  position: number
  /** Makes durable what is written; the file's own sync when not given. */
  flush?: (() => Promise<void>) | undefined
  /** Told at once when the disk or the hash fails. */
  onError: (error: MediaError) => void
}

export function openWriter(options: WriterOptions): Writer {
  const { handle, buffers, position: start, flush = () => handle.datasync(), onError } = options
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
    const results = await Promise.allSettled([writeAll(handle, bytes, at), hash?.update(bytes)])
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
      if (underWay.size >= inFlightLimit) await Promise.race(underWay)
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

/** Writes all of the bytes at a place of the file. */
const lastWrites = new WeakMap<FileHandle, Promise<void>>()

/**
 * Writes to a file one at a time: the kernel lets in one anyway, and those who wait for it spin, which takes the cores
 * from whoever would have something to do.
 */
export async function writeAll(handle: FileHandle, bytes: Bytes, position: number): Promise<void> {
  const before = lastWrites.get(handle)
  const mine = before ? before.then(() => writeNow(handle, bytes, position)) : writeNow(handle, bytes, position)
  // Who comes next waits for the end of it, whatever that is.
  lastWrites.set(
    handle,
    mine.catch(() => {}),
  )
  await mine
}

async function writeNow(handle: FileHandle, bytes: Bytes, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
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
