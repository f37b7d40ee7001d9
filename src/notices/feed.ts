import type { Clock } from '../media/clock.ts'
import { codeOf, MediaError } from '../media/errors.ts'
import type { Log } from '../media/log.ts'
import type { MediaView } from '../media/record.ts'
import { type Metadata, readView } from '../metadata/port.ts'

/** What a feed tells: a media as it is now, or that it is gone; and now and then how far it has come. */
export type FeedNotice =
  | { kind: 'media'; view: MediaView }
  | { kind: 'gone'; media_id: string }
  /** All up to `cursor` is told; a feed that goes on from there misses nothing. Null: the log is empty. */
  | { kind: 'place'; cursor: string | null }
  /** There was more than can be told: read the list again. */
  | { kind: 'reset' }

export interface Feed {
  /**
   * Changes of all media of a user from `cursor` on, or from now: each media as it is, not each change of it. First comes a
   * `place`. What a slow reader has not taken is told in its newest state.
   * Ends silently when `signal` aborts or the service stops.
   * A cursor that is none of the log's, or lies too far back, gives a `reset`.
   * @throws MediaError `slow_down` when too many follow.
   */
  follow(user_id: string, options: { cursor?: string | undefined; signal: AbortSignal }): AsyncIterable<FeedNotice>
  /** Number of those who follow. */
  following(): number
  /** Ends all feeds. */
  close(): void
}

interface FeedOptions {
  metadata: Metadata
  clock: Clock
  log: Log
  /** Milliseconds between two looks at the log. */
  interval?: number
  /** Milliseconds between two looks at the progress of what is being processed. */
  progressInterval?: number
  /** Feeds at once. */
  limit?: number
}

interface Follower {
  user_id: string
  /** Media that changed since the reader last asked; they are read when it asks again. */
  changed: Set<string>
  /** Being processed, and the progress that was told last. */
  active: Map<string, number>
  /** All before it is noted in `changed`; undefined until that is known. */
  cursor: string | null | undefined
  overrun: boolean
  ended: boolean
  wake: () => void
}

const page = 200
/** Media that a reader may fall behind by; more of them it is told to read the list again. */
const most = 500
/** Pages of the log that one who comes back is told of. */
const mostPages = 50
/** Media of a user whose progress is looked at. */
const mostActive = 50

