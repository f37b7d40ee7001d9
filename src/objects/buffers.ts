/** Shared with the hash thread, or this thread's own: filling those costs a quarter. */
export type Bytes = Uint8Array<SharedArrayBuffer | ArrayBuffer>

/** Buffers in which small chunks are gathered to large writes. Together they never hold more than 16 MiB of large ones. */
export interface Buffers {
  /** A small one: a picture needs no more, and it is the head that is sniffed. */
  takeSmall(): Bytes
  /** A large one, or a small one when all large ones are out: many slow senders share the memory, none waits for another. */
  take(): Bytes
  give(buffer: Bytes): void
}

export const smallBuffer = 64 * 1024
/** As fast as four times as much: what is hashed and written is still in the processor's cache. */
const largeBuffer = 256 * 1024
const largeLimit = 64

export function openBuffers({ shared }: { shared: boolean }): Buffers {
  const kept: Bytes[] = []
  let out = 0
  const make = (bytes: number) => new Uint8Array(shared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes))
  return {
    takeSmall: () => make(smallBuffer),
    take: () => {
      if (out === largeLimit) return make(smallBuffer)
      out++
      return kept.pop() ?? make(largeBuffer)
    },
    give: (buffer) => {
      if (buffer.length !== largeBuffer) return
      out--
      kept.push(buffer)
    },
  }
}
