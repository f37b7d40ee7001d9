import type { Clock } from './media/clock.ts'
import type { Log } from './media/log.ts'

/** What was opened, to be closed from the last to the first. */
export interface Closers {
  /** @param extraMs what closing it may take beyond the usual limit. */
  add(name: string, close: () => Promise<void> | void, extraMs?: number): void
  /** Each within its limit: one that hangs or fails does not keep the others open. Never throws. */
  closeAll(): Promise<void>
}

/** Milliseconds that closing one may take. */
const usualLimit = 10_000

export function openClosers({ clock, log }: { clock: Clock; log: Log }): Closers {
  const open: { name: string; close: () => Promise<void> | void; limit: number }[] = []
  return {
    add: (name, close, extraMs = 0) => {
      open.push({ name, close, limit: usualLimit + extraMs })
    },
    closeAll: async () => {
      for (const { name, close, limit } of open.splice(0).reverse()) {
        const patience = new AbortController()
        const late = clock.sleep(limit, patience.signal).then(
          () => log.warn({ room: name }, 'did not close in time'),
          () => {},
        )
        const closed = (async () => await close())().catch((error) => {
          log.warn({ room: name, error }, 'did not close cleanly')
        })
        await Promise.race([closed, late])
        patience.abort()
      }
    },
  }
}
