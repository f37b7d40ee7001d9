import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../../media/log.ts'
import { type Lru, openLru } from '../lru.ts'
import type { Fields } from './fields.ts'
import { type Fill, smallBody, startFill } from './fill.ts'
import type { Timed } from './freshness.ts'

/** A response that is kept: what it says is replaced as a whole, its bytes never change. */
export interface Entry extends Timed {
  /** Names its files. */
  readonly id: string
  readonly key: string
  /** What of the request it was chosen by. */
  readonly vary: Fields
  /** Bytes; null while they come and nobody knows. */
  size: number | null
  /** Set while its bytes come. */
  fill: Fill | null
}

/**
 * Responses on disk, bounded in bytes: what was not used for longest goes first. It outlives a restart.
 * Files: `{folder}/{xx}/{id}` the bytes, synced before `{id}.json` says that they are whole.
 */
export interface Storage {
  /** What is kept under a key, newest first. */
  find(key: string): readonly Entry[]
  /** All of them. */
  keys(): Iterable<string>
  /** Keeps a response whose body is coming; in place of `instead`. What fails leaves nothing. */
  keep(entry: NewEntry, body: AsyncIterable<Uint8Array>, instead?: Entry | null): Entry
  /** Gives an entry other fields and times, after a validation. */
  refresh(entry: Entry, timed: Timed): void
  /** Forgets what is kept under a key. */
  drop(key: string): void
  /** Forgets what is kept under all keys that begin so. */
  dropPrefix(prefix: string): void
  remove(entry: Entry): void
  /** The bytes, when they are few. */
  small(entry: Entry): Promise<Buffer | null>
  /** What it takes on disk, and may take at most. */
  bytes(): number
  readonly limit: number
  /** Where the bytes lie, when they are whole. */
  pathOf(entry: Entry): string
  /** Resolves when what is under way is written. */
  close(): Promise<void>
}

export type NewEntry = Timed & Pick<Entry, 'key' | 'vary' | 'size'>

export interface StorageOptions {
  folder: string
  /** Bytes on disk. */
  limit: number
  /** Bytes of small bodies in memory. */
  memoryBytes: number
  newId: () => string
  log: Log
}

/** What an entry costs besides its bytes. */
const overhead = 2 * 1024
const loadedAtOnce = 16

