import { readdir, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isMissing, statOf, syncFolder, unlinkIfThere } from './files.ts'
import { isName, sidecarName, sidecarOf } from './keys.ts'

/** A key that has bytes, attributes or both. */
export interface FoundFile {
  key: string
  hasData: boolean
  /** When its file was last changed, by the disk's clock. */
  modified(): Promise<number>
}

/**
 * All keys below a folder, by key: files and folders of one level are taken in the order of their keys, where a
 * folder's name goes on with a slash.
 * @param from `base` is the folder's own key, ending with a slash or empty; names on the first level start with `start`.
 */
export async function* walkFiles(folder: string, from: { base: string; start: string }): AsyncIterable<FoundFile> {
  const { base, start } = from
  for (const { name, isFolder, hasData } of await readLevel(folder, (one) => isName(one) && one.startsWith(start))) {
    const path = join(folder, name)
    if (isFolder) yield* walkFiles(path, { base: `${base}${name}/`, start: '' })
    else {
      const file = hasData ? path : join(folder, sidecarName(name))
      yield {
        key: base + name,
        hasData,
        modified: async () => (await statOf(file))?.mtimeMs ?? Number.POSITIVE_INFINITY,
      }
    }
  }
}

export interface Removal {
  /** Runs work while nobody else writes the object whose bytes lie at `data`. */
  hold(data: string, work: () => Promise<boolean>): Promise<boolean>
  /** Told of each folder before it is removed. */
  forget(folder: string): void
}

/** Removes a folder with all that is in it, durably; returns how many objects' bytes were removed. */
export async function removeFolder(folder: string, removal: Removal): Promise<number> {
  const removed = await removeLevel(folder, removal)
  // Its parent's sync makes the removal of the folder durable, and with it of all that it held.
  await syncFolder(dirname(folder)).catch((error) => {
    if (!isMissing(error)) throw error
  })
  return removed
}

async function removeLevel(folder: string, removal: Removal): Promise<number> {
  let removed = 0
  for (const { name, isFolder } of await readLevel(folder, () => true)) {
    const path = join(folder, name)
    if (isFolder) removed += await removeLevel(path, removal)
    else if (await removal.hold(path, () => removeFile(folder, name))) removed++
  }
  removal.forget(folder)
  // Not empty: somebody has just put an object there.
  await rmdir(folder).catch(async (error) => {
    if (!isMissing(error)) await syncFolder(folder)
  })
  return removed
}

async function removeFile(folder: string, name: string): Promise<boolean> {
  const had = await unlinkIfThere(join(folder, name))
  await unlinkIfThere(join(folder, sidecarName(name)))
  return had
}

interface Entry {
  name: string
  isFolder: boolean
  hasData: boolean
}

/** What a folder holds of ours, in the order of keys; nothing when it is not there. */
async function readLevel(folder: string, wanted: (name: string) => boolean): Promise<Entry[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error) => {
    if (isMissing(error)) return []
    throw error
  })
  const found = new Map<string, Entry>()
  for (const entry of entries) {
    const owner = sidecarOf(entry.name)
    const name = owner ?? entry.name
    if (!wanted(name)) continue
    const { isFolder, hasData } = found.get(name) ?? { isFolder: false, hasData: false }
    found.set(name, { name, isFolder: isFolder || entry.isDirectory(), hasData: hasData || owner === null })
  }
  const order = ({ name, isFolder }: Entry) => (isFolder ? `${name}/` : name)
  return [...found.values()].sort((a, b) => (order(a) < order(b) ? -1 : 1))
}
