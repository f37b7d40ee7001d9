import type { ListMedia, Media } from '../../../client/src/index.ts'
import { followFeed } from '../api/feed.ts'
import { client, noteError } from '../api/session.ts'
import { createStore } from '../store.ts'
import { explain } from '../words.ts'

/** The caller's media as far as they are read, kept up to date by the feed. */

export interface Filters {
  q: string
  status: '' | 'processed' | 'processing' | 'failed' | 'uploading'
  media_type: '' | 'video' | 'image' | 'audio'
}

export interface Library {
  filters: Filters
  /** Of the filters, newest first. */
  order: readonly string[]
  media: ReadonlyMap<string, Media>
  cursor: string | null
  state: 'idle' | 'loading' | 'more' | 'failed'
  problem: string | null
  /** Whether changes arrive as they happen. */
  live: boolean
  /** Whether they ever did. */
  begun: boolean
  selected: ReadonlySet<string>
}

const noFilters: Filters = { q: '', status: '', media_type: '' }
const pageSize = 48
/** Pages may be short: so many are read at most until there is something to show. */
const shortPages = 5

export const library = createStore<Library>({
  filters: noFilters,
  order: [],
  media: new Map(),
  cursor: null,
  state: 'loading',
  problem: null,
  live: false,
  begun: false,
  selected: new Set(),
})

let reading = new AbortController()

/** Reads anew, with other filters or the same. What is shown stays until the answer is there. */
export async function read(filters: Filters = library.get().filters): Promise<void> {
  reading.abort()
  reading = new AbortController()
  const { signal } = reading
  const same = filters === library.get().filters
  library.set({ filters, problem: null, ...(same ? {} : { state: 'loading', selected: new Set() }) })
  await take(signal, async () => {
    const { items, cursor } = await readPages(queryOf(filters), signal)
    const media = new Map([...library.get().media, ...items.map((one): [string, Media] => [one.media_id, one])])
    library.set({ order: items.map(({ media_id }) => media_id), media, cursor, state: 'idle' })
  })
}

export async function readMore(): Promise<void> {
  const { cursor, state, filters } = library.get()
  if (cursor === null || state !== 'idle') return
  const { signal } = reading
  library.set({ state: 'more' })
  await take(signal, async () => {
    const page = await readPages({ ...queryOf(filters), cursor }, signal)
    const { order, media } = library.get()
    const known = new Set(order)
    const fresh = page.items.filter(({ media_id }) => !known.has(media_id))
    library.set({
      order: [...order, ...fresh.map(({ media_id }) => media_id)],
      media: new Map([...media, ...page.items.map((one): [string, Media] => [one.media_id, one])]),
      cursor: page.cursor,
      state: 'idle',
    })
  })
}

async function take(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (signal.aborted) return
    noteError(error)
    library.set({ state: 'failed', problem: explain(error) })
  }
}

async function readPages(query: ListMedia, signal: AbortSignal): Promise<{ items: Media[]; cursor: string | null }> {
  const items: Media[] = []
  let { cursor } = query
  for (let pages = 0; pages < shortPages; pages++) {
    const page = await client.list({ ...query, ...(cursor ? { cursor } : {}) }, { signal })
    items.push(...page.items)
    if (page.next_cursor === null) return { items, cursor: null }
    cursor = page.next_cursor
    if (items.length >= pageSize / 2) break
  }
  return { items, cursor: cursor ?? null }
}

function queryOf({ q, status, media_type }: Filters): ListMedia {
  return {
    limit: pageSize,
    ...(q.trim() ? { q: q.trim().slice(0, 200) } : {}),
    ...(status ? { status } : {}),
    ...(media_type ? { media_type } : {}),
  }
}

/** Follows changes for as long as somebody is signed in. */
export function startFollowing(): () => void {
  return followFeed({
    onBegin: () => void read(),
    onMedia: note,
    onGone: forget,
    onLive: (live) => library.set(live ? { live, begun: true } : { live }),
  })
}

/** A media as it is now: from the feed, or from an answer. */
export function note(media: Media): void {
  const { media: all, order, filters } = library.get()
  const before = all.get(media.media_id)
  if (before && before.version > media.version) return
  const next = new Map(all).set(media.media_id, media)
  const shown = order.includes(media.media_id)
  if (shown === fits(media, filters)) return library.set({ media: next })
  if (shown) return library.set({ media: next, order: order.filter((one) => one !== media.media_id) })
  library.set({ media: next, order: placed(media, order, next) })
}

/** Where it belongs; beyond what is read so far it comes with its page. */
function placed(media: Media, order: readonly string[], all: ReadonlyMap<string, Media>): readonly string[] {
  const at = order.findIndex((one) => (all.get(one)?.upload_time ?? '') < media.upload_time)
  if (at >= 0) return order.toSpliced(at, 0, media.media_id)
  return library.get().cursor === null ? [...order, media.media_id] : order
}

export function forget(media_id: string): void {
  const { media, order, selected } = library.get()
  const next = new Map(media)
  next.delete(media_id)
  library.set({ media: next, order: order.filter((one) => one !== media_id), selected: without(selected, media_id) })
}

function fits(media: Media, { q, status, media_type }: Filters): boolean {
  if (media_type && media.media_type !== media_type) return false
  if (status && media.status !== status) return false
  return media.title.toLowerCase().includes(q.trim().toLowerCase())
}

export function toggle(media_id: string, { range = false } = {}): void {
  const { selected, order } = library.get()
  if (range && selected.size > 0) {
    const last = [...selected].at(-1) ?? media_id
    const [from, to] = [order.indexOf(last), order.indexOf(media_id)].sort((a, b) => a - b) as [number, number]
    return library.set({ selected: new Set([...selected, ...order.slice(from, to + 1)]) })
  }
  library.set({ selected: selected.has(media_id) ? without(selected, media_id) : new Set([...selected, media_id]) })
}

export function select(media_ids: Iterable<string>): void {
  library.set({ selected: new Set(media_ids) })
}

function without(set: ReadonlySet<string>, one: string): ReadonlySet<string> {
  if (!set.has(one)) return set
  const next = new Set(set)
  next.delete(one)
  return next
}

/** @returns how many of them could not be removed, and why the first could not */
export async function removeAll(media_ids: readonly string[]): Promise<{ failed: number; problem: string | null }> {
  return await each(media_ids, async (media_id) => {
    await client.remove(media_id)
    forget(media_id)
  })
}

export async function retryAll(media_ids: readonly string[]): Promise<{ failed: number; problem: string | null }> {
  return await each(media_ids, async (media_id) => note(await client.retry(media_id)))
}

/** Four at a time. */
async function each(media_ids: readonly string[], work: (media_id: string) => Promise<void>) {
  const waiting = [...media_ids]
  const problems: unknown[] = []
  async function run(): Promise<void> {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      await work(next).catch((error) => {
        noteError(error)
        problems.push(error)
      })
    }
  }
  await Promise.all([run(), run(), run(), run()])
  return { failed: problems.length, problem: problems.length > 0 ? explain(problems[0]) : null }
}

/** Back to nothing: for who signs out. */
export function clearLibrary(): void {
  reading.abort()
  library.set({ filters: noFilters, order: [], media: new Map(), cursor: null, state: 'loading', selected: new Set() })
}
