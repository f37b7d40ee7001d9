import { Alive, NotReady, Ready } from '../../../contract/health.ts'
import { MediaError } from '../../media/errors.ts'
import type { App, AppDeps } from '../deps.ts'
import { answers, problemOf } from '../errors.ts'
import { checkReadiness } from '../readiness.ts'
import { sendProblem } from '../refusals.ts'
import { describeContent, refusals } from './schemas.ts'

const tags = ['health']
type Deps = Pick<AppDeps, 'readiness' | 'drivers' | 'clock' | 'log'>

/** Liveness and readiness, for balancers and process keepers. */
export function healthRoutes(app: App, { readiness, drivers, clock, log }: Deps): void {
  app.get(
    '/healthz',
    {
      config: { anyHost: true },
      schema: {
        tags,
        operationId: 'isAlive',
        summary: 'Whether the process answers',
        description: 'It says nothing of what the service stands on: restart what does not answer.',
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
        description: 'Tries each thing the service stands on: send requests elsewhere while it is not ready.',
        response: {
          ...refusals(),
          200: Ready,
          503: describeContent('Not ready; `checks` says why.', 'application/problem+json', NotReady),
        },
      },
    },
    async (request, reply) => {
      const { ready, checks } = await checkReadiness(readiness, { clock, log, request_id: request.id })
      const named = drivers && { drivers }
      if (ready) return { status: 'ready' as const, checks, ...named }
      reply.header('retry-after', answers.unavailable.retryAfter)
      const problem = problemOf(new MediaError('unavailable', 'not ready'), request.id)
      return sendProblem(reply, Object.assign(problem, { checks, ...named }))
    },
  )
}
