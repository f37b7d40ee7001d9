import { MediaServiceError, ServiceUnreachable } from './errors.ts'

/** How long an upload goes on though nothing moves; one for all its requests. */
export interface Patience {
  /** Something was stored: the time begins anew. Answers alone are no progress. */
  progressed(): void
  /**
   * Waits before the next attempt: longer each time, by chance, and as long as the service asks.
   * @throws the error itself when trying again does not help, or has not for too long; the signal's reason.
   */
  wait(error: unknown, attempt: number): Promise<void>
  /** Repeats `attempt` until it succeeds. @throws as `wait` does. */
  insist<T>(attempt: () => Promise<T>): Promise<T>
}

const firstWait = 250
const longestWait = 10_000
/** A gap between failures counts for this much at most: a machine that slept has not been trying. */
const longestGap = 60_000

export function openPatience({ retryFor, signal }: { retryFor: number; signal: AbortSignal }): Patience {
  let idle = 0
  let last = Date.now()

  function progressed(): void {
    idle = 0
    last = Date.now()
  }

  async function wait(error: unknown, attempt: number): Promise<void> {
    signal.throwIfAborted()
    if (!isTransient(error)) throw error
    const now = Date.now()
    idle += Math.min(now - last, longestGap)
    last = now
    const asked = error instanceof MediaServiceError ? (error.retry_after ?? 0) : 0
    if (idle >= retryFor || asked > retryFor) throw error
    await sleep(Math.max(asked, backoffOf(attempt)), signal)
  }

  async function insist<T>(attempt: () => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      try {
        return await attempt()
      } catch (error) {
        await wait(error, tries)
      }
    }
  }

  return { progressed, wait, insist }
}

/** Milliseconds before the next attempt: longer each time, and by chance, so that two who disturb each other part. */
export function backoffOf(attempt: number): number {
  return Math.min(firstWait * 2 ** attempt, longestWait) * (0.5 + Math.random() / 2)
}

/** Refusals that pass, whatever their status: the service's own, and S3's. */
const passing = ['idempotency_in_flight', 'upload_interrupted', 'conflict', 'RequestTimeout', 'OperationAborted']

/** Whether the same request may succeed later. */
export function isTransient(error: unknown): boolean {
  if (error instanceof ServiceUnreachable) return true
  if (!(error instanceof MediaServiceError)) return false
  const { status, code } = error
  if (passing.includes(code)) return true
  return status >= 500 || status === 429 || status === 408 || status === 425
}

/** Resolves after `ms`, or as soon as a browser is online again; rejects with the signal's reason. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  await new Promise<void>((resolve, reject) => {
    const over = (settle: () => void) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
      onlineTarget?.removeEventListener('online', wake)
      settle()
    }
    const wake = () => over(resolve)
    const stop = () => over(() => reject(signal.reason))
    const timer = setTimeout(wake, ms)
    signal.addEventListener('abort', stop)
    onlineTarget?.addEventListener('online', wake)
  })
}

/** A page or a worker; Node has no such event. */
const onlineTarget = 'addEventListener' in globalThis ? (globalThis as unknown as EventTarget) : null
