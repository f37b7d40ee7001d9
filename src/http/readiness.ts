import type { Clock } from '../media/clock.ts'
import type { Log } from '../media/log.ts'

/** What a process stands on, by name; each resolves when it would take work. */
export type Readiness = Record<string, () => Promise<void>>

type Outcome = 'ok' | 'failed' | 'timed_out'

/** Milliseconds a check may take. */
const checkTime = 2_000

/** Asks all at once; the log has why one failed. */
export async function checkReadiness(
  readiness: Readiness,
  { clock, log, request_id }: { clock: Clock; log: Log; request_id: string },
): Promise<{ ready: boolean; checks: Record<string, Outcome> }> {
  const outcomes = await Promise.all(
    Object.entries(readiness).map(async ([name, check]): Promise<[string, Outcome]> => {
      const { outcome, error } = await runCheck(check, clock)
      if (outcome !== 'ok') log.warn({ request_id, check: name, outcome, error }, 'not ready')
      return [name, outcome]
    }),
  )
  return { ready: outcomes.every(([, outcome]) => outcome === 'ok'), checks: Object.fromEntries(outcomes) }
}

async function runCheck(check: () => Promise<void>, clock: Clock): Promise<{ outcome: Outcome; error?: unknown }> {
  const waiting = new AbortController()
  const late = clock.sleep(checkTime, waiting.signal).then(
    () => ({ outcome: 'timed_out' as const }),
    () => ({ outcome: 'timed_out' as const }),
  )
  const done = check().then(
    () => ({ outcome: 'ok' as const }),
    (error: unknown) => ({ outcome: 'failed' as const, error }),
  )
  try {
    return await Promise.race([done, late])
  } finally {
    waiting.abort()
  }
}
