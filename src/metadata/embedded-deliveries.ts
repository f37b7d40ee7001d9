import type { Row, Step, Store, Value } from '../embedded/store.ts'
import type { Delivery } from '../media/deliveries.ts'
import { readCursor, writeCursor } from './cursors.ts'
import type { Deliveries } from './port.ts'

const longestPage = 1_000

/** Webhooks on their way, in the embedded store: table `deliveries`. */
export function openEmbeddedDeliveries(store: Store): Deliveries {
  async function read(sql: string, params: Record<string, Value>): Promise<Delivery[]> {
    const [rows = []] = await store.query([{ sql, params }])
    return rows.map(deliveryOf)
  }

  async function touched(step: Step): Promise<boolean> {
    const [rows = []] = await store.transaction([step])
    return rows.length > 0
  }

  return {
    add: async (delivery) =>
      await touched({
        sql: `INSERT INTO deliveries (${columns.join(', ')}) VALUES (${columns.map((name) => `:${name}`).join(', ')})
              ON CONFLICT DO NOTHING RETURNING 1`,
        params: rowOf(delivery),
      }),

    get: async (delivery_id) =>
      (await read('SELECT doc FROM deliveries WHERE delivery_id = :delivery_id', { delivery_id }))[0] ?? null,

    due: async (endpoint_id, now, limit) =>
      await read(
        `SELECT doc FROM deliveries WHERE endpoint_id = :endpoint_id AND due_at <= :now AND state = 'waiting'
         ORDER BY due_at LIMIT :limit`,
        { endpoint_id, now, limit: bounded(limit) },
      ),

    first: async (endpoint_id, media_id) => {
      const sql = `SELECT doc FROM deliveries WHERE endpoint_id = :endpoint_id AND media_id = :media_id
                   AND state = 'waiting' ORDER BY seq LIMIT 1`
      return (await read(sql, { endpoint_id, media_id }))[0] ?? null
    },

    replace: async (delivery, held) => {
      const set = columns.map((name) => `${name} = :${name}`).join(', ')
      const sql = `UPDATE deliveries SET ${set} WHERE delivery_id = :delivery_id AND token = :held RETURNING 1`
      return await touched({ sql, params: { ...rowOf(delivery), held } })
    },

    list: async ({ cursor, state = null, endpoint_id = null, ...query }) => {
      const [at, id] = cursor === undefined ? [endOfTime, ''] : readCursor(cursor, ['number', 'string'])
      const limit = bounded(query.limit)
      const items = await read(
        `SELECT doc FROM (SELECT * FROM deliveries WHERE (created_at, delivery_id) < (:at, :id)
                          ORDER BY created_at DESC, delivery_id DESC LIMIT ${longestPage})
         WHERE (:state IS NULL OR state = :state) AND (:endpoint_id IS NULL OR endpoint_id = :endpoint_id)
         ORDER BY created_at DESC, delivery_id DESC LIMIT :more`,
        { at: at ?? endOfTime, id: id ?? '', state, endpoint_id, more: limit + 1 },
      )
      const page = items.slice(0, limit)
      const last = items.length > limit ? page.at(-1) : await endOfScan(at ?? endOfTime, id ?? '')
      return { items: page, next_cursor: last ? writeCursor([last.created_at, last.delivery_id]) : null }
    },

    expire: async (now, limit) => {
      const sql = `DELETE FROM deliveries WHERE delivery_id IN
        (SELECT delivery_id FROM deliveries WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit) RETURNING 1`
      const [gone = []] = await store.transaction([{ sql, params: { now, limit: bounded(limit) } }])
      return gone.length
    },
  }

  /** The last row that a filtered page looked at; undefined when there is none after it. */
  async function endOfScan(at: string | number, id: string | number): Promise<Delivery | undefined> {
    const sql = `SELECT doc FROM deliveries WHERE (created_at, delivery_id) < (:at, :id)
                 ORDER BY created_at DESC, delivery_id DESC LIMIT 1 OFFSET ${longestPage - 1}`
    return (await read(sql, { at, id }))[0]
  }
}

const columns = [
  ...['delivery_id', 'endpoint_id', 'media_id', 'seq', 'state', 'due_at', 'token', 'created_at', 'expires_at', 'doc'],
]
const endOfTime = Number.MAX_SAFE_INTEGER

function rowOf(delivery: Delivery): Record<string, Value> {
  const { delivery_id, endpoint_id, media_id, seq, state, due_at, token, created_at, expires_at } = delivery
  const doc = JSON.stringify(delivery)
  return { delivery_id, endpoint_id, media_id, seq, state, due_at, token, created_at, expires_at, doc }
}

function deliveryOf({ doc }: Row): Delivery {
  return JSON.parse(doc)
}

function bounded(limit: number): number {
  return Math.max(1, Math.min(limit, longestPage))
}
