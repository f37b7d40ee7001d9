import assert from 'node:assert/strict'
import { it } from 'node:test'
import { systemChance } from '../media/clock.ts'
import { code, type Given } from './conformance-kit.ts'

/** Named cursors under a lease; part of the suite in `conformance.ts`. */
export function describeCursors(given: Given): void {
  const someName = () => `cursor-${systemChance.uuid()}`

  it('gives a cursor to the first who asks, and to nobody else while its lease lasts', async () => {
    const name = someName()
    assert.deepEqual(await given().takeCursor(name, { now: 100, lease_until: 200 }), { token: 1, value: null })
    assert.equal(await given().takeCursor(name, { now: 199, lease_until: 300 }), null)
    assert.deepEqual(await given().takeCursor(someName(), { now: 199, lease_until: 300 }), { token: 1, value: null })
  })

  it('hands on what it was moved to when the lease has run out, and the one before moves it no more', async () => {
    const name = someName()
    await given().takeCursor(name, { now: 100, lease_until: 200 })
    assert.equal(await given().moveCursor(name, { token: 1, value: 'here', lease_until: 300 }), true)
    assert.equal(await given().takeCursor(name, { now: 299, lease_until: 400 }), null)
    assert.deepEqual(await given().takeCursor(name, { now: 300, lease_until: 400 }), { token: 2, value: 'here' })
    assert.equal(await given().moveCursor(name, { token: 1, value: 'lost', lease_until: 900 }), false)
    assert.equal(await given().moveCursor(name, { token: 3, value: 'lost', lease_until: 900 }), false)
    assert.deepEqual(await given().takeCursor(name, { now: 400, lease_until: 500 }), { token: 3, value: 'here' })
  })

  it('is moved by its holder though the lease has run out, while nobody has taken it', async () => {
    const name = someName()
    await given().takeCursor(name, { now: 100, lease_until: 200 })
    assert.equal(await given().moveCursor(name, { token: 1, value: 'a', lease_until: 900 }), true)
    assert.equal(await given().takeCursor(name, { now: 500, lease_until: 950 }), null)
  })

  it('is given back by a lease that is over', async () => {
    const name = someName()
    await given().takeCursor(name, { now: 100, lease_until: 200 })
    assert.equal(await given().moveCursor(name, { token: 1, value: 'a', lease_until: 0 }), true)
    assert.deepEqual(await given().takeCursor(name, { now: 101, lease_until: 200 }), { token: 2, value: 'a' })
  })

  it('does not move what nobody has taken', async () => {
    const name = someName()
    assert.equal(await given().moveCursor(name, { token: 0, value: 'a', lease_until: 200 }), false)
    assert.equal(await given().moveCursor(name, { token: 1, value: 'a', lease_until: 200 }), false)
    assert.deepEqual(await given().takeCursor(name, { now: 1, lease_until: 2 }), { token: 1, value: null })
  })

  it('lets exactly one of many take it', async () => {
    const name = someName()
    for (const [now, token] of [
      [100, 1],
      [200, 2],
    ] as const) {
      const taken = await Promise.all(
        Array.from({ length: 8 }, () => given().takeCursor(name, { now, lease_until: now + 100 })),
      )
      assert.deepEqual(
        taken.filter((held) => held !== null),
        [{ token, value: null }],
      )
    }
  })

  it('holds 64 KiB, and refuses more', async () => {
    const name = someName()
    const lease_until = 200
    await given().takeCursor(name, { now: 100, lease_until })
    const value = 'é'.repeat(32 * 1024)
    assert.equal(await given().moveCursor(name, { token: 1, value, lease_until }), true)
    await assert.rejects(given().moveCursor(name, { token: 1, value: `${value}x`, lease_until }), code('internal'))
    assert.deepEqual(await given().takeCursor(name, { now: 200, lease_until: 300 }), { token: 2, value })
    assert.equal(await given().moveCursor(name, { token: 2, value: null, lease_until: 0 }), true)
    assert.deepEqual(await given().takeCursor(name, { now: 200, lease_until: 300 }), { token: 3, value: null })
  })
}
