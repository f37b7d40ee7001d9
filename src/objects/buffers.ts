import type { SharedBytes } from './hashing.ts'

/** Buffers in which small chunks are gathered to large writes. Together they never hold more than 32 MiB of large ones. */
export interface Buffers {
  /** A small one: a picture needs no more, and it is the head that is sniffed. */
  takeSmall(): SharedBytes
  /** A large one, or a small one when all large ones are out: many slow senders share the memory, none waits for another. */
  take(): SharedBytes
  give(buffer: SharedBytes): void
}

export const smallBuffer = 64 * 1024
const largeBuffer = 1024 * 1024
const largeLimit = 32
const keptLimit = 8

export function openBuffers(): Buffers {
  const kept: SharedBytes[] = []
  let out = 0
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
      if (kept.length < keptLimit) kept.push(buffer)
    },
  }
}

function make(bytes: number): SharedBytes {
  return new Uint8Array(new SharedArrayBuffer(bytes))
}
