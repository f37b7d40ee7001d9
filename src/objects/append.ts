import type { Clock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import { type Buffers, type Bytes, blockSize, copyInto, smallBuffer } from './buffers.ts'
import type { DataFile } from './data-file.ts'
import { storing } from './files.ts'
import type { Hashing, StreamHash } from './hashing.ts'
import { type Part, partLimit } from './port.ts'
import { openStop, openWriter } from './writer.ts'

export interface Append {
  source: AsyncIterable<Uint8Array>
  file: Pick<DataFile, 'write'> & { handle: Pick<DataFile['handle'], 'read' | 'datasync'> }
  /** Bytes of a part. */
  stride: number
  /** Where it goes on. */
  offset: number
  /** Bytes that the whole may have. */
  limit: number
  signal: AbortSignal
  buffers: Buffers
  /** None: ETags are `newEtag`'s. */
  hashing: Hashing | null
  newEtag(): string
  clock: Clock
  moved(): void
  /** Makes a part durable with its bytes. */
  record(part: Part): Promise<void>
  /** Makes durable what is written. */
  flush(): Promise<void>
  onDiskError(error: MediaError): void
  pace?: Pace
}

/** How soon what came is made durable. */
export interface Pace {
  /** How long bytes of a slow sender may be held without being durable. */
  flushMs: number
  /** Bytes that are worth a sync, as soon as the one before is done. */
  syncFrom: number
  /** Bytes that may be held without being durable: what a kill costs, beside what is on the line. */
  lagLimit: number
}

const diskPace: Pace = { flushMs: 1_500, syncFrom: 1024 * 1024, lagLimit: 6 * 1024 * 1024 }

/**
 * Receives bytes that follow those held, cut into parts; what came is made durable while more is received. When the
 * source ends, however it does, what came is kept: the last part may be incomplete, and grows when it goes on.
 */
export async function appendParts(options: Append): Promise<number> {
  const { source, signal, limit, moved } = options
  const stop = openStop()
  const abort = () => stop.now(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  const over = new AbortController()
  const parts = openParts(options, stop.now)
  let due = false
  const tick = () => {
    due = true
    stop.wake()
  }
  const { clock, pace = diskPace } = options
  void everyFlush({ clock, ms: pace.flushMs }, tick, over.signal)
  const iterator = source[Symbol.asyncIterator]()
  const flushDue = async () => {
    if (due) await parts.keep()
    due = false
  }

  async function next(): Promise<IteratorResult<Uint8Array>> {
    const coming = iterator.next()
    for (;;) {
      const came = await stop.orWoken(coming)
      if (came) return came
      await flushDue()
    }
  }

  try {
    for (let came = await next(); !came.done; came = await next()) {
      moved()
      const fitting = came.value.subarray(0, Math.max(0, limit - parts.held()))
      await parts.push(fitting)
      if (fitting.length < came.value.length) throw new MediaError('too_large', `more than ${limit} bytes`)
      await flushDue()
    }
  } catch (error) {
    // Not awaited: a source that is stuck does not keep us.
    iterator.return?.().catch(() => {})
    await parts.end()
    throw error
  } finally {
    over.abort()
    signal.removeEventListener('abort', abort)
  }
  await parts.end()
  return parts.held()
}

async function everyFlush(
  { clock, ms }: { clock: Clock; ms: number },
  tick: () => void,
  signal: AbortSignal,
): Promise<void> {
  try {
    for (;;) {
      await clock.sleep(ms, signal)
      tick()
    }
  } catch {
    // The append is over.
  }
}

const nothing: Bytes = Buffer.alloc(0)

/** Fills buffers, cuts them at the ends of parts, and has each part recorded in its turn. */
function openParts(options: Append, onError: (error: MediaError) => void) {
  const { file, stride, offset, buffers, hashing, newEtag, record, onDiskError, pace = diskPace } = options
  const writer = openWriter({
    file,
    buffers,
    position: offset,
    flush: options.flush,
    onError: (error) => {
      onDiskError(error)
      onError(error)
    },
  })
  let held = offset
  let keptTo = offset
  let durableTo = offset
  let buffer = nothing
  let filled = 0
  let capacity = 0
  let hash: StreamHash | null = null
  let recorded = Promise.resolve()

  const inPart = () => held % stride

  /** The hash of the part under way; of one begun before, its bytes are read again. */
  async function beginHash(): Promise<void> {
    if (!hashing || hash) return
    hash = hashing.begin()
    await storing('reading an upload', () =>
      readAgain({ ...options, position: held - inPart(), length: inPart() }, hash),
    )
  }

  /** Filled to where a block of the file ends, so that the next begins with one. */
  function takeBuffer(): void {
    buffer = held - offset < smallBuffer ? buffers.takeSmall() : buffers.take()
    capacity = buffer.length - (held % blockSize)
  }

  async function flush(): Promise<void> {
    if (filled === 0) return
    const [full, length] = [buffer, filled]
    buffer = nothing
    filled = 0
    await writer.write(full, length, hash)
  }

  /** Has the part that ends at `held` recorded, after those before. */
  function keepPart(etag: Promise<string>): void {
    const to = held
    const part_number = Math.ceil(to / stride)
    const size = to - (part_number - 1) * stride
    const [written, before] = [writer.finish(), recorded]
    keptTo = to
    etag.catch(() => {})
    recorded = Promise.all([written, etag, before]).then(async ([, found]) => {
      await record({ part_number, size, etag: found })
      durableTo = to
    })
    recorded.catch(() => {})
  }

  async function endPart(): Promise<void> {
    await flush()
    const ending = hash?.digest() ?? Promise.resolve(newEtag())
    hash = null
    keepPart(ending)
  }

  async function keep(): Promise<void> {
    if (keptTo === held) return
    await flush()
    keepPart(hash?.peek() ?? Promise.resolve(newEtag()))
  }

  /** What is filled goes on its way; it is synced with all before it, one sync after the other. */
  async function fillNext(): Promise<void> {
    await flush()
    if (durableTo === keptTo && held - keptTo >= pace.syncFrom) await keep()
  }

  async function push(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      if (held >= partLimit * stride) throw new MediaError('too_large', `more than ${partLimit} parts of ${stride}`)
      await beginHash()
      if (buffer.length === 0) takeBuffer()
      const room = Math.min(capacity - filled, stride - inPart())
      const piece = bytes.subarray(done, done + room)
      copyInto(buffer, filled, piece)
      filled += piece.length
      done += piece.length
      held += piece.length
      if (inPart() === 0) await endPart()
      else if (filled === capacity) await fillNext()
      if (held - durableTo > pace.lagLimit) await recorded
    }
  }

  return {
    held: () => held,
    push,
    /** Makes what came durable; resolves once that is under way. */
    keep,
    /** Makes what came durable, and lets go of everything. */
    end: async (): Promise<void> => {
      try {
        await keep()
        await recorded
      } finally {
        hash?.drop()
        buffers.give(buffer)
        await writer.settle()
        await recorded.catch(() => {})
      }
    },
  }
}

interface Again extends Pick<Append, 'file' | 'buffers'> {
  position: number
  length: number
}

async function readAgain({ file, buffers, position, length }: Again, hash: StreamHash | null): Promise<void> {
  const buffer = length > smallBuffer ? buffers.take() : buffers.takeSmall()
  try {
    for (let done = 0; done < length; ) {
      const { bytesRead } = await file.handle.read(buffer, 0, Math.min(buffer.length, length - done), position + done)
      if (bytesRead === 0) throw new MediaError('unavailable', 'an upload has shrunk while it was read')
      await hash?.update(buffer.subarray(0, bytesRead))
      done += bytesRead
    }
  } finally {
    buffers.give(buffer)
  }
}
