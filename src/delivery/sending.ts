import type { Clock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import { presenceLasts } from './presence.ts'
import type { Reply } from './stream.ts'

/** The large replies under way. */
export interface Sending<F> {
  /** `signal` aborts when the reader has gone or stalls, or when the file may be read no more. `end` is to be called. */
  begin(reply: Reply, file: F, stallLimit: number): { signal: AbortSignal; end: () => void }
  /** Aborts those of one media. */
  cut(media_id: string): void
  /** Aborts all, for good. */
  close(): void
}

interface SendingOptions<F> {
  clock: Clock
  /** Rejects when the file may be read no more. */
  check: (file: F) => Promise<void>
}

/** While anything is sent, each file is looked for every second: a deletion also ends what a slow reader has half read. */
export function openSending<F extends { media_id: string }>({ clock, check }: SendingOptions<F>): Sending<F> {
  const under = new Map<AbortController, F>()
  const closed = new AbortController()
  let watching = false

  async function watch(): Promise<void> {
    if (watching) return
    watching = true
    while (under.size > 0 && !closed.signal.aborted) {
      await clock.sleep(presenceLasts, closed.signal).catch(() => {})
      await Promise.all([...under].map(([controller, file]) => check(file).catch((error) => controller.abort(error))))
    }
    watching = false
  }

  function abortAll(why: MediaError, chosen: (file: F) => boolean): void {
    for (const [controller, file] of under) if (chosen(file)) controller.abort(why)
  }

  return {
    begin(reply, file, stallLimit) {
      const controller = new AbortController()
      if (closed.signal.aborted) controller.abort(closed.signal.reason)
      const leave = () => controller.abort(new MediaError('interrupted', 'the reader has gone'))
      const onStall = () => controller.abort(new MediaError('interrupted', 'the reader takes nothing'))
      reply.once('close', leave)
      reply.setTimeout(stallLimit, onStall)
      // A reply that waits behind another of the same connection is not told that the connection has ended.
      const socket = 'stream' in reply ? null : reply.req.socket
      socket?.once('close', leave)
      under.set(controller, file)
      void watch()
      const end = () => {
        under.delete(controller)
        reply.off('close', leave)
        socket?.off('close', leave)
      }
      return { signal: controller.signal, end }
    },
    cut: (media_id) => abortAll(new MediaError('not_found', 'the media is gone'), (file) => file.media_id === media_id),
    close() {
      const why = new MediaError('interrupted', 'the edge is closing')
      closed.abort(why)
      abortAll(why, () => true)
    },
  }
}
