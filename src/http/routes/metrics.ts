import { Type } from 'typebox'
import { MediaError } from '../../media/errors.ts'
import type { App, AppDeps } from '../deps.ts'
import { describeContent, refusals } from './schemas.ts'

/** Figures of this process, for operators only: what the whole service does is nobody else's. */
export function metricsRoutes(app: App, { metrics }: { metrics: NonNullable<AppDeps['metrics']> }): void {
  app.get(
    '/metrics',
    {
      schema: {
        tags: ['health'],
        operationId: 'getMetrics',
        summary: 'Figures of this process',
        description:
          'For operators. `docs/operating.md` says which to watch, `docs/grafana.json` is a dashboard of them.',
        response: {
          ...refusals('unauthenticated', 'not_operator'),
          200: describeContent('In the text format of Prometheus.', 'text/plain', Type.String()),
        },
      },
    },
    async (request, reply) => {
      const { user_id, operator } = request.caller
      if (!operator) throw new MediaError('not_operator', `${user_id} asked for the metrics`)
      const text = await metrics.text()
      return reply.type(metrics.contentType).send(text)
    },
  )
}
