import { Alive, NotReady, Ready } from '../../../contract/health.ts'
import type { Clock } from '../../media/clock.ts'
import { MediaError } from '../../media/errors.ts'
import type { App, AppDeps } from '../deps.ts'
import { answers, problemOf } from '../errors.ts'
import { sendProblem } from '../refusals.ts'
import { describeContent, refusals } from './schemas.ts'

const tags = ['health']
/** Milliseconds a check may take. */
const checkTime = 2_000

type Outcome = 'ok' | 'failed' | 'timed_out'
type Deps = Pick<AppDeps, 'readiness' | 'clock' | 'log'>

/** Liveness and readiness, for balancers and process keepers. */
export function healthRoutes(app: App, { readiness, clock, log }: Deps): void {
  app.get(
    '/healthz',
    {
      schema: {
        tags,
        operationId: 'isAlive',
        summary: 'Whether the process answers',
        response: { 200: Alive, ...refusals() },
      },
    },
    async () => ({ status: 'ok' as const }),
  )

  app.get(
    '/readyz',
    {
      schema: {
        tags,
        operationId: 'isReady',
        summary: 'Whether uploads would be accepted',
        response: {
          ...refusals(),
          200: Ready,
          503: describeContent('Not ready; `checks` says why.', 'application/problem+json', NotReady),
        },
      },
    },
    async (request, reply) => {
      const outcomes = await Promise.all(
        Object.entries(readiness).map(async ([name, check]): Promise<[string, Outcome]> => {
          const { outcome, error } = await runCheck(check, clock)
          if (outcome !== 'ok') log.warn({ request_id: request.id, check: name, outcome, error }, 'not ready')
          return [name, outcome]
        }),
      )
      const checks = Object.fromEntries(outcomes)
      if (outcomes.every(([, outcome]) => outcome === 'ok')) return { status: 'ready' as const, checks }
      reply.header('retry-after', answers.unavailable.retryAfter)
      const problem = problemOf(new MediaError('unavailable', 'not ready'), request.id)
      return sendProblem(reply, Object.assign(problem, { checks }))
    },
  )
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
