import { createHash } from 'node:crypto'
import { open, stat } from 'node:fs/promises'
import { MediaError } from '../media/errors.ts'
import type { ObjectRef } from '../media/locations.ts'
import { hasLocalFiles, type ObjectStore } from '../objects/port.ts'
import { linkOrCopy } from './tools/naming.ts'

/** A media's raw bytes, on this machine. */
export interface Raw {
  path: string
  /** Bytes. */
  size: number
  /** `sha256:…`; where the bytes are read in place, it is computed beside the work. */
  checksum: Promise<string>
}

/**
 * Brings the raw bytes to `path`: as a second name of the stored file where the store's files are on this disk,
 * else as a download that is hashed on its way.
 * @throws MediaError `raw_missing`, or what the store throws.
 */
export async function bringRaw(given: {
  objects: ObjectStore
  ref: ObjectRef
  path: string
  signal: AbortSignal
}): Promise<Raw> {
  const { objects, ref, path, signal } = given
  if (hasLocalFiles(objects)) {
    const stored = await objects.pathOf(ref)
    if (stored === null) throw new MediaError('raw_missing', `no object ${ref.key}`)
    await linkOrCopy(stored, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
      throw new MediaError('raw_missing', 'the stored file is gone', { cause: error })
    })
    const checksum = hashFile(path, signal)
    checksum.catch(() => {}) // awaited at the end; a recipe that fails before must not bring the service down
    return { path, size: (await stat(path)).size, checksum }
  }
  return await download(objects, ref, path, signal)
}

/** Through one buffer: a stream would leave the file's length of memory to the collector. */
async function hashFile(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  const buffer = Buffer.allocUnsafe(256 * 1024)
  const file = await open(path)
  try {
    for (;;) {
      signal.throwIfAborted()
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null)
      if (bytesRead === 0) return `sha256:${hash.digest('hex')}`
      hash.update(buffer.subarray(0, bytesRead))
    }
  } finally {
    await file.close()
  }
}

async function download(objects: ObjectStore, ref: ObjectRef, path: string, signal: AbortSignal): Promise<Raw> {
  const { body } = await objects.get(ref, { signal }).catch((error) => {
    if (error instanceof MediaError && error.code === 'not_found') {
      throw new MediaError('raw_missing', `no object ${ref.key}`, { cause: error })
    }
    throw error
  })
  const hash = createHash('sha256')
  const file = await open(path, 'wx')
  let size = 0
  try {
    for await (const chunk of body) {
      hash.update(chunk)
      await file.writeFile(chunk)
      size += chunk.length
    }
  } finally {
    await file.close()
  }
  return { path, size, checksum: Promise.resolve(`sha256:${hash.digest('hex')}`) }
}