export async function openStorage(options: StorageOptions): Promise<Storage> {
  const { folder, limit, memoryBytes, newId, log } = options
  const keys = new Map<string, Entry[]>()
  /** In the order of use. */
  const used = new Map<string, Entry>()
  const bodies: Lru<Buffer> = openLru(memoryBytes)
  const work = new Set<Promise<unknown>>()
  let bytes = 0

  const pathOf = ({ id }: Pick<Entry, 'id'>) => join(folder, id.slice(0, 2), id)
  const weigh = (entry: Entry) => overhead + (entry.size ?? 0)

  function track(task: Promise<unknown>): void {
    const mine = task
      .catch((error) => log.warn({ error }, 'the edge could not write to its cache'))
      .finally(() => work.delete(mine))
    work.add(mine)
  }

  function add(entry: Entry): void {
    keys.set(entry.key, [entry, ...(keys.get(entry.key) ?? [])])
    used.set(entry.id, entry)
    bytes += weigh(entry)
    makeRoom(entry)
  }

  function makeRoom(entry: Entry): void {
    for (const oldest of used.values()) {
      if (bytes <= limit) break
      if (oldest !== entry) remove(oldest)
    }
  }

  function remove(entry: Entry): void {
    if (!used.delete(entry.id)) return
    bytes -= weigh(entry)
    const left = (keys.get(entry.key) ?? []).filter((one) => one !== entry)
    if (left.length === 0) keys.delete(entry.key)
    else keys.set(entry.key, left)
    bodies.delete(entry.id)
    const path = pathOf(entry)
    track(Promise.all([rm(`${path}.json`, { force: true }), rm(path, { force: true })]))
  }

  async function describe(entry: Entry): Promise<void> {
    const { fill: _, ...meta } = entry
    const path = `${pathOf(entry)}.json`
    const fresh = `${path}.${newId()}`
    await writeFile(fresh, JSON.stringify(meta))
    await rename(fresh, path)
    if (!used.has(entry.id)) await rm(path, { force: true })
  }

  async function finish(entry: Entry, fill: Fill): Promise<void> {
    try {
      const size = await fill.done
      if (!used.has(entry.id)) return
      bytes -= weigh(entry)
      entry.size = size
      bytes += weigh(entry)
      makeRoom(entry)
      const small = fill.small()
      if (small) bodies.set(entry.id, small, small.length + overhead)
      entry.fill = null
      await describe(entry)
    } catch (error) {
      remove(entry)
      throw error
    }
  }

  await load({ folder, add, pathOf })
  return {
    find: (key) => {
      const found = keys.get(key) ?? []
      for (const entry of found) {
        used.delete(entry.id)
        used.set(entry.id, entry)
      }
      return found
    },
    keys: () => keys.keys(),
    keep: (given, body, instead) => {
      const id = newId()
      const fill = startFill({ path: pathOf({ id }), body, size: given.size })
      const entry: Entry = { ...given, id, fill }
      if (instead) remove(instead)
      add(entry)
      track(finish(entry, fill))
      return entry
    },
    refresh: (entry, { status: _, ...timed }) => {
      Object.assign(entry, timed)
      if (!entry.fill) track(describe(entry))
    },
    drop: (key) => {
      for (const entry of keys.get(key) ?? []) remove(entry)
    },
    dropPrefix: (prefix) => {
      for (const [key, entries] of keys) if (key.startsWith(prefix)) entries.forEach(remove)
    },
    remove,
    small: async (entry) => {
      if (entry.size === null || entry.size > smallBody || entry.fill) return null
      const known = bodies.get(entry.id)
      if (known) return known
      const read = await readFile(pathOf(entry))
      bodies.set(entry.id, read, read.length + overhead)
      return read
    },
    bytes: () => bytes,
    limit,
    pathOf,
    close: async () => {
      while (work.size > 0) await Promise.all(work)
    },
  }
}

/** Takes up what an earlier process has left: what is not whole goes. */
async function load(given: {
  folder: string
  add(entry: Entry): void
  pathOf(entry: Pick<Entry, 'id'>): string
}): Promise<void> {
  const { folder, add, pathOf } = given
  const drawers = Array.from({ length: 256 }, (_, n) => n.toString(16).padStart(2, '0'))
  const found: Entry[] = []

  async function loadDrawer(drawer: string): Promise<void> {
    const place = join(folder, drawer)
    await mkdir(place, { recursive: true })
    const names = await readdir(place)
    const whole = new Set<string>()
    for (const name of names.filter((one) => one.endsWith('.json'))) {
      const entry = await readEntry(join(place, name), pathOf)
      if (entry) {
        whole.add(entry.id)
        found.push(entry)
      }
    }
    const rest = names.filter((name) => !whole.has(name.replace(/\.json$/, '')))
    await Promise.all(rest.map((name) => rm(join(place, name), { force: true })))
  }

  const next = drawers.values()
  await Promise.all(
    Array.from({ length: loadedAtOnce }, async () => {
      for (const drawer of next) await loadDrawer(drawer)
    }),
  )
  // The newest is used last: what goes first is what came first.
  for (const entry of found.toSorted((a, b) => a.responded_at - b.responded_at)) add(entry)
}

async function readEntry(path: string, pathOf: (entry: Pick<Entry, 'id'>) => string): Promise<Entry | null> {
  try {
    const entry = { ...JSON.parse(await readFile(path, 'utf8')), fill: null } as Entry
    const { size } = await stat(pathOf(entry))
    return size === entry.size ? entry : null
  } catch {
    return null
  }
}
