import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { type Bytes, blockSize, isAligned } from './buffers.ts'

/** A file that bytes are written to at their place, one write at a time. */
export interface DataFile {
  /** For whatever is not writing. */
  handle: FileHandle
  /** Writes all of the bytes, after the writes asked for before. */
  write(bytes: Bytes, position: number): Promise<void>
  close(): Promise<void>
}

/**
 * Opens a file for large data. Whole blocks in aligned memory go straight to the disk, where the system can (`O_DIRECT`):
 * it copies nothing then, and gigabytes that are written once push nothing else out of its cache. One write at a time,
 * for the kernel lets in one anyway, and those who wait for it spin; what has gathered meanwhile goes in one piece.
 * @param flags as `fs.open` takes them.
 */
export async function openDataFile(path: string, flags: string): Promise<DataFile> {
  const handle = await open(path, flags)
  let straight: Promise<FileHandle | null> | null = null
  let waiting: Write[] = []
  let running: Promise<void> | null = null

  /** Takes the first that waits, and those that go on where it ends. */
  function nextRun(): Write[] {
    const [first, ...others] = waiting as [Write, ...Write[]]
    const run = [first]
    let end = first.position + first.bytes.length
    if (isWhole(first)) {
      for (const one of others) {
        if (run.length === runLimit) break
        if (one.position !== end || !isWhole(one)) continue
        run.push(one)
        end += one.bytes.length
      }
    }
    waiting = waiting.filter((one) => !run.includes(one))
    return run
  }

  async function writeRun(run: Write[]): Promise<void> {
    const position = run[0]?.position ?? 0
    const buffers = run.map(({ bytes }) => bytes)
    if (run.every(isWhole)) {
      straight ??= openStraight(path)
      const direct = await straight
      if (direct && (await tryStraight(direct, buffers, position))) return
      straight = Promise.resolve(null)
      await direct?.close()
    }
    await writeAll(handle, buffers, position)
  }

  async function runAll(): Promise<void> {
    while (waiting.length > 0) {
      const run = nextRun()
      try {
        await writeRun(run)
        for (const one of run) one.resolve()
      } catch (error) {
        for (const one of run) one.reject(error)
      }
    }
    running = null
  }

  return {
    handle,
    write: (bytes, position) =>
      new Promise((resolve, reject) => {
        waiting.push({ bytes, position, resolve, reject })
        running ??= runAll()
      }),
    close: async () => {
      await running
      const direct = await straight
      await Promise.all([handle.close(), direct?.close()])
    },
  }
}

interface Write {
  bytes: Bytes
  position: number
  resolve(): void
  reject(error: unknown): void
}

/** Buffers that are written at once. */
const runLimit = 8

function isWhole({ bytes, position }: Write): boolean {
  return isAligned(bytes) && position % blockSize === 0 && bytes.length % blockSize === 0
}

async function openStraight(path: string): Promise<FileHandle | null> {
  if (constants.O_DIRECT === undefined) return null
  // A file system that cannot, or a name that is gone: the other handle serves as well.
  return await open(path, constants.O_WRONLY | constants.O_DIRECT).catch(() => null)
}

/** Resolves false when the disk has larger blocks than ours, or will not be written to like this. */
async function tryStraight(handle: FileHandle, buffers: readonly Bytes[], position: number): Promise<boolean> {
  try {
    await writeAll(handle, buffers, position)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') return false
    throw error
  }
}

async function writeAll(handle: FileHandle, buffers: readonly Bytes[], position: number): Promise<void> {
  const left = [...buffers]
  for (let at = position; left.length > 0; ) {
    const { bytesWritten } = await handle.writev(left, at)
    at += bytesWritten
    let done = bytesWritten
    while (left[0] && left[0].length <= done) done -= left.shift()?.length ?? 0
    if (left[0]) left[0] = left[0].subarray(done)
  }
}
