import type { Readable } from 'node:stream'
import { MediaError } from '../media/errors.ts'

/** Chunks that may wait. */
const waitingLimit = 8

/**
 * A stream's chunks as they come. The stream's own iterator joins what is waiting into new memory: for an upload that
 * is all of it, copied once more.
 * @param signal lets go of the stream, and of what waits: whoever reads has left without saying so.
 */
export async function* chunksOf(stream: Readable, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const waiting: Uint8Array[] = []
  // What has gone away before it is read tells nobody any more.
  const gone = stream.destroyed || stream.readableEnded
  const state: { over: boolean; error?: Error; wake?: () => void } = { over: gone }
  const onEnd = (error?: Error) => {
    if (error && !state.over) state.error = error
    state.over = true
    state.wake?.()
  }
  const onData = (chunk: Uint8Array) => {
    if (waiting.push(chunk) >= waitingLimit) stream.pause()
    state.wake?.()
  }
  const onAbort = () => {
    stream.off('data', onData)
    waiting.length = 0
    onEnd(signal?.reason)
  }
  signal?.addEventListener('abort', onAbort, { once: true })
  if (signal?.aborted) onAbort()
  else stream.on('data', onData)
  stream.once('end', onEnd).once('error', onEnd).once('close', onEnd)
  try {
    for (;;) {
      const chunk = waiting.shift()
      if (chunk) yield chunk
      else if (state.over) break
      else {
        stream.resume()
        await new Promise<void>((resolve) => {
          state.wake = resolve
        })
      }
    }
    if (state.error) throw state.error
  } finally {
    signal?.removeEventListener('abort', onAbort)
    stream.off('data', onData)
    // Who leaves while waiting gets here only when more has come, and somebody else may be reading that.
    if (stream.listenerCount('data') === 0) stream.pause()
  }
}

/**
 * The chunks of a request's body, to its end.
 * @throws MediaError `upload_interrupted` when it is cut: to a bare reader that looks like the end.
 */
export async function* wholeOf(body: Readable, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    yield* chunksOf(body, signal)
  } catch (cause) {
    throw new MediaError('upload_interrupted', 'the body was cut', { cause })
  }
  // A stream of HTTP/2 ends when it is reset, too, and only this tells.
  const { aborted = false } = body as { aborted?: boolean }
  if (!body.readableEnded || aborted) throw new MediaError('upload_interrupted', 'the body stopped short')
}

/** The first bytes of a source, at most `limit`; the rest is not read. */
export async function readHead(source: AsyncIterable<Uint8Array>, limit: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of source) {
    chunks.push(chunk)
    size += chunk.length
    if (size >= limit) break
  }
  return Buffer.concat(chunks).subarray(0, limit)
}
