import { type Delivery, partsOf } from '../media/deliveries.ts'
import { MediaError } from '../media/errors.ts'
import { readCursor, writeCursor } from './cursors.ts'
import { indexes, isKeyable, setting, shardOf, shards } from './dynamodb-items.ts'
import { held, type Item, type Key, type Table } from './dynamodb-table.ts'
import type { Deliveries, DeliveryQuery } from './port.ts'

/**
 * Webhooks on their way. They stand in the indexes that are there: what waits in `by-state`, a partition an endpoint; all
 * of them in `by-user`, spread over some partitions, newest last. The table's TTL removes them.
 */
export function openDynamodbDeliveries(table: Table, now: () => number): Deliveries {
  const isOver = ({ expires_at }: Item) => expires_at * 1_000 <= now()

  return {
    add: async (delivery) => {
      const done = await held(
        table.update({
          ...{ Key: deliveryKey(delivery), ...setting(fieldsOf(delivery)) },
          ConditionExpression: 'attribute_not_exists(PK)',
        }),
      )
      return done || (await isAsWritten(table, delivery))
    },

    get: async (delivery_id) => {
      const parts = partsOf(delivery_id)
      const item = parts && isKeyable(delivery_id) ? await table.get(deliveryKey(parts)) : null
      return item && !isOver(item) ? deliveryOf(item) : null
    },

    due: async (endpoint_id, until, limit) => {
      const { Items = [] } = await table.query({
        IndexName: indexes.state,
        KeyConditionExpression: 'state_shard = :shard AND due <= :now',
        ExpressionAttributeValues: { ':shard': waitingShard(endpoint_id), ':now': until },
        Limit: bounded(limit),
      })
      return Items.map(deliveryOf)
    },

    first: async (endpoint_id, media_id) => {
      let start: Item | undefined
      do {
        const page = await table.query({
          ConsistentRead: true,
          KeyConditionExpression: 'PK = :pk',
          FilterExpression: 'attribute_exists(state_shard)',
          ExpressionAttributeValues: { ':pk': deliveryKey({ endpoint_id, media_id, seq: 0 }).PK },
          ExclusiveStartKey: start,
        })
        const [found] = (page.Items ?? []).filter((item) => !isOver(item))
        if (found) return deliveryOf(found)
        start = page.LastEvaluatedKey
      } while (start)
      return null
    },

    replace: async (delivery, token) => {
      const update = setting(fieldsOf(delivery))
      const done = await held(
        table.update({
          ...{ Key: deliveryKey(delivery), ...update, ConditionExpression: '#token = :held' },
          ExpressionAttributeValues: { ...update.ExpressionAttributeValues, ':held': token },
        }),
      )
      return done || (await isAsWritten(table, delivery))
    },

    list: async (query) => await listDeliveries(table, query),
    expire: async () => 0,
  }
}

const longestPage = 1_000

function bounded(limit: number): number {
  return Math.max(1, Math.min(limit, longestPage))
}

function deliveryKey({ endpoint_id, media_id, seq }: Pick<Delivery, 'endpoint_id' | 'media_id' | 'seq'>): Key {
  return { PK: `D#${endpoint_id}#${media_id}`, SK: `D#${String(seq).padStart(15, '0')}` }
}

function waitingShard(endpoint_id: string): string {
  return `webhook#${endpoint_id}`
}

function fieldsOf(delivery: Delivery): Item {
  const { delivery_id, endpoint_id, media_id, state, due_at, token, created_at, expires_at } = delivery
  return {
    doc: JSON.stringify(delivery),
    token,
    state_shard: state === 'waiting' ? waitingShard(endpoint_id) : undefined,
    due: due_at,
    user: listShard(shardOf(media_id)),
    listed: placeOf(created_at, delivery_id),
    expires_at: Math.ceil(expires_at / 1_000),
  }
}

function deliveryOf({ doc }: Item): Delivery {
  return JSON.parse(doc)
}

/** Ours may have been written and its answer lost. */
async function isAsWritten(table: Table, delivery: Delivery): Promise<boolean> {
  const item = await table.get(deliveryKey(delivery))
  // One that is new is not told from another's alike: it is there, and that is all a caller asks.
  return delivery.token > 0 && item?.doc === JSON.stringify(delivery)
}

// Lists

/** Users' partitions begin with `U#`. */
function listShard(shard: number): string {
  return `D#${shard}`
}

function placeOf(created_at: number, delivery_id: string): string {
  return `${String(created_at).padStart(15, '0')}#${delivery_id}`
}

interface ShardPage {
  items: Item[]
  /** Where reading stopped; null at the end. */
  reached: string | null
}

async function listDeliveries(table: Table, { limit, cursor, state, endpoint_id }: DeliveryQuery) {
  const before = cursor === undefined ? null : placeIn(cursor)
  const most = bounded(limit)
  const pages = await Promise.all(
    Array.from({ length: shards }, (_, shard) => shardPage(table, listShard(shard), before, most + 1)),
  )
  // Below that, some partition has not been read.
  const frontier = pages.reduce((top, { reached }) => (reached !== null && reached > top ? reached : top), '')
  const known = pages.flatMap(({ items }) => items).filter(({ listed }) => listed >= frontier)
  known.sort((left, right) => (left.listed < right.listed ? 1 : -1))
  const hits = known.filter((item) => {
    const delivery = deliveryOf(item)
    return (!state || delivery.state === state) && (!endpoint_id || delivery.endpoint_id === endpoint_id)
  })
  const page = hits.slice(0, most)
  const last = hits.length > most ? page.at(-1)?.listed : frontier || undefined
  return { items: page.map(deliveryOf), next_cursor: last === undefined ? null : cursorOf(last) }
}

async function shardPage(table: Table, shard: string, before: string | null, limit: number): Promise<ShardPage> {
  const { Items: items = [], LastEvaluatedKey } = await table.query({
    IndexName: indexes.user,
    ScanIndexForward: false,
    KeyConditionExpression: `#user = :user${before === null ? '' : ' AND listed < :before'}`,
    ExpressionAttributeNames: { '#user': 'user' },
    ExpressionAttributeValues: { ':user': shard, ...(before !== null && { ':before': before }) },
    Limit: limit,
  })
  return { items, reached: LastEvaluatedKey?.listed ?? null }
}

function placeIn(cursor: string): string {
  const [at, id] = readCursor(cursor, ['number', 'string']) as [number, string]
  const place = placeOf(at, id)
  if (isKeyable(place)) return place
  throw new MediaError('invalid_cursor', 'a cursor that was not made here')
}

function cursorOf(listed: string): string {
  const hash = listed.indexOf('#')
  return writeCursor([Number(listed.slice(0, hash)), listed.slice(hash + 1)])
}
