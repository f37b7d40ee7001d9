import { createHash } from 'node:crypto'
import { MediaError } from '../media/errors.ts'
import { type Buffers, type Bytes, copyInto, smallBuffer } from './buffers.ts'
import { type DataFile, openDataFile } from './data-file.ts'
import { closeQuietly, removeQuietly, storing } from './files.ts'
import type { Hashing, StreamHash } from './hashing.ts'
import { countPart } from './parts.ts'
import type { StageOptions } from './port.ts'
import { openStop, openWriter, type Writer } from './writer.ts'

/** A file that has been received whole; not synced, still open. */
export interface ReceivedFile {
  data: DataFile
  size: number
  /** MD5 in hexadecimal, or null when hashing is off. */
  md5: string | null
}

interface Given {
  source: AsyncIterable<Uint8Array>
  buffers: Buffers
  /** None: the bytes are not hashed. */
  hashing: Hashing | null
}

export interface ReceiveOptions extends StageOptions, Given {
  path: string
  /** Makes durable what is written while more comes; the disk's when not given. */
  flush?: () => Promise<void>
}

const nothing: Bytes = Buffer.alloc(0)

/**
 * Receives a stream into a new file: gathered to 256 KiB, written and hashed at the same time, pulled no faster than that.
 * Whatever ends it early leaves no file behind.
 */
export async function receive({ path, ...options }: ReceiveOptions): Promise<ReceivedFile> {
  options.signal?.throwIfAborted()
  const file = await storing('staging an upload', () => openDataFile(path, 'wx'))
  const { limit = Number.POSITIVE_INFINITY } = options
  let size = 0
  const onBytes = (bytes: number) => {
    size += bytes
    if (size > limit) throw new MediaError('too_large', `more than ${limit} bytes`)
  }
  try {
    return { data: file, ...(await pour({ ...options, file, position: 0, first: smallBuffer, onBytes })), size }
  } catch (error) {
    await closeQuietly(file)
    await removeQuietly(path)
    throw error
  }
}

export interface ReceivePart extends Given {
  file: DataFile
  position: number
  /** Bytes, exactly. */
  size: number
  signal: AbortSignal
  /** Told whenever bytes have come. */
  moved(): void
  flush(): Promise<void>
  onDiskError(error: MediaError): void
}

/** Receives a part into its place in a file; resolves with its MD5. Bytes that came before it failed stay there, worth nothing. */
export async function receivePart({ size, moved, ...options }: ReceivePart): Promise<string | null> {
  const count = countPart(size)
  const onBytes = (bytes: number) => {
    moved()
    count.add(bytes)
  }
  return (await pour({ ...options, first: size, onBytes, onEnd: count.end })).md5
}

interface Pour extends Given {
  file: DataFile
  position: number
  /** Bytes that the first buffer is to hold at least. */
  first: number
  signal?: AbortSignal
  onHead?: StageOptions['onHead']
  /** Told of bytes before they are taken; what it throws ends it. */
  onBytes(count: number): void
  onEnd?(): void
  flush?: () => Promise<void>
  onDiskError?(error: MediaError): void
}

async function pour(options: Pour): Promise<{ md5: string | null }> {
  const { source, file, position, buffers, flush, signal, onDiskError } = options
  signal?.throwIfAborted()
  const stop = openStop()
  const onError = (error: MediaError) => {
    onDiskError?.(error)
    stop.now(error)
  }
  const writer = openWriter({ file, buffers, position, flush, onError })
  const abort = () => stop.now(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  if (signal?.aborted) abort() // while the file was being opened
  const iterator = source[Symbol.asyncIterator]()
  const gatherer = openGatherer(writer, options)
  try {
    for (;;) {
      const { done, value } = await stop.unless(iterator.next())
      if (done) break
      options.onBytes(value.length)
      await gatherer.push(value)
    }
    options.onEnd?.()
    return { md5: await gatherer.end() }
  } catch (error) {
    // Not awaited: a source that is stuck does not keep us.
    iterator.return?.().catch(() => {})
    gatherer.drop()
    await writer.settle()
    throw error
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

/** Fills buffers and hands the full ones on; the first is shown to `onHead` before. */
function openGatherer(writer: Writer, { buffers, hashing, first: firstBytes, onHead }: Pour) {
  let buffer = firstBytes > smallBuffer ? buffers.take() : buffers.takeSmall()
  let filled = 0
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
      for (let done = 0; done < bytes.length; ) {
        if (filled === buffer.length) await flush()
        const part = bytes.subarray(done, done + buffer.length - filled)
        copyInto(buffer, filled, part)
        filled += part.length
        done += part.length
      }
    },
    end: async (): Promise<string | null> => {
      // What fits a small buffer is hashed sooner than a thread is asked.
      const small = first && filled <= smallBuffer
      if (first) await onHead?.(new Uint8Array(buffer.subarray(0, filled)))
      if (first && !small) hash = hashing?.begin() ?? null
      let md5 = small && hashing ? createHash('md5').update(buffer.subarray(0, filled)).digest('hex') : null
      const last = buffer
      buffer = nothing
      await writer.write(last, filled, hash)
      await writer.finish()
      if (hash) {
        const ending = hash.digest()
        hash = null
        md5 = await storing('hashing an upload', () => ending)
      }
      return md5
    },
    drop: () => {
      hash?.drop()
      buffers.give(buffer)
    },
  }
}
