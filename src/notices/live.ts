import type { Clock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import type { Log } from '../media/log.ts'
import type { MediaView } from '../media/record.ts'
import { finalStatuses } from '../media/states.ts'
import { type Metadata, readView } from '../metadata/port.ts'

/** A media as it is now, and the place in its log up to which that includes everything. */
export interface Notice {
  /** `{media_id}.{seq}` of the newest event it includes. */
  event_id: string
  seq: number
  view: MediaView
}

export interface Live {
  /**
   * The media now, then again at each change of its record or progress, until its status is final.
   * A slow reader gets the newest state, not each one: there is never more than one waiting for it.
   * Ends silently when `signal` aborts or the service stops. Whose media it is has been checked before.
   * @throws MediaError `slow_down` when too many watch, `not_found` for an unknown media.
   */
  watch(media_id: string, options: { signal: AbortSignal }): AsyncIterable<Notice>
  /** Number of those who watch. */
  watching(): number
  /** Ends all streams. */
  close(): void
}

interface LiveOptions {
  metadata: Metadata
  clock: Clock
  log: Log
  /** Milliseconds between two looks at the log. */
  interval?: number
  /** Streams at once. */
  limit?: number
}

/** One who watches: the state it has not yet taken, and how to wake it. */
interface Watcher {
  waiting: Notice | null
  ended: boolean
  failure: unknown
  wake: () => void
}

/** A watched media: one loop looks at it for all its watchers. */
interface Watched {
  watchers: Set<Watcher>
  last: Notice | null
  stop: AbortController
}

const logPage = 500

/** Follows the event log for those who watch a media now. */
export function openLive({ metadata, clock, log, interval = 200, limit = 1_000 }: LiveOptions): Live {
  const all = new Map<string, Watched>()
  let count = 0
  let closed = false

  async function look(media_id: string, after: number): Promise<Notice> {
    // The log before the record: the record may then hold more than `seq` says, never less.
    const seq = await lastSeq(metadata, media_id, after)
    const record = await metadata.get(media_id)
    if (!record) throw new MediaError('not_found', `no media ${media_id}`)
    return { event_id: `${media_id}.${seq}`, seq, view: await readView(metadata, record) }
  }

  async function follow(media_id: string, watched: Watched): Promise<void> {
    const { signal } = watched.stop
    while (!signal.aborted) {
      try {
        tell(watched, await look(media_id, watched.last?.seq ?? 0))
        if (isFinal(watched.last)) break
      } catch (error) {
        if (!watched.last) {
          for (const watcher of watched.watchers) watcher.failure = error
          break
        }
        log.warn({ media_id, error }, 'cannot follow a media; trying again')
      }
      await clock.sleep(interval, signal).catch(() => {})
    }
    end(media_id, watched)
  }

  /** Forgets it in the same breath, so that nobody joins a loop that is over. */
  function end(media_id: string, watched: Watched): void {
    watched.stop.abort()
    if (all.get(media_id) === watched) all.delete(media_id)
    for (const watcher of watched.watchers) settle(watcher)
  }

  function join(media_id: string): { watched: Watched; watcher: Watcher } {
    if (count >= limit) throw new MediaError('slow_down', `${count} streams are open`)
    const known = all.get(media_id)
    const watched = known ?? { watchers: new Set(), last: null, stop: new AbortController() }
    const watcher: Watcher = { waiting: watched.last, ended: false, failure: null, wake() {} }
    watched.watchers.add(watcher)
    count += 1
    if (!known) {
      all.set(media_id, watched)
      void follow(media_id, watched)
    }
    return { watched, watcher }
  }

  function leave(media_id: string, watched: Watched, watcher: Watcher): void {
    watched.watchers.delete(watcher)
    count -= 1
    if (watched.watchers.size === 0) end(media_id, watched)
  }

  return {
    async *watch(media_id, { signal }) {
      if (signal.aborted || closed) return
      const { watched, watcher } = join(media_id)
      const onAbort = () => settle(watcher)
      signal.addEventListener('abort', onAbort, { once: true })
      try {
        yield* take(watcher, signal)
      } finally {
        signal.removeEventListener('abort', onAbort)
        leave(media_id, watched, watcher)
      }
    },
    watching: () => count,
    close() {
      closed = true
      for (const [media_id, watched] of all) end(media_id, watched)
    },
  }
}

/** Yields what waits for a watcher, and waits when nothing does. */
async function* take(watcher: Watcher, signal: AbortSignal): AsyncIterable<Notice> {
  while (!signal.aborted) {
    const { waiting } = watcher
    if (waiting) {
      watcher.waiting = null
      yield waiting
    } else if (watcher.ended) {
      if (watcher.failure !== null) throw watcher.failure
      return
    } else {
      await new Promise<void>((resolve) => {
        watcher.wake = resolve
      })
    }
  }
}

function tell(watched: Watched, notice: Notice): void {
  if (!isNews(watched.last, notice)) return
  watched.last = notice
  for (const watcher of watched.watchers) {
    watcher.waiting = notice
    watcher.wake()
  }
}

function isNews(last: Notice | null, { seq, view }: Notice): boolean {
  return last?.seq !== seq || last.view.record.version !== view.record.version || last.view.progress !== view.progress
}

function isFinal(notice: Notice | null): boolean {
  return notice !== null && finalStatuses.includes(notice.view.record.status)
}

function settle(watcher: Watcher): void {
  watcher.ended = true
  watcher.wake()
}

/** The newest sequence number of a media's log, which is at least `after`. */
async function lastSeq(metadata: Metadata, media_id: string, after: number): Promise<number> {
  for (let seq = after; ; ) {
    const events = await metadata.timeline(media_id, seq, logPage)
    seq = events.at(-1)?.seq ?? seq
    if (events.length < logPage) return seq
  }
}
