import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/**
 * Makes a folder this process's own until it ends, however it ends: by the lock that the operating system holds for SQLite.
 * @returns what gives it back
 * @throws Error when another process has it, or it cannot be written
 */
export async function ownFolder(folder: string): Promise<() => void> {
  await mkdir(folder, { recursive: true })
  const lock = new DatabaseSync(join(folder, 'lock'))
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT')
  } catch (cause) {
    lock.close()
    throw new Error(`EDGE_CACHE_DIR is ${folder}, which another process uses. Give each edge a folder of its own.`, {
      cause,
    })
  }
  return () => lock.close()
}
