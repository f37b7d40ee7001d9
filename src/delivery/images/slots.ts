import { MediaError } from '../../media/errors.ts'

/** Some work at once, some that waits, and no more. */
export interface Slots {
  /** @throws MediaError `slow_down` when too many wait, or the signal's reason. */
  run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T>
}

export function openSlots({ atOnce, waiting }: { atOnce: number; waiting: number }): Slots {
  const queue = new Set<() => void>()
  let running = 0

  async function enter(signal: AbortSignal): Promise<void> {
    if (running < atOnce) {
      running++
      return
    }
    if (queue.size >= waiting) {
      const detail = 'Too many pictures are being made at once. Try again in a moment.'
      throw new MediaError('slow_down', `${running} pictures are made and ${queue.size} wait`, { detail })
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = () => {
      queue.delete(resolve)
      reject(signal.reason)
    }
    queue.add(resolve)
    signal.addEventListener('abort', onAbort, { once: true })
    await promise.finally(() => signal.removeEventListener('abort', onAbort))
  }

  /** The place goes to who has waited longest. */
  function leave(): void {
    const [next] = queue
    if (!next) {
      running--
      return
    }
    queue.delete(next)
    next()
  }

  return {
    async run(work, signal) {
      signal.throwIfAborted()
      await enter(signal)
      try {
        return await work()
      } finally {
        leave()
      }
    },
  }
}
