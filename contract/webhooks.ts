import { type Static, Type } from 'typebox'
import { nullable } from './nullable.ts'

/** Webhooks on their way, as operators see them. */

export const DeliveryState = Type.Enum(['waiting', 'delivered', 'failed'], {
  description: '`waiting` for its time, or being tried; `failed` when nobody tries any more.',
})
const Time = (description: string) => Type.String({ format: 'date-time', description })

export const Delivery = Type.Object(
  {
    delivery_id: Type.String({ description: '`{webhook_id}.{endpoint_id}`.' }),
    endpoint_id: Type.String({ description: 'Of `WEBHOOKS_FILE`.' }),
    webhook_id: Type.String({ description: '`{media_id}.{seq}`: the same for the same fact.' }),
    media_id: Type.String({ format: 'uuid', description: 'What it tells of.' }),
    user_id: Type.String({ description: 'Whose that is.' }),
    type: Type.String({ description: '`media.uploaded`, `media.processed`, `media.failed` or `media.deleted`.' }),
    occurred_at: Time('When it happened.'),
    state: DeliveryState,
    attempts: Type.Integer({ minimum: 0, description: 'Tries since it was noted or replayed.' }),
    due_at: nullable(Type.String({ format: 'date-time', description: 'Of the next try; null when there is none.' })),
    last_status: nullable(Type.Integer({ description: 'HTTP status of the last answer.' })),
    last_error: nullable(Type.String({ description: 'Why the last try failed.' })),
    created_at: Time('When it was noted that it is to be told.'),
    replayed_at: nullable(Time('When an operator had it sent again.')),
    ended_at: nullable(Time('When it was delivered or given up.')),
    expires_at: Type.String({ format: 'date-time', description: 'It is kept until then.' }),
  },
  { title: 'Delivery', additionalProperties: false, description: 'One event on its way to one webhook endpoint.' },
)
export type Delivery = Static<typeof Delivery>

export const DeliveryPage = Type.Object(
  {
    items: Type.Array(Delivery, { description: 'The deliveries of this page.' }),
    next_cursor: nullable(Type.String({ description: 'Give it back as `cursor` for the next page; null at the end.' })),
  },
  { title: 'DeliveryPage', additionalProperties: false, description: 'Newest first.' },
)
export type DeliveryPage = Static<typeof DeliveryPage>

export const ListDeliveries = Type.Object({
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 20, description: 'Items a page, at most.' })),
  cursor: Type.Optional(
    Type.String({ minLength: 1, maxLength: 2048, description: '`next_cursor` of the page before.' }),
  ),
  state: Type.Optional(DeliveryState),
  endpoint_id: Type.Optional(
    Type.String({ minLength: 1, maxLength: 100, description: 'Only those to this endpoint of `WEBHOOKS_FILE`.' }),
  ),
})

export const DeliveryParams = Type.Object({
  delivery_id: Type.String({ minLength: 1, maxLength: 200, description: '`{webhook_id}.{endpoint_id}`.' }),
})
