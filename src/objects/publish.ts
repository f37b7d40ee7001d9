import { removeQuietly, syncFolder, unlinkIfThere, writeSynced } from './files.ts'
import type { Folders } from './folders.ts'
import type { Place } from './keys.ts'
import type { Sidecar } from './read.ts'

/** Gives bytes their name and attributes, durably. To be used under the lock of the place. */
export interface Publisher {
  /** Writes attributes, or replaces them; the folder is not synced. */
  writeSidecar(place: Place, sidecar: Sidecar): Promise<void>
  /** Moves a synced file to its place. When it fails, nothing is there. */
  publish(place: Place, path: string, sidecar: Sidecar): Promise<void>
  /** The same; but bytes that are at their place already stay, for whoever tries again. */
  publishKept(place: Place, path: string, sidecar: Sidecar): Promise<void>
}

/** @param newPath a new name on the same filesystem, of a file that goes with the process. */
export function openPublisher({ folders, newPath }: { folders: Folders; newPath: () => string }): Publisher {
  async function writeSidecar(place: Place, sidecar: Sidecar): Promise<void> {
    const path = newPath()
    await writeSynced(path, `${JSON.stringify(sidecar)}\n`)
    try {
      await folders.renameInto(path, place.sidecar)
    } catch (error) {
      await removeQuietly(path)
      throw error
    }
  }

  /** Old bytes go before new attributes come: at no moment do they stand side by side. */
  async function clear(place: Place): Promise<void> {
    await folders.ensure(place.folder)
    if (await unlinkIfThere(place.data)) await syncFolder(place.folder)
  }

  async function name(place: Place, path: string, sidecar: Sidecar): Promise<void> {
    await writeSidecar(place, sidecar)
    await folders.renameInto(path, place.data)
    await syncFolder(place.folder)
  }

  return {
    writeSidecar,
    publish: async (place, path, sidecar) => {
      await clear(place)
      try {
        await name(place, path, sidecar)
      } catch (error) {
        await removeQuietly(place.data)
        await removeQuietly(place.sidecar)
        throw error
      }
    },
    publishKept: async (place, path, sidecar) => {
      await clear(place)
      await name(place, path, sidecar)
    },
  }
}

/** Bytes first, so that a crash between leaves attributes without bytes, which is no object. Synced even when nothing
 * was there: an earlier removal may have failed to sync. */
export async function removeDurably(place: Place): Promise<boolean> {
  const data = await unlinkIfThere(place.data)
  const sidecar = await unlinkIfThere(place.sidecar)
  await syncFolder(place.folder).catch((error) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  })
  return data || sidecar
}

/** S3 tells the time of objects in whole seconds. */
export function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1_000) * 1_000
}
