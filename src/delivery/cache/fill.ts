import { type FileHandle, open } from 'node:fs/promises'
import { MediaError } from '../../media/errors.ts'
import { fitting, takePart } from '../buffers.ts'

/** A body on its way into a file, which any number of readers follow: the origin is asked once. */
export interface Fill {
  /** Bytes there are. */
  received(): number
  /** Of the whole, once all has come; null before. */
  size(): number | null
  /** Resolves with the size, once all is on disk; rejects when it will not be. */
  done: Promise<number>
  /** Yields bytes from `start` to `end` (inclusive), as they come; what was yielded is overwritten when more is asked for. */
  read(part: { start: number; end: number }, signal: AbortSignal): AsyncIterable<Uint8Array>
  /** All bytes, when they are few. */
  small(): Buffer | null
}

/** Bytes up to which a body is kept in memory besides. */
export const smallBody = 256 * 1024

export interface FillOptions {
  path: string
  body: AsyncIterable<Uint8Array>
  /** Bytes that must come, where they are known. */
  size: number | null
}

/** Begins at once; what fails is told to the readers and by `done`. */
export function startFill({ path, body, size }: FillOptions): Fill {
  let received = 0
  let collected: Uint8Array[] | null = []
  let whole: number | null = null
  let failed: { failure: unknown } | null = null
  let news = Promise.withResolvers<void>()

  function tell(): void {
    news.resolve()
    news = Promise.withResolvers()
  }

  async function run(): Promise<number> {
    const file = await open(path, 'wx')
    try {
      for await (const chunk of body) {
        await writeAll(file, chunk, received)
        received += chunk.length
        if (received > smallBody) collected = null
        collected?.push(chunk)
        tell()
      }
      if (size !== null && received !== size) throw new MediaError('unavailable', 'the origin broke off')
      whole = received
      tell()
      await file.datasync()
      return whole
    } finally {
      await file.close()
    }
  }

  const done = run()
  done.catch((failure) => {
    failed = { failure }
    tell()
  })

  async function waitBeyond(position: number, signal: AbortSignal): Promise<void> {
    while (received <= position && whole === null && !failed) {
      signal.throwIfAborted()
      const { promise, reject } = Promise.withResolvers<never>()
      const onAbort = () => reject(signal.reason)
      signal.addEventListener('abort', onAbort, { once: true })
      await Promise.race([news.promise, promise]).finally(() => signal.removeEventListener('abort', onAbort))
    }
    // Who has all bytes need not know that the disk did not keep them.
    if (failed && received <= position) throw failed.failure
  }

  async function* read(part: { start: number; end: number }, signal: AbortSignal): AsyncIterable<Uint8Array> {
    let file: FileHandle | null = null
    let buffer: Buffer | undefined
    const leave = takePart()
    try {
      for (let position = part.start; position <= part.end; ) {
        await waitBeyond(position, signal)
        const available = Math.min(received, part.end + 1) - position
        if (available <= 0) return
        file ??= await open(path, 'r')
        buffer = fitting(buffer)
        const { bytesRead } = await file.read(buffer, 0, Math.min(available, buffer.length), position)
        if (bytesRead === 0) throw new MediaError('unavailable', 'a cached body has shrunk while it was read')
        position += bytesRead
        yield buffer.subarray(0, bytesRead)
      }
    } finally {
      leave()
      await file?.close()
    }
  }

  return {
    received: () => received,
    size: () => whole,
    done,
    read,
    small: () => (whole !== null && collected ? Buffer.concat(collected) : null),
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written)
    written += bytesWritten
  }
}
