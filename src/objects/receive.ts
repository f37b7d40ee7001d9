import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { MediaError } from '../media/errors.ts'
import type { Buffers, Bytes } from './buffers.ts'
import { closeQuietly, removeQuietly, storageError, storing } from './files.ts'
import type { Hashing, StreamHash } from './hashing.ts'
import type { StageOptions } from './port.ts'

/** A file that has been received whole; not synced, still open. */
export interface ReceivedFile {
  handle: FileHandle
  size: number
  /** MD5 in hexadecimal, or null when hashing is off. */
  md5: string | null
}

export interface ReceiveOptions extends StageOptions {
  source: AsyncIterable<Uint8Array>
  path: string
  buffers: Buffers
  /** None: the bytes are not hashed. */
  hashing: Hashing | null
}

const nothing: Bytes = new Uint8Array()

/** Buffers of one file on their way to disk and hash at a time; more would only wait for the lock of the file. */
const inFlightLimit = 2

/** Bytes after which the disk is told to begin. */
const flushEvery = 16 * 1024 * 1024

/**
 * Receives a stream into a new file: gathered to 1 MiB, written and hashed at the same time, pulled no faster than that.
 * Whatever ends it early leaves no file behind.
 */
export async function receive(options: ReceiveOptions): Promise<ReceivedFile> {
  const { path, source, signal } = options
  signal?.throwIfAborted()
  const handle = await storing('staging an upload', () => open(path, 'wx'))
  const stop = openStop()
  const writer = openWriter(handle, options.buffers, stop.now)
  const abort = () => stop.now(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  if (signal?.aborted) abort() // while the file was being opened
  const iterator = source[Symbol.asyncIterator]()
  const gatherer = openGatherer(writer, options)
  try {
    for (;;) {
      const { done, value } = await stop.unless(iterator.next())
      if (done) break
      await gatherer.push(value)
    }
    const { size, md5 } = await gatherer.end()
    return { handle, size, md5 }
  } catch (error) {
    // Not awaited: a source that is stuck does not keep us.
    iterator.return?.().catch(() => {})
    gatherer.drop()
    await writer.settle()
    await closeQuietly(handle)
    await removeQuietly(path)
    throw error
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

/** Fills buffers and hands the full ones on; the first, a small one, is shown to `onHead` before. */
function openGatherer(writer: Writer, { buffers, hashing, limit = Number.POSITIVE_INFINITY, onHead }: ReceiveOptions) {
  let buffer = buffers.takeSmall()
  let filled = 0
  let size = 0
  let first = true
  let hash: StreamHash | null = null

  async function flush(): Promise<void> {
    if (first) {
      first = false
      await onHead?.(new Uint8Array(buffer.subarray(0, filled)))
      hash = hashing?.begin() ?? null
    }
    const [full, length] = [buffer, filled]
    buffer = buffers.take()
    filled = 0
    await writer.write(full, length, hash)
  }

  return {
    push: async (bytes: Uint8Array): Promise<void> => {
      size += bytes.length
      if (size > limit) throw new MediaError('too_large', `more than ${limit} bytes`)
      for (let done = 0; done < bytes.length; ) {
        if (filled === buffer.length) await flush()
        const part = bytes.subarray(done, done + buffer.length - filled)
        buffer.set(part, filled)
        filled += part.length
        done += part.length
      }
    },
    end: async (): Promise<{ size: number; md5: string | null }> => {
      // What fits the first buffer is hashed sooner than a thread is asked.
      let md5 = first && hashing ? createHash('md5').update(buffer.subarray(0, filled)).digest('hex') : null
      if (first) await onHead?.(new Uint8Array(buffer.subarray(0, filled)))
      await writer.write(buffer, filled, hash)
      buffer = nothing
      await writer.finish()
      if (hash) {
        const ending = hash.digest()
        hash = null
        md5 = await storing('hashing an upload', () => ending)
      }
      return { size, md5 }
    },
    drop: () => {
      hash?.drop()
      buffers.give(buffer)
    },
  }
}

interface Writer {
  /** Takes the buffer over; resolves when there is room for the next. */
  write(buffer: Bytes, length: number, hash: StreamHash | null): Promise<void>
  /** Resolves when everything is written. */
  finish(): Promise<void>
  /** Resolves when nothing is under way any more, however it went. */
  settle(): Promise<void>
}

function openWriter(handle: FileHandle, buffers: Buffers, onError: (error: MediaError) => void): Writer {
  const underWay = new Set<Promise<void>>()
  let position = 0
  let failure: MediaError | null = null
  let flushed = 0
  let flushing: Promise<void> | null = null

  /** Lets the disk begin while the rest still comes: what waits for the last sync is then a part of the file. */
  function flushEarly(): void {
    if (flushing || position - flushed < flushEvery) return
    flushed = position
    flushing = handle.datasync().then(
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

async function writeAll(handle: FileHandle, bytes: Bytes, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}

/** Lets one waiting be ended from outside; remembers nothing of those before, however many. */
function openStop() {
  let stopped: { reason: unknown } | null = null
  let reject: ((reason: unknown) => void) | null = null
  return {
    now: (reason: unknown) => {
      stopped ??= { reason }
      reject?.(stopped.reason)
    },
    unless: <T>(work: Promise<T>) =>
      new Promise<T>((resolve, rejectThis) => {
        reject = rejectThis
        if (stopped) rejectThis(stopped.reason)
        work.then(resolve, rejectThis)
      }),
  }
}
