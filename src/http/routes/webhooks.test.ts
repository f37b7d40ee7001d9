import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SignJWT } from 'jose'
import { Compile } from 'typebox/compile'
import { Delivery } from '../../../contract/webhooks.ts'
import { systemChance } from '../../media/clock.ts'
import { deliveryIdOf, type Delivery as Row } from '../../media/deliveries.ts'
import { openKit } from '../kit.test.ts'

const now = Date.parse('2026-01-01T00:00:00Z')

function someDelivery(endpoint_id: string, created_at: number): Row {
  const media_id = systemChance.uuid()
  const event_id = `${media_id}.1`
  return {
    ...{ delivery_id: deliveryIdOf(event_id, endpoint_id), endpoint_id, event_id, media_id, seq: 1, user_id: 'ann' },
    ...{ type: 'media.failed', at: '2026-01-01T00:00:00.000Z', state: 'failed', due_at: now, token: 3, attempts: 3 },
    ...{ tried_since: now, last_status: 500, last_error: 'answered 500', created_at, replayed_at: null },
    ...{ ended_at: now + 1, expires_at: now + 2 },
  }
}

describe('webhook routes', () => {
  test('list what became of webhooks, and send one again', async () => {
    await using kit = await openKit()
    const made = [someDelivery('a', 1), someDelivery('b', 2), someDelivery('a', 3)]
    for (const one of made) await kit.metadata.deliveries.add(one)
    const list = async (query: string) => (await kit.app.inject(`/api/webhooks/deliveries${query}`)).json()
    const all = await list('')
    const ids = (page: { items: Delivery[] }) => page.items.map(({ delivery_id }) => delivery_id)
    assert.deepEqual(ids(all), made.map(({ delivery_id }) => delivery_id).toReversed())
    assert.equal(all.next_cursor, null)
    const check = Compile(Delivery)
    for (const item of all.items) assert.deepEqual([...check.Errors(item)], [])
    assert.equal((await list('?endpoint_id=a&state=failed')).items.length, 2)
    assert.equal((await list('?state=waiting')).items.length, 0)
    const first = await list('?limit=2')
    assert.deepEqual(ids(await list(`?cursor=${first.next_cursor}`)), [made[0]?.delivery_id])
    const url = `/api/webhooks/deliveries/${made[0]?.delivery_id}/replay`
    const again = await kit.app.inject({ method: 'POST', url })
    assert.deepEqual([again.statusCode, again.json().state, again.json().attempts], [202, 'waiting', 0])
    assert.deepEqual(ids(await list('?state=waiting')), [made[0]?.delivery_id])
    const nobody = await kit.app.inject({ method: 'POST', url: '/api/webhooks/deliveries/x.1.y/replay' })
    assert.deepEqual([nobody.statusCode, nobody.json().code], [404, 'not_found'])
    assert.equal((await kit.app.inject('/api/webhooks/deliveries?cursor=x')).json().code, 'invalid_cursor')
  })

  test('are for operators', async () => {
    const secret = 'thirty-two bytes or more, they say'
    await using kit = await openKit({ env: { AUTH_JWT_SECRET: secret } })
    const token = await new SignJWT({ sub: 'ann' }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(secret))
    for (const [method, url] of [
      ['GET', '/api/webhooks/deliveries'],
      ['POST', '/api/webhooks/deliveries/x.1.y/replay'],
    ] as const) {
      assert.equal((await kit.app.inject({ method, url })).statusCode, 401)
      const answer = await kit.app.inject({ method, url, headers: { authorization: `Bearer ${token}` } })
      assert.deepEqual([answer.statusCode, answer.json().code], [403, 'not_operator'])
    }
  })
})
