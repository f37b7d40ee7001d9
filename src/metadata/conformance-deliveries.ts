import assert from 'node:assert/strict'
import { it } from 'node:test'
import { systemChance } from '../media/clock.ts'
import { type Delivery, deliveryIdOf } from '../media/deliveries.ts'
import { code, eventually, foreignCursors, type Given, someTime } from './conformance-kit.ts'
import type { DeliveryQuery } from './port.ts'

/** Later than any test takes. */
const farOff = 4e12

function someDelivery(fields: Partial<Delivery> = {}): Delivery {
  const { endpoint_id = someEndpoint(), media_id = systemChance.uuid(), seq = 1 } = fields
  const event_id = `${media_id}.${seq}`
  return {
    ...{ delivery_id: deliveryIdOf(event_id, endpoint_id), endpoint_id, event_id, media_id, seq },
    ...{ user_id: 'u', type: 'media.uploaded', at: someTime(0), state: 'waiting', due_at: 100, token: 0, attempts: 0 },
    ...{
      tried_since: null,
      last_status: null,
      last_error: null,
      created_at: 50,
      replayed_at: null,
      ended_at: null,
      expires_at: farOff,
    },
    ...fields,
  }
}

function someEndpoint(): string {
  return `e-${systemChance.uuid()}`
}

/** Webhooks on their way; part of the suite in `conformance.ts`. */
export function describeDeliveries(given: Given): void {
  const deliveries = () => given().deliveries

  it('notes a delivery once, and leaves the one that is there', async () => {
    const delivery = someDelivery()
    assert.equal(await deliveries().get(delivery.delivery_id), null)
    assert.equal(await deliveries().add(delivery), true)
    assert.equal(await deliveries().add({ ...delivery, attempts: 7 }), false)
    assert.deepEqual(await deliveries().get(delivery.delivery_id), delivery)
    for (const other of ['', 'x', 'a.b.c', `${delivery.delivery_id}x`]) {
      assert.equal(await deliveries().get(other), null)
    }
  })

  it('replaces it under its token only', async () => {
    const delivery = someDelivery()
    await deliveries().add(delivery)
    const taken = { ...delivery, token: 1, attempts: 1, due_at: 900, tried_since: 120 }
    assert.equal(await deliveries().replace(taken, 1), false)
    assert.equal(await deliveries().replace(taken, 0), true)
    assert.equal(await deliveries().replace({ ...taken, token: 2, attempts: 5 }, 0), false)
    const failed = { ...taken, last_status: 500, last_error: 'answered 500' }
    assert.equal(await deliveries().replace(failed, 1), true)
    assert.deepEqual(await deliveries().get(delivery.delivery_id), failed)
    const unknown = someDelivery()
    assert.equal(await deliveries().replace(unknown, 0), false)
    assert.equal(await deliveries().get(unknown.delivery_id), null)
  })

  it('lets one of many take it', async () => {
    const delivery = someDelivery()
    await deliveries().add(delivery)
    const taken = await Promise.all(
      Array.from({ length: 8 }, (_, by) => deliveries().replace({ ...delivery, token: 1, due_at: 900 + by }, 0)),
    )
    assert.equal(taken.filter(Boolean).length, 1)
  })

  it('finds what waits for an endpoint and is due, the longest due first', async () => {
    const endpoint_id = someEndpoint()
    const made = {
      b: { due_at: 200 },
      a: { due_at: 100 },
      later: { due_at: 301 },
      over: { state: 'delivered' },
    } as const
    const names = new Map<string, string>()
    for (const [name, fields] of Object.entries(made)) {
      const delivery = someDelivery({ endpoint_id, ...fields })
      names.set(delivery.delivery_id, name)
      await deliveries().add(delivery)
    }
    await deliveries().add(someDelivery({ due_at: 1 }))
    const due = async (limit: number) =>
      (await deliveries().due(endpoint_id, 300, limit)).map(({ delivery_id }) => names.get(delivery_id))
    await eventually(async () => assert.deepEqual(await due(10), ['a', 'b']))
    await eventually(async () => assert.deepEqual(await due(1), ['a']))
  })

  it('tells the first of a media that waits for an endpoint, at once', async () => {
    const [endpoint_id, media_id] = [someEndpoint(), systemChance.uuid()]
    const [first, second, tenth] = [2, 3, 10].map((seq) =>
      someDelivery({ endpoint_id, media_id, seq, due_at: 9 - seq }),
    )
    assert.ok(first && second && tenth)
    await deliveries().add(someDelivery({ media_id, seq: 1 }))
    await deliveries().add(someDelivery({ endpoint_id, seq: 1 }))
    assert.equal(await deliveries().first(endpoint_id, media_id), null)
    for (const one of [tenth, second, first]) await deliveries().add(one)
    assert.deepEqual(await deliveries().first(endpoint_id, media_id), first)
    await deliveries().replace({ ...first, state: 'delivered' }, 0)
    assert.deepEqual(await deliveries().first(endpoint_id, media_id), second)
    await deliveries().replace({ ...second, state: 'failed' }, 0)
    assert.deepEqual(await deliveries().first(endpoint_id, media_id), tenth)
    await deliveries().replace({ ...first, state: 'waiting', token: 1 }, 0)
    assert.deepEqual((await deliveries().first(endpoint_id, media_id))?.seq, 2)
  })

  it('lists the newest first, page by page, of an endpoint or in a state', async () => {
    const endpoint_id = someEndpoint()
    const made: string[] = []
    for (let index = 0; index < 7; index++) {
      const state = index % 2 === 0 ? 'delivered' : 'failed'
      // Newer than anybody else's on a shared engine.
      const delivery = someDelivery({ endpoint_id, created_at: farOff - 10 + index, state })
      made.unshift(delivery.delivery_id)
      await deliveries().add(delivery)
    }
    const ids = async (query: Omit<DeliveryQuery, 'limit'>, limit: number): Promise<string[]> => {
      const found: string[] = []
      for (let cursor: string | undefined, pages = 0; pages < 50 && found.length < 7; pages++) {
        const page = await deliveries().list({ ...query, limit, cursor })
        assert.ok(page.items.length <= limit)
        found.push(...page.items.map(({ delivery_id }) => delivery_id))
        if (page.next_cursor === null) break
        cursor = page.next_cursor
      }
      return found.slice(0, 7)
    }
    const failed = made.filter((_, index) => index % 2 === 1)
    await eventually(async () => assert.deepEqual(await ids({}, 3), made))
    await eventually(async () => assert.deepEqual(await ids({ endpoint_id }, 100), made))
    await eventually(async () => assert.deepEqual((await ids({ endpoint_id, state: 'failed' }, 1)).slice(0, 3), failed))
    await eventually(async () => assert.deepEqual(await ids({ endpoint_id: 'nobody' }, 1_000), []))
  })

  it('refuses a cursor it did not make', async () => {
    for (const cursor of foreignCursors)
      await assert.rejects(deliveries().list({ cursor, limit: 1 }), code('invalid_cursor'), cursor)
  })

  it('removes what has expired, or leaves it to the engine', async () => {
    const [old, kept] = [someDelivery({ expires_at: 10 }), someDelivery({ expires_at: farOff })]
    for (const one of [old, kept]) await deliveries().add(one)
    await deliveries().expire(20, 100)
    assert.equal(await deliveries().get(old.delivery_id), null)
    assert.deepEqual(await deliveries().get(kept.delivery_id), kept)
  })
}