/** Follows the event log once for all who follow their media now. */
export function openFeed({
  metadata,
  clock,
  log,
  interval = 500,
  progressInterval = 1_000,
  limit = 1_000,
}: FeedOptions): Feed {
  const followers = new Set<Follower>()
  let running: AbortController | null = null
  /** How far the log is read; undefined while nobody follows. */
  let tail: string | null | undefined
  let closed = false

  async function run({ signal }: AbortController): Promise<void> {
    while (!signal.aborted) {
      let more = false
      try {
        const from = tail === undefined ? await metadata.logEnd() : tail
        const { events, cursor } = await metadata.readLog(from, page)
        if (signal.aborted) return
        for (const event of events) note(event.user_id, event.media_id)
        tail = cursor
        for (const follower of followers) setCursor(follower, cursor)
        more = events.length === page
      } catch (error) {
        log.warn({ error }, 'cannot follow the event log; trying again')
      }
      if (!more) await clock.sleep(interval, signal).catch(() => {})
    }
  }

  function note(user_id: string, media_id: string): void {
    for (const follower of followers) if (follower.user_id === user_id) markChanged(follower, media_id)
  }

  /** Of media that are processed now, which its own log does not say. */
  async function watchProgress(follower: Follower, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !follower.ended) {
      await clock.sleep(progressInterval, signal).catch(() => {})
      try {
        for (const [media_id, told] of follower.active) {
          const view = await viewOf(metadata, media_id)
          if (view?.progress !== told) markChanged(follower, media_id)
        }
      } catch (error) {
        log.warn({ error }, 'cannot read the progress of media; trying again')
      }
    }
  }

  /** What the log has after the place where an earlier feed ended. What comes meanwhile is noted already. */
  async function catchUp(follower: Follower, from: string): Promise<void> {
    let cursor: string | null = from
    for (let pages = 0; pages < mostPages && !follower.ended; pages++) {
      const next: Awaited<ReturnType<Metadata['readLog']>> = await metadata.readLog(cursor, page)
      for (const event of next.events) if (event.user_id === follower.user_id) markChanged(follower, event.media_id)
      if (next.events.length < page) return
      cursor = next.cursor
    }
    follower.overrun = true
  }

  async function begin(follower: Follower, cursor: string | undefined): Promise<void> {
    await catchUpSoftly(follower, cursor)
    const { user_id } = follower
    const { items } = await metadata.list({ user_id, status: 'processing', limit: mostActive })
    for (const { media_id } of items) follower.active.set(media_id, -1)
  }

  async function catchUpSoftly(follower: Follower, cursor: string | undefined): Promise<void> {
    try {
      if (cursor !== undefined) await catchUp(follower, cursor)
    } catch (error) {
      if (codeOf(error) !== 'invalid_cursor') throw error
      follower.overrun = true
    }
  }

  return {
    async *follow(user_id, { cursor, signal }) {
      if (signal.aborted || closed) return
      if (followers.size >= limit) throw new MediaError('slow_down', `${followers.size} feeds are open`)
      const follower = newFollower(user_id, tail)
      followers.add(follower)
      const end = () => settle(follower)
      signal.addEventListener('abort', end, { once: true })
      const stop = new AbortController()
      try {
        if (running === null) {
          running = new AbortController()
          void run(running)
        }
        await begin(follower, cursor)
        void watchProgress(follower, stop.signal)
        yield* tell(follower, metadata)
      } finally {
        stop.abort()
        signal.removeEventListener('abort', end)
        followers.delete(follower)
        if (followers.size === 0) {
          running?.abort()
          running = null
          tail = undefined
        }
      }
    },
    following: () => followers.size,
    close() {
      closed = true
      for (const follower of followers) settle(follower)
    },
  }
}

function newFollower(user_id: string, cursor: string | null | undefined): Follower {
  const state = { changed: new Set<string>(), active: new Map<string, number>(), cursor }
  return { user_id, ...state, overrun: false, ended: false, wake() {} }
}

function setCursor(follower: Follower, cursor: string | null): void {
  if (follower.cursor === cursor) return
  follower.cursor = cursor
  follower.wake()
}

function markChanged(follower: Follower, media_id: string): void {
  if (follower.changed.size < most) follower.changed.add(media_id)
  else follower.overrun = true
  follower.wake()
}

function settle(follower: Follower): void {
  follower.ended = true
  follower.wake()
}

/** Tells a follower what has changed, each media as it is when it is told. */
async function* tell(follower: Follower, metadata: Metadata): AsyncIterable<FeedNotice> {
  let told: string | null | undefined
  while (!follower.ended) {
    const { cursor } = follower
    const changed = [...follower.changed]
    follower.changed.clear()
    if (follower.overrun) {
      follower.overrun = false
      yield { kind: 'reset' }
    }
    for (const media_id of changed) yield await noticeOf(follower, metadata, media_id)
    if (cursor !== undefined && cursor !== told) {
      told = cursor
      yield { kind: 'place', cursor }
    }
    if (follower.changed.size > 0 || follower.overrun || follower.ended || follower.cursor !== told) continue
    await new Promise<void>((resolve) => {
      follower.wake = resolve
    })
  }
}

async function noticeOf({ active, user_id }: Follower, metadata: Metadata, media_id: string): Promise<FeedNotice> {
  const view = await viewOf(metadata, media_id)
  if (!view || view.record.user_id !== user_id || view.record.status === 'deleted') {
    active.delete(media_id)
    return { kind: 'gone', media_id }
  }
  if (view.record.status !== 'processing') active.delete(media_id)
  else if (active.has(media_id) || active.size < mostActive) active.set(media_id, view.progress)
  return { kind: 'media', view }
}

async function viewOf(metadata: Metadata, media_id: string): Promise<MediaView | null> {
  const record = await metadata.get(media_id)
  return record && (await readView(metadata, record))
}
