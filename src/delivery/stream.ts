import { type FileHandle, open } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { constants, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import { MediaError } from '../media/errors.ts'
import type { ObjectRef } from '../media/locations.ts'
import { hasLocalFiles, type ObjectStore } from '../objects/port.ts'
import { buffersEach, fitting, takePart } from './buffers.ts'
import type { ByteRange } from './range.ts'

export type Request = IncomingMessage | Http2ServerRequest
export type Reply = ServerResponse | Http2ServerResponse

export interface Streaming {
  objects: ObjectStore
  ref: ObjectRef
  range: ByteRange
  /** Aborted when the reader has gone or may read no more. */
  signal: AbortSignal
}

/** Where the bytes of an object come from; opened before the head of the reply is sent, so that a failure can be told. */
export interface Source {
  /** Writes the range to `reply` as fast as the reader takes it. */
  send(reply: Reply): Promise<void>
  close(): Promise<void>
}

/** @throws MediaError `not_found` when the object is not there (any more). */
export async function openSource(streaming: Streaming): Promise<Source> {
  const { objects, ref, range, signal } = streaming
  const path = hasLocalFiles(objects) ? await objects.pathOf(ref) : null
  if (path !== null) return await openFile(path, { range, signal })
  return sourceOf((await objects.get(ref, { range, signal })).body, signal)
}

/** A stream as a source. */
export function sourceOf(body: AsyncIterable<Uint8Array>, signal: AbortSignal): Source {
  return {
    send: async (reply) => {
      for await (const chunk of body) await written(reply, chunk, signal)
    },
    close: async () => {
      await body[Symbol.asyncIterator]().return?.()
    },
  }
}

/** A file on this disk as a source. */
export async function openFile(path: string, part: Pick<Streaming, 'range' | 'signal'>): Promise<Source> {
  const handle = await open(path, 'r').catch((cause) => {
    throw new MediaError(cause.code === 'ENOENT' ? 'not_found' : 'unavailable', 'cannot open an object', { cause })
  })
  return {
    send: async (reply) => await sendFile(handle, reply, part),
    close: async () => await handle.close(),
  }
}

/** Three buffers in turn: one is filled while two are on their way. A buffer is filled again when the system has taken its bytes. */
async function sendFile(handle: FileHandle, reply: Reply, part: Pick<Streaming, 'range' | 'signal'>): Promise<void> {
  const { range, signal } = part
  const buffers: Buffer[] = []
  const pending: (Promise<void> | undefined)[] = []
  let position = range.start
  const leave = takePart()
  try {
    for (let turn = 0; position <= range.end; turn = (turn + 1) % buffersEach) {
      await pending[turn]
      const bytes = fitting(buffers[turn])
      buffers[turn] = bytes
      const wanted = Math.min(bytes.length, range.end + 1 - position)
      const { bytesRead } = await handle.read(bytes, 0, wanted, position)
      if (bytesRead === 0) throw new MediaError('unavailable', 'an object has shrunk while it was read')
      signal.throwIfAborted()
      position += bytesRead
      const write = written(reply, bytes.subarray(0, bytesRead), signal)
      write.catch(() => {})
      pending[turn] = write
    }
    await Promise.all(pending)
  } finally {
    leave()
  }
}

/** Resolves when the system has taken the bytes; rejects when it will not. */
export function written(reply: Reply, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onAbort = () => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  const onWritten = (error?: Error | null) => {
    signal.removeEventListener('abort', onAbort)
    if (error) reject(error)
    else resolve()
  }
  // The two kinds of reply declare this method apart, so the union cannot be called.
  ;(reply as ServerResponse).write(bytes, onWritten)
  return promise
}

/** Ends a reply in the middle, also what lies in the system's buffers where that can be: the reader sees that it is cut. */
export function cutReply(reply: Reply): void {
  if ('stream' in reply) {
    reply.stream?.close(constants.NGHTTP2_CANCEL)
    return
  }
  const { socket } = reply
  if (socket && !('encrypted' in socket)) socket.resetAndDestroy()
  else reply.destroy()
}
