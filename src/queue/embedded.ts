import type { Row, Store, Value } from '../embedded/store.ts'
import type { Clock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import { type Lane, lanes } from '../media/jobs.ts'
import type { Delivery, Queue } from './port.ts'

/** A delivery nobody has settled comes again after this. Milliseconds. */
const usualVisibility = 30_000

/**
 * Wake-ups in the embedded store: the default, for workers in the same process as the doors.
 *
 * For operators: table `wakeups` of the data folder's database; every wake-up is synced before it counts as sent. One row
 * a job and lane while it waits, however often it is sent. Oldest first, but redeliveries before them; no order is
 * promised. After a crash what was being delivered comes again within 30 seconds.
 */
export function openEmbeddedQueue(store: Store, options: { clock: Clock; visibility?: number }): Queue {
  const { clock, visibility = usualVisibility } = options
  const closing = new AbortController()
  const bells = new Map<Lane, Bell>()

  function bellOf(lane: Lane): Bell {
    const bell = bells.get(lane) ?? Promise.withResolvers<void>()
    bells.set(lane, bell)
    return bell
  }

  /** Wakes the receivers that wait for this lane. */
  function ring(lane: Lane): void {
    bells.get(lane)?.resolve()
    bells.delete(lane)
  }

  async function change(sql: string, params: Record<string, Value>): Promise<void> {
    await store.transaction([{ sql, params }])
  }

  /** The next wake-up, held from now on; or how long to wait unless the bell rings before. */
  async function take(lane: Lane): Promise<{ delivery: Delivery } | { wait: number }> {
    const now = clock.now()
    const [[row] = [], [next] = []] = await store.transaction([
      { sql: takeSql, params: { lane, now, hidden_until: now + visibility } },
      {
        sql: 'SELECT min(hidden_until) AS at FROM wakeups WHERE lane = :lane AND hidden_until > :now',
        params: { lane, now },
      },
    ])
    if (row) return { delivery: deliveryOf(lane, row) }
    // What is taken from now on shows again no sooner than a visibility from now.
    return { wait: Math.min(next?.at ?? Number.POSITIVE_INFINITY, now + visibility) - now }
  }

  function deliveryOf(lane: Lane, { id, job_id, receipt }: Row): Delivery {
    const held = { id, receipt }
    return {
      wakeUp: { job_id },
      acknowledge: async () => await change('DELETE FROM wakeups WHERE id = :id AND receipt = :receipt', held),
      release: async () => {
        await store.transaction([
          { sql: `DELETE FROM wakeups WHERE ${stillHeld} AND EXISTS ${sameWaiting}`, params: held },
          { sql: `UPDATE wakeups SET hidden_until = NULL, receipt = receipt + 1 WHERE ${stillHeld}`, params: held },
        ])
        ring(lane)
      },
    }
  }

  async function* receive(lane: Lane, signal: AbortSignal): AsyncGenerator<Delivery, void, undefined> {
    const stop = AbortSignal.any([signal, closing.signal])
    while (!stop.aborted) {
      // Taken before the look, so that what is sent meanwhile rings it.
      const bell = bellOf(lane)
      const taken = await take(lane)
      if ('wait' in taken) await waitFor(bell, taken.wait, stop)
      else if (!stop.aborted) yield taken.delivery
      // Nobody will settle it: another may have it now, or else after its visibility.
      else await taken.delivery.release().catch(() => {})
    }
  }

  /** Until the bell rings, the time has come, or the receiver is stopped. */
  async function waitFor(bell: Bell, ms: number, stop: AbortSignal): Promise<void> {
    const enough = new AbortController()
    const over = AbortSignal.any([stop, enough.signal])
    const slept = clock.sleep(ms, over).catch((error) => {
      if (!over.aborted) throw error
    })
    await Promise.race([bell.promise, slept])
    enough.abort()
  }

  return {
    send: async (lane, { job_id }) => {
      if (closing.signal.aborted) throw new MediaError('unavailable', 'the queue is closed')
      await change(sendSql, { lane, job_id })
      ring(lane)
    },
    receive,
    depth: async () => {
      const [counts = []] = await store.query([{ sql: 'SELECT lane, count(*) AS depth FROM wakeups GROUP BY lane' }])
      const found = new Map(counts.map(({ lane, depth }) => [lane, Number(depth)]))
      return Object.fromEntries(lanes.map((lane) => [lane, found.get(lane) ?? 0])) as Record<Lane, number>
    },
    ping: async () => await store.ping(),
    // The store is closed by whoever opened it: the metadata stand on it too.
    close: async () => closing.abort(),
  }
}

type Bell = PromiseWithResolvers<void>

/** One row a job while it waits. What is held does not count: its holder may settle it without having seen this one. */
const sendSql = `INSERT INTO wakeups (lane, job_id) VALUES (:lane, :job_id)
  ON CONFLICT (lane, job_id) WHERE hidden_until IS NULL DO NOTHING`

const takeSql = `UPDATE wakeups SET hidden_until = :hidden_until, receipt = receipt + 1
  WHERE id = coalesce(
    (SELECT id FROM wakeups WHERE lane = :lane AND hidden_until <= :now ORDER BY hidden_until LIMIT 1),
    (SELECT id FROM wakeups WHERE lane = :lane AND hidden_until IS NULL ORDER BY id LIMIT 1))
  RETURNING id, job_id, receipt`

const stillHeld = 'id = :id AND receipt = :receipt AND hidden_until IS NOT NULL'

const sameWaiting = `(SELECT 1 FROM wakeups AS other
  WHERE other.lane = wakeups.lane AND other.job_id = wakeups.job_id AND other.hidden_until IS NULL)`
