import { createHash } from 'node:crypto'
import { type FileHandle, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { SourceChanged } from './errors.ts'
import { parse, type Remembered, type ResumeStore } from './resume.ts'
import type { Source } from './source.ts'

/** Bytes of one read. */
const readSize = 512 * 1024

/**
 * A file on disk, read part by part where it lies: never all of it in memory.
 * @throws what `stat` throws; slices throw SourceChanged when the file is no longer as it was now.
 */
export async function fileSource(path: string, { type }: { type?: string } = {}): Promise<Source> {
  const was = await stat(path)
  if (!was.isFile()) throw new TypeError(`${path} is not a file.`)
  const { size, mtimeMs } = was

  async function check(file: FileHandle): Promise<void> {
    const is = await file.stat()
    if (is.size !== size || is.mtimeMs !== mtimeMs) throw new SourceChanged()
  }

  async function* read(start: number, end: number): AsyncGenerator<Uint8Array> {
    const file = await open(path).catch((error) => {
      throw new SourceChanged(error)
    })
    try {
      await check(file)
      for (let at = start; at < end; ) {
        const chunk = Buffer.allocUnsafeSlow(Math.min(readSize, end - at))
        const { bytesRead } = await file.read(chunk, 0, chunk.length, at)
        if (bytesRead === 0) throw new SourceChanged()
        at += bytesRead
        // Before the last bytes go: what changed meanwhile is never sent whole.
        if (at === end) await check(file)
        yield chunk.subarray(0, bytesRead)
      }
    } finally {
      await file.close()
    }
  }

  return {
    name: basename(path),
    type,
    size,
    lastModified: Math.floor(mtimeMs),
    slice: (start, end) => streamOf(read(start, end)),
  }
}

/** Closes the file when whoever reads goes away. */
function streamOf(chunks: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const { done, value } = await chunks.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: async () => void (await chunks.return(undefined)),
    },
    { highWaterMark: 0 },
  )
}

/** Uploads under way, each in a small file of its own in a folder: processes that share it do not disturb each other. */
export function folderResumeStore(folder: string): ResumeStore {
  const pathOf = (key: string) => join(folder, `${createHash('sha256').update(key).digest('hex').slice(0, 32)}.json`)
  return {
    get: async (key) => parse(await readFile(pathOf(key), 'utf8').catch(() => null)),
    set: async (key, value: Remembered) => {
      await mkdir(folder, { recursive: true })
      const path = pathOf(key)
      const draft = `${path}.${process.pid}`
      await writeFile(draft, JSON.stringify(value))
      await rename(draft, path)
    },
    remove: async (key) => await rm(pathOf(key), { force: true }),
  }
}
