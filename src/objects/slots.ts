import type { Clock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'

/** What the one that holds a slot is given. */
export interface Slot {
  /** Aborted when the sender leaves, the upload ends or another takes the slot. */
  signal: AbortSignal
  /** To be called whenever bytes have come. */
  moved(): void
}

/** How long a sender may be silent when another waits to send the same. */
const stuckMs = 5_000

interface Holder {
  stop: AbortController
  movedAt: number
}

/** Who writes in which slot of an upload: one at a time, in the order asked; one that is stuck gives way to the next. */
export function openSlots(clock: Clock) {
  const last = new Map<string, Promise<void>>()
  const running = new Map<string, Holder>()
  const holders = new Set<Holder>()
  const emptied: (() => void)[] = []
  let shut: Promise<void> | null = null

  async function untilEmpty(): Promise<void> {
    if (holders.size > 0) await new Promise<void>((resolve) => emptied.push(resolve))
  }

  async function opened(): Promise<void> {
    while (shut) await shut
  }

  /** Resolves when the one before is done; one that is stuck is ended. */
  async function takeTurn(slot: string, before: Promise<void>, { signal }: AbortController): Promise<void> {
    const over = new AbortController()
    const { promise: aborted, reject } = Promise.withResolvers<never>()
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    void endStuck(slot, over.signal).catch(() => {})
    try {
      await Promise.race([before, aborted])
    } finally {
      over.abort()
      signal.removeEventListener('abort', onAbort)
    }
  }

  async function endStuck(slot: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      await clock.sleep(stuckMs / 5, signal)
      const holder = running.get(slot)
      if (holder && clock.now() - holder.movedAt >= stuckMs) holder.stop.abort(sentAgain(slot))
    }
  }

  async function hold<T>(slot: string, signal: AbortSignal | undefined, work: (slot: Slot) => Promise<T>): Promise<T> {
    const before = last.get(slot)
    const { promise: done, resolve: release } = Promise.withResolvers<void>()
    last.set(slot, done)
    const holder: Holder = { stop: new AbortController(), movedAt: 0 }
    holders.add(holder)
    const moved = () => {
      holder.movedAt = clock.now()
    }
    const abort = () => holder.stop.abort(signal?.reason)
    signal?.addEventListener('abort', abort, { once: true })
    try {
      if (signal?.aborted) abort()
      if (before) await takeTurn(slot, before, holder.stop)
      holder.stop.signal.throwIfAborted()
      running.set(slot, holder)
      moved()
      return await work({ signal: holder.stop.signal, moved })
    } finally {
      signal?.removeEventListener('abort', abort)
      if (running.get(slot) === holder) running.delete(slot)
      holders.delete(holder)
      // Who left the queue keeps its place until those before are done.
      void Promise.resolve(before).then(() => {
        if (last.get(slot) === done) last.delete(slot)
        release()
      })
      if (holders.size === 0) for (const resolve of emptied.splice(0)) resolve()
    }
  }

  return {
    hold,
    /** Resolves when nobody works alone. */
    opened,
    alone: async <T>(work: () => Promise<T>): Promise<T> => {
      await opened()
      const { promise, resolve } = Promise.withResolvers<void>()
      shut = promise
      try {
        await untilEmpty()
        return await work()
      } finally {
        shut = null
        resolve()
      }
    },
    /** Sends everybody away; resolves when they are gone. */
    clear: async (reason: MediaError): Promise<void> => {
      for (const { stop } of holders) stop.abort(reason)
      await untilEmpty()
      await opened()
    },
  }
}

function sentAgain(slot: string): MediaError {
  return new MediaError('upload_interrupted', `${slot} was silent for ${stuckMs} ms and is sent again`)
}
