import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../media/clock.ts'
import { discardFolder, isMissing, statOf, storing, syncFolder, writeSynced } from './files.ts'
import { loadFacts } from './journal.ts'
import type { Place } from './keys.ts'
import { noUpload } from './parts.ts'
import type { ObjectRef, UploadRef } from './port.ts'
import { type About, dataName, journalName, openUpload, type Upload } from './upload.ts'

/** The folders of uploads under way, and those of them that are open in memory. */
export interface UploadFolders {
  make(upload_id: string, about: About): Promise<void>
  /** Works with an upload; what comes while it ends waits for that. @throws MediaError `not_found` */
  use<T>(upload: UploadRef, work: (upload: Upload) => Promise<T>): Promise<T>
  /** Removes an upload's folder, durably. */
  discard(upload: Upload): Promise<void>
  /** Makes removals durable that came before. */
  sync(): Promise<void>
  /** Uploads of a bucket that were begun before; removes what a crash has left of others. */
  old(bucket: string, before: number): AsyncIterable<UploadRef>
}

export interface FoldersGiven {
  /** Holds a folder an upload: `data`, `upload.json` and `parts.log`. Durable, and on the filesystem of the objects. */
  root: string
  locate(ref: ObjectRef): Place
  /** A new name on the same filesystem, of what goes with the process. */
  newPath(): string
  clock: Clock
}

const aboutName = 'upload.json'

/** Uploads and their parts that stay in memory while nobody uses them. */
const idleUploads = 1_000
const idleParts = 50_000

interface Entry {
  loading: Promise<Upload>
  loaded: Upload | null
}

export function openUploadFolders({ root, locate, newPath, clock }: FoldersGiven): UploadFolders {
  /** The least recently used first. */
  const entries = new Map<string, Entry>()
  const doubtful = new Set<string>()
  const discard = (folder: string) => discardFolder(folder, newPath())

  async function load(upload_id: string): Promise<Upload> {
    const folder = join(root, upload_id)
    const about = await readAbout(folder)
    if (!about) throw noUpload(upload_id)
    if (!(await statOf(join(folder, dataName)))) {
      // The object has its name; the end of `completeUpload` is made up for.
      await syncFolder(locate(about.ref).folder)
      await discard(folder)
      throw noUpload(upload_id)
    }
    const facts = await loadFacts(join(folder, journalName), doubtful.has(upload_id))
    facts.stride ??= about.part_size
    doubtful.delete(upload_id)
    const onOver = (over: { doubtful: boolean }) => {
      entries.delete(upload_id)
      if (over.doubtful) doubtful.add(upload_id)
    }
    return openUpload({ folder, about, facts, clock, onOver })
  }

  function find(upload_id: string): Entry {
    const found = entries.get(upload_id)
    if (found) {
      entries.delete(upload_id)
      entries.set(upload_id, found)
      return found
    }
    const loading = storing('opening an upload', () => load(upload_id))
    const entry: Entry = { loading, loaded: null }
    entries.set(upload_id, entry)
    loading.then(
      (upload) => {
        entry.loaded = upload
        forgetIdle(entries)
      },
      () => entries.delete(upload_id),
    )
    return entry
  }

  return {
    make: async (upload_id, about) => {
      const folder = join(root, upload_id)
      await mkdir(folder)
      try {
        await writeSynced(join(folder, dataName), '')
        await writeSynced(join(folder, journalName), '')
        await writeSynced(join(folder, aboutName), `${JSON.stringify(about)}\n`)
        await syncFolder(folder)
        await syncFolder(root)
      } catch (error) {
        // On a full disk, who tries again and again would leave a folder each time.
        await discard(folder).catch(() => {})
        throw error
      }
    },
    use: async ({ ref, upload_id }, work) => {
      if (!/^[0-9a-f]{32}$/.test(upload_id)) throw noUpload(upload_id)
      for (;;) {
        const upload = await find(upload_id).loading
        if (upload.over) {
          await upload.over
          continue
        }
        const { bucket, key } = upload.about.ref
        if (bucket !== ref.bucket || key !== ref.key) throw noUpload(upload_id)
        upload.users++
        try {
          return await work(upload)
        } finally {
          upload.users--
        }
      }
    },
    discard: ({ folder }) => discard(folder),
    sync: () => syncFolder(root),
    old: async function* (bucket, before) {
      for (const upload_id of await readdir(root)) {
        const folder = join(root, upload_id)
        const about = await readAbout(folder)
        if (!about) {
          const stats = await statOf(folder)
          if (stats && stats.mtimeMs < before) await discard(folder)
        } else if (about.ref.bucket === bucket && about.created < before) yield { ref: about.ref, upload_id }
      }
    },
  }
}

async function readAbout(folder: string): Promise<About | null> {
  try {
    return JSON.parse(await readFile(join(folder, aboutName), 'utf8')) as About
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return null
    throw error
  }
}

/** Lets go of those that nobody uses, the least recently used first, until what stays is within the limits. */
function forgetIdle(entries: Map<string, Entry>): void {
  let parts = 0
  for (const { loaded } of entries.values()) parts += loaded?.facts.parts.size ?? 0
  for (const [upload_id, { loaded }] of entries) {
    if (entries.size <= idleUploads && parts <= idleParts) return
    if (!loaded || loaded.users > 0) continue
    parts -= loaded.facts.parts.size
    // Who has just been given it opens it anew.
    loaded.over = Promise.resolve()
    entries.delete(upload_id)
  }
}
