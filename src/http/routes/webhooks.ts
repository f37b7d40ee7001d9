import { Delivery, DeliveryPage, DeliveryParams, ListDeliveries } from '../../../contract/webhooks.ts'
import { isoTime } from '../../media/clock.ts'
import type { Delivery as Row } from '../../media/deliveries.ts'
import type { DeliveryLog } from '../../notices/delivery-log.ts'
import type { App } from '../deps.ts'
import { demandOperator } from '../operators.ts'
import { refusals } from './schemas.ts'

const tags = ['webhooks']
const pageSize = 20

/** What became of webhooks, for operators. */
export function webhookRoutes(app: App, deliveries: DeliveryLog): void {
  app.get(
    '/api/webhooks/deliveries',
    {
      onRequest: demandOperator,
      schema: {
        tags,
        operationId: 'listDeliveries',
        summary: 'List webhooks, newest first',
        description: 'What became of them, for 14 days. A page may be short and still have a `next_cursor`.',
        querystring: ListDeliveries,
        response: {
          200: DeliveryPage,
          ...refusals('unauthenticated', 'not_operator', 'invalid_request', 'invalid_cursor'),
        },
      },
    },
    async ({ query }) => {
      const { items, next_cursor } = await deliveries.list({ limit: pageSize, ...query })
      return { items: items.map(wireOf), next_cursor }
    },
  )

  app.post(
    '/api/webhooks/deliveries/:delivery_id/replay',
    {
      onRequest: demandOperator,
      schema: {
        tags,
        operationId: 'replayDelivery',
        summary: 'Send a webhook again',
        description: 'Under the same `webhook-id`, and with all its tries.',
        params: DeliveryParams,
        response: {
          202: Delivery,
          ...refusals('unauthenticated', 'not_operator', 'not_found', 'conflict', 'storage_full'),
        },
      },
    },
    async ({ params }, reply) => await reply.code(202).send(wireOf(await deliveries.replay(params.delivery_id))),
  )
}

function wireOf(row: Row): Delivery {
  const time = (ms: number | null) => (ms === null ? null : isoTime(ms))
  const { delivery_id, endpoint_id, media_id, user_id, type, state, attempts, last_status, last_error } = row
  return {
    ...{ delivery_id, endpoint_id, webhook_id: row.event_id, media_id, user_id, type, occurred_at: row.at },
    ...{ state, attempts, due_at: state === 'waiting' ? isoTime(row.due_at) : null, last_status, last_error },
    ...{ created_at: isoTime(row.created_at), replayed_at: time(row.replayed_at), ended_at: time(row.ended_at) },
    expires_at: isoTime(row.expires_at),
  }
}
