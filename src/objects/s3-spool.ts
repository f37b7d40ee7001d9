import { createHash } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { S3Client } from '@aws-sdk/client-s3'
import { MediaError } from '../media/errors.ts'
import type { Buffers } from './buffers.ts'
import { closeQuietly, storing } from './files.ts'
import type { Hashing } from './hashing.ts'
import type { RunOptions, S3 } from './s3-client.ts'
import type { Doing } from './s3-errors.ts'

/** Bytes on their way to S3 lie in files of this process: a request that fails is sent again. Nothing here outlives it. */
export interface Spool {
  newPath(): string
  close(): Promise<void>
}

/** A range of a file. */
export interface Range {
  handle: FileHandle
  start: number
  /** Bytes. */
  size: number
}

const chunkBytes = 256 * 1024

/** Opens a folder of this process's own below `root`, and empties those of processes that are no more. */
export async function openSpool(root: string | null): Promise<Spool> {
  if (root === null) return { newPath: refuse, close: async () => {} }
  const folder = join(root, String(process.pid))
  await storing('opening the spool', async () => {
    for (const name of await readdir(root).catch(() => [])) {
      if (/^\d+$/.test(name) && !isAlive(Number(name))) await rm(join(root, name), { recursive: true, force: true })
    }
    await mkdir(folder, { recursive: true, mode: 0o700 })
  })
  let names = 0
  // Several stores of one process share its folder, and not their files.
  const own = `${process.hrtime.bigint().toString(36)}-`
  const made = new Set<string>()
  return {
    newPath: () => {
      const path = join(folder, `${own}${++names}`)
      made.add(path)
      return path
    },
    close: async () => {
      for (const path of made) await rm(path, { force: true }).catch(() => {})
    },
  }
}

function refuse(): never {
  throw new MediaError('internal', 'a store opened to be read was written to')
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Runs work with a file's handle, and closes it. */
export async function reading<T>(path: string, work: (handle: FileHandle) => Promise<T>): Promise<T> {
  const handle = await storing('opening a file to send', () => open(path, 'r'))
  try {
    return await work(handle)
  } finally {
    await closeQuietly(handle)
  }
}

type Send<T> = (client: S3Client, body: Readable | Buffer, options: { abortSignal: AbortSignal }) => Promise<T>

/** Sends a range as a request's body, read as it is taken and anew for each attempt. */
export async function sendRange<T>(s3: S3, asked: Doing, range: Range & RunOptions, send: Send<T>): Promise<T> {
  return await s3.run(
    asked,
    async (client, { abortSignal }) => {
      if (range.size === 0) return await send(client, Buffer.alloc(0), { abortSignal })
      const body = Readable.from(chunksOf(range), { objectMode: false, highWaterMark: chunkBytes })
      // A body that fails would leave its request waiting for more.
      const failed = new AbortController()
      let failure: unknown
      body.on('error', (error) => {
        failure = error
        failed.abort()
      })
      try {
        return await send(client, body, { abortSignal: AbortSignal.any([abortSignal, failed.signal]) })
      } catch (error) {
        throw failure ?? error
      } finally {
        body.destroy()
      }
    },
    { signal: range.signal },
  )
}

async function* chunksOf({ handle, start, size }: Range): AsyncGenerator<Buffer> {
  for (let done = 0; done < size; ) {
    const buffer = Buffer.allocUnsafeSlow(Math.min(chunkBytes, size - done))
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, start + done)
    if (bytesRead === 0) throw Object.assign(new Error('a file has shrunk while it was sent'), { syscall: 'read' })
    done += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

/** MD5 of a range in hexadecimal, off the main thread. */
export async function md5Of(range: Range, { hashing, buffers }: { hashing: Hashing; buffers: Buffers }) {
  const { handle, start, size } = range
  if (size === 0) return createHash('md5').digest('hex')
  const hash = hashing.begin()
  const buffer = size > 64 * 1024 ? buffers.take() : buffers.takeSmall()
  try {
    for (let done = 0; done < size; ) {
      const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, size - done), start + done)
      if (bytesRead === 0) throw Object.assign(new Error('a file has shrunk while it was read'), { syscall: 'read' })
      await hash.update(buffer.subarray(0, bytesRead))
      done += bytesRead
    }
    return await hash.digest()
  } catch (error) {
    hash.drop()
    throw error
  } finally {
    buffers.give(buffer)
  }
}

/** As `Content-MD5` takes it. */
export function base64Of(md5: string): string {
  return Buffer.from(md5, 'hex').toString('base64')
}
