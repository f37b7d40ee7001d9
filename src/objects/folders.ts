import { mkdir, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isMissing, makeFolder, syncFolder } from './files.ts'

/**
 * Folders that are known to survive a power cut. A folder that is merely there may have been made by somebody who has
 * not synced it yet, or by a process that was killed before it could.
 */
export interface Folders {
  /** Makes the folder, and those between it and the root, durable. */
  ensure(folder: string): Promise<void>
  /** Renames a file into a folder of the store, which is made again if it was removed as empty meanwhile. */
  renameInto(from: string, to: string): Promise<void>
  /** To be called before a folder is removed. */
  forget(folder: string): void
}

const rememberedLimit = 10_000

export async function openFolders(root: string): Promise<Folders> {
  const durable = new Set<string>()

  async function ensure(folder: string): Promise<void> {
    if (folder === root || durable.has(folder)) return
    await ensure(dirname(folder))
    await mkdir(folder).catch((error) => {
      if (error.code !== 'EEXIST') throw error
    })
    await syncFolder(dirname(folder))
    if (durable.size >= rememberedLimit) durable.clear()
    durable.add(folder)
  }

  await makeFolder(root)
  await syncFolder(dirname(root))

  return {
    ensure,
    forget: (folder) => {
      durable.delete(folder)
    },
    renameInto: async (from, to) => {
      for (let tries = 1; ; tries++) {
        try {
          return await rename(from, to)
        } catch (error) {
          if (!isMissing(error) || tries === 3) throw error
          for (let folder = dirname(to); folder !== root; folder = dirname(folder)) durable.delete(folder)
          await ensure(dirname(to))
        }
      }
    },
  }
}
