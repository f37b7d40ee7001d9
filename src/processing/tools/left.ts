import { constants, type Stats } from 'node:fs'
import { type FileHandle, lstat, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { MediaError } from '../../media/errors.ts'

/**
 * What a tool has left in its folder. It has read hostile bytes and may be in a stranger's hand: a link in place of a file
 * would have us read, store or overwrite what is ours, and a pipe would have us wait for ever.
 */

/** Opens a file that a tool left, to read it. @throws MediaError `tool_crashed` when it is none, or has another name elsewhere; ENOENT */
export async function openLeft(path: string): Promise<FileHandle> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const file = await open(path, flags).catch((error: NodeJS.ErrnoException) => {
    // ELOOP: a link; ENXIO: a socket.
    throw error.code === 'ELOOP' || error.code === 'ENXIO' ? notPlain(error) : error
  })
  try {
    expectPlain(await file.stat())
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

/** All of it, of at most so many bytes. @throws MediaError as `openLeft`, also when it is longer; ENOENT */
export async function readLeft(path: string, longest: number): Promise<Buffer> {
  const file = await openLeft(path)
  try {
    const { size } = await file.stat()
    if (size > longest)
      throw new MediaError('tool_crashed', `a tool left ${size} bytes where at most ${longest} belong`)
    return await file.readFile()
  } finally {
    await file.close()
  }
}

/** Some of it: fewer bytes where it ends before. */
export async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  const { bytesRead } = await file.read(buffer, 0, length, position)
  return buffer.subarray(0, bytesRead)
}

/** Bytes of a file that whoever made it can no longer change. @throws MediaError as `openLeft`; ENOENT */
export async function weighLeft(path: string): Promise<number> {
  const stats = await lstat(path)
  expectPlain(stats)
  return stats.size
}

/** Looked at at once, for a stream has thousands. */
const atOnce = 64

/** Looks at all that lies in a folder of a tool that has ended. @throws MediaError `tool_crashed` when not all of it are files */
export async function checkLeft(folder: string): Promise<void> {
  const names = await readdir(folder)
  for (let at = 0; at < names.length; at += atOnce) {
    await Promise.all(names.slice(at, at + atOnce).map((name) => weighLeft(join(folder, name))))
  }
}

function expectPlain(stats: Stats): void {
  if (!stats.isFile() || stats.nlink !== 1) throw notPlain()
}

function notPlain(cause?: unknown): MediaError {
  return new MediaError('tool_crashed', 'a tool left something that is no file of its own', { cause })
}
