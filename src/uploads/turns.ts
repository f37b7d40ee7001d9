import type { Clock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'

/**
 * Who may work on an upload whose bytes follow one another: one at a time. Whoever comes makes those before him leave,
 * for a sender asks again only when he holds his earlier request for dead.
 * `openUploadTurns` is for one process; `openSharedTurns` promises the same for several.
 */
export interface Turns {
  /**
   * Resolves when nobody else has the turn; those before are asked to leave.
   * @throws MediaError `unavailable` when the holder does not leave in time: nobody works beside him.
   */
  take(name: string): Promise<Turn>
}

/** To be ended exactly once. It resolves when the next may come; it never throws. */
export interface Turn {
  /** Aborted, with `conflict`, when somebody else wants the turn: what is half done is to be kept and left. */
  wanted: AbortSignal
  end(): void | Promise<void>
}

/** Milliseconds that a holder has to leave. */
const patience = 9_000

interface Seat {
  leave: AbortController
  granted: PromiseWithResolvers<void>
}

export function openUploadTurns({ clock }: { clock: Clock }): Turns {
  const queues = new Map<string, Seat[]>()

  function leaveQueue(name: string, seat: Seat): void {
    const left = (queues.get(name) ?? []).filter((other) => other !== seat)
    if (left.length > 0) queues.set(name, left)
    else queues.delete(name)
    left[0]?.granted.resolve()
  }

  async function waitFor(name: string, seat: Seat): Promise<void> {
    const over = new AbortController()
    const late = clock.sleep(patience, over.signal).then(() => {
      throw new MediaError('unavailable', `whoever writes to upload ${name} does not leave`)
    })
    late.catch(() => {})
    try {
      await Promise.race([seat.granted.promise, late])
    } catch (error) {
      leaveQueue(name, seat)
      throw error
    } finally {
      over.abort()
    }
  }

  return {
    take: async (name) => {
      const before = queues.get(name) ?? []
      const seat: Seat = { leave: new AbortController(), granted: Promise.withResolvers() }
      queues.set(name, [...before, seat])
      for (const { leave } of before) leave.abort(displaced(name))
      if (before.length > 0) await waitFor(name, seat)
      return { wanted: seat.leave.signal, end: () => leaveQueue(name, seat) }
    },
  }
}

export function displaced(name: string): MediaError {
  return new MediaError('conflict', `another request took over upload ${name}`, {
    detail: 'Another request goes on with this upload. What came is kept: ask for the offset.',
  })
}
