import { type Static, Type } from 'typebox'
import { nullable } from './nullable.ts'

/** Webhooks on their way, as operators see them. */

export const DeliveryState = Type.Enum(['waiting', 'delivered', 'failed'], {
  description: '`waiting` for its time, or being tried; `failed` when nobody tries any more.',
})
const Time = Type.String({ format: 'date-time' })

export const Delivery = Type.Object(
  {
    delivery_id: Type.String({ description: '`{webhook_id}.{endpoint_id}`.' }),
    endpoint_id: Type.String({ description: 'Of `WEBHOOKS_FILE`.' }),
    webhook_id: Type.String({ description: '`{media_id}.{seq}`: the same for the same fact.' }),
    media_id: Type.String({ format: 'uuid' }),
    user_id: Type.String(),
    type: Type.String({ description: '`media.uploaded`, `media.processed`, `media.failed` or `media.deleted`.' }),
    occurred_at: Time,
    state: DeliveryState,
    attempts: Type.Integer({ minimum: 0, description: 'Tries since it was noted or replayed.' }),
    due_at: nullable(Type.String({ format: 'date-time', description: 'Of the next try; null when there is none.' })),
    last_status: nullable(Type.Integer({ description: 'HTTP status of the last answer.' })),
    last_error: nullable(Type.String({ description: 'Why the last try failed.' })),
    created_at: Time,
    replayed_at: nullable(Time),
    ended_at: nullable(Time),
    expires_at: Type.String({ format: 'date-time', description: 'It is kept until then.' }),
  },
  { title: 'Delivery', additionalProperties: false, description: 'One event on its way to one webhook endpoint.' },
)
export type Delivery = Static<typeof Delivery>

export const DeliveryPage = Type.Object(
  { items: Type.Array(Delivery), next_cursor: nullable(Type.String()) },
  { title: 'DeliveryPage', additionalProperties: false, description: 'Newest first.' },
)
export type DeliveryPage = Static<typeof DeliveryPage>

export const ListDeliveries = Type.Object({
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 20, description: 'Items a page, at most.' })),
  cursor: Type.Optional(
    Type.String({ minLength: 1, maxLength: 2048, description: '`next_cursor` of the page before.' }),
  ),
  state: Type.Optional(DeliveryState),
  endpoint_id: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
})

export const DeliveryParams = Type.Object({ delivery_id: Type.String({ minLength: 1, maxLength: 200 }) })
