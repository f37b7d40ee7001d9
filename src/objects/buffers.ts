/** Shared with the hash thread, or this thread's own. */
export type Bytes = Buffer<SharedArrayBuffer | ArrayBuffer>

/** Buffers in which small chunks are gathered to large writes. Together they never hold more than 16 MiB of large ones. */
export interface Buffers {
  /** A small one: a picture needs no more, and it is the head that is sniffed. */
  takeSmall(): Bytes
  /** A large one, or a small one when all large ones are out: many slow senders share the memory, none waits for another. */
  take(): Bytes
  give(buffer: Bytes): void
  /** Large ones that one stream may have under way: fewer when there are many streams. */
  share(): number
}

export const smallBuffer = 64 * 1024
/** As fast as four times as much: what is hashed and written is still in the processor's cache. */
const largeBuffer = 256 * 1024
const largeLimit = 64
/** Enough that the hash never waits for the disk, nor the disk for the hash. */
const aloneShare = 8
const crowdedShare = 4
const crowdedFrom = 12
/** What disks write at least, and pages of memory are long. */
export const blockSize = 4096
const memoryPage = 64 * 1024

const alignedMemory = new WeakSet<ArrayBufferLike>()

/** Whether it begins at a block of memory: what the disk can take without a copy. */
export function isAligned(bytes: Bytes): boolean {
  return alignedMemory.has(bytes.buffer) && bytes.byteOffset % blockSize === 0
}

/** The large buffers' memory; JavaScript has no other that begins at a page. The system gives what is used of it. */
function openMemory(shared: boolean): ArrayBuffer | SharedArrayBuffer {
  const pages = (largeLimit * largeBuffer) / memoryPage
  const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages, shared })
  alignedMemory.add(buffer)
  return buffer
}

export function openBuffers({ shared }: { shared: boolean }): Buffers {
  const memory = openMemory(shared)
  const kept: Bytes[] = []
  let made = 0
  let out = 0
  const make = (bytes: number): Bytes => Buffer.from(shared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes))
  return {
    takeSmall: () => make(smallBuffer),
    take: () => {
      if (out === largeLimit) return make(smallBuffer)
      out++
      return kept.pop() ?? Buffer.from(memory, made++ * largeBuffer, largeBuffer)
    },
    give: (buffer) => {
      if (buffer.length !== largeBuffer) return
      out--
      kept.push(buffer)
    },
    share: () => (out > crowdedFrom ? crowdedShare : aloneShare),
  }
}

/**
 * Copies bytes into a buffer. By `fill`, which copies as memory is copied: `set` and `copy` go byte by byte when the
 * target is shared and the two do not begin alike in a word, as after HTTP headers, and then cost 0.3 s a GiB.
 */
export function copyInto(buffer: Bytes, at: number, bytes: Uint8Array): void {
  // No bytes would be taken for a zero to fill with.
  if (bytes.length > 0) buffer.fill(bytes, at, at + bytes.length)
}
