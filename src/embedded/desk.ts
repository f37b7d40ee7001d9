import { MediaError } from '../media/errors.ts'
import type { Failure, Reply, Request, Row, Step } from './engine.ts'

/** Callers waiting for the engine: numbers their requests, sends them in one go per turn, hands out the answers. */
export interface Desk {
  ask(kind: Request['kind'], steps: readonly Step[]): Promise<Row[][]>
  settle(replies: readonly Reply[]): void
  /** Every caller, waiting or to come, gets this error. */
  shut(message: string, cause?: unknown): void
  /** Later callers are refused; those who wait are still answered. */
  stopTaking(message: string): void
}

/** Beyond this many unanswered requests the store says `unavailable` instead of growing. */
export const backlogLimit = 10_000

export function openDesk(post: (requests: Request[]) => void): Desk {
  const waiting = new Map<number, { resolve(rows: Row[][]): void; reject(error: unknown): void }>()
  let outbox: Request[] = []
  let count = 0
  let closed: { message: string; cause?: unknown } | null = null

  function flush(): void {
    const requests = outbox
    outbox = []
    if (requests.length === 0) return
    try {
      post(requests)
    } catch (cause) {
      const failure: Failure = {
        code: 'internal',
        message: 'a request could not be sent to the store',
        cause: `${cause}`,
      }
      settle(requests.map(({ id }) => ({ id, failure })))
    }
  }

  function settle(replies: readonly Reply[]): void {
    for (const reply of replies) {
      const caller = waiting.get(reply.id)
      waiting.delete(reply.id)
      if ('rows' in reply) caller?.resolve(reply.rows)
      else caller?.reject(errorOf(reply.failure))
    }
  }

  return {
    ask: (kind, steps) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(new MediaError('unavailable', closed.message, { cause: closed.cause }))
        if (waiting.size >= backlogLimit) return reject(new MediaError('unavailable', 'too many requests to the store'))
        const id = count++
        waiting.set(id, { resolve, reject })
        if (outbox.push({ id, kind, steps }) === 1) queueMicrotask(flush)
      }),
    settle,
    shut: (message, cause) => {
      closed ??= { message, cause }
      outbox = []
      for (const caller of waiting.values()) caller.reject(new MediaError('unavailable', message, { cause }))
      waiting.clear()
    },
    stopTaking: (message) => {
      closed ??= { message }
      flush()
    },
  }
}

export function errorOf({ code, message, cause }: Failure): MediaError {
  return new MediaError(code, message, cause === undefined ? {} : { cause: new Error(cause) })
}
