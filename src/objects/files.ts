import type { Stats } from 'node:fs'
import { type FileHandle, mkdir, open, rename, rm, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isStorageFull, MediaError } from '../media/errors.ts'

/** The few durable moves that a file store is made of. Their errors are ours: `storage_full`, `unavailable`, `internal`. */

/** What an error of the file system means to those above. */
export function storageError(error: unknown, doing: string): MediaError {
  if (error instanceof MediaError) return error
  const code = String((error as NodeJS.ErrnoException | null)?.code)
  if (isStorageFull(error))
    return new MediaError('storage_full', `no room left while ${doing} (${code})`, { cause: error })
  // A name that is both an object and a folder of others: our own mistake, not the disk's.
  const ours = ['ENOTDIR', 'EISDIR', 'ENAMETOOLONG', 'ERR_INVALID_ARG_TYPE'].includes(code)
  return new MediaError(ours ? 'internal' : 'unavailable', `the disk failed while ${doing} (${code})`, { cause: error })
}

export async function storing<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw storageError(error, doing)
  }
}

export function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** Makes the entries of a folder durable: names given, changed and taken away. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Makes a folder and those above it, each durably. */
export async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true })
  if (first === undefined) return
  for (let made = folder; ; made = dirname(made)) {
    await syncFolder(dirname(made))
    if (made === first) return
  }
}

/** Writes a new small file and syncs it; its name is not durable yet. Nothing is left when it fails. */
export async function writeSynced(path: string, text: string): Promise<void> {
  const handle = await open(path, 'wx')
  try {
    await handle.writeFile(text)
    await handle.sync()
  } catch (error) {
    await removeQuietly(path)
    throw error
  } finally {
    await closeQuietly(handle)
  }
}

/** Removes a file; resolves whether there was one. */
export async function unlinkIfThere(path: string): Promise<boolean> {
  try {
    await unlink(path)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

export async function statOf(path: string): Promise<Stats | null> {
  return await stat(path).catch((error) => {
    if (isMissing(error)) return null
    throw error
  })
}

/** For clean-up on the way out of another error, which is the one to report. */
export async function removeQuietly(path: string): Promise<void> {
  await rm(path, { force: true }).catch(() => {})
}

/** Removes a folder with all that is in it: moved to `aside` first, so that it goes at once and whole. */
export async function discardFolder(folder: string, aside: string): Promise<void> {
  await rename(folder, aside)
  await syncFolder(dirname(folder))
  await rm(aside, { recursive: true, force: true })
}

export async function closeQuietly(handle: Pick<FileHandle, 'close'>): Promise<void> {
  await handle.close().catch(() => {})
}
