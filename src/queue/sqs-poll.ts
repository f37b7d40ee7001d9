/** What waits for a message of one queue. */
interface Waiter<M> {
  resolve(message: M | null): void
  reject(error: unknown): void
}

export interface Poller<M> {
  /** The next message; null once `stop` aborts. @throws what the poll threw */
  next(stop: AbortSignal): Promise<M | null>
}

export interface PollerOptions<M> {
  /** Asks for at most `count` messages and waits for the first. */
  poll(count: number): Promise<M[]>
  /** Takes back what nobody waits for any more. */
  giveBack(message: M): Promise<void>
}

/** The most that SQS gives at once. */
const largestBatch = 10

/**
 * One long poll at a time for all who wait for a queue. It outlives a waiter that is stopped: to cut a poll off may
 * hide what SQS is giving out just then for a whole visibility. What comes too late goes to another, or back.
 */
export function openPoller<M>({ poll, giveBack }: PollerOptions<M>): Poller<M> {
  const waiters = new Set<Waiter<M>>()
  let polling = false

  async function pump(): Promise<void> {
    if (polling) return
    polling = true
    try {
      while (waiters.size > 0) for (const message of await poll(Math.min(largestBatch, waiters.size))) hand(message)
    } catch (error) {
      for (const waiter of waiters) waiter.reject(error)
      waiters.clear()
    } finally {
      polling = false
    }
  }

  function hand(message: M): void {
    const [waiter] = waiters
    // Not given back, it comes again by itself.
    if (!waiter) return void giveBack(message).catch(() => {})
    waiters.delete(waiter)
    waiter.resolve(message)
  }

  return {
    next: async (stop) => {
      if (stop.aborted) return null
      const { promise, resolve, reject } = Promise.withResolvers<M | null>()
      const waiter = { resolve, reject }
      const leave = () => {
        waiters.delete(waiter)
        resolve(null)
      }
      waiters.add(waiter)
      stop.addEventListener('abort', leave, { once: true })
      void pump()
      return await promise.finally(() => stop.removeEventListener('abort', leave))
    },
  }
}
