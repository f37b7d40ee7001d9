import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Clock, systemClock } from '../media/clock.ts'
import { openUploadTurns } from './turns.ts'

/** A clock by which all patience is over at once. */
const hasty: Clock = { now: systemClock.now, sleep: async (_ms, signal) => await systemClock.sleep(20, signal) }

describe('turns', () => {
  test('one at a time works, and who comes makes those before him leave', async () => {
    const turns = openUploadTurns({ clock: systemClock })
    const first = await turns.take('a')
    assert.equal(first.wanted.aborted, false)
    const second = turns.take('a')
    const third = turns.take('a')
    assert.equal(first.wanted.reason.code, 'conflict')
    let over = false
    void second.then(() => {
      assert.ok(over, 'two at a time')
    })
    over = true
    first.end()
    assert.equal((await second).wanted.aborted, true)
    ;(await second).end()
    const last = await third
    assert.equal(last.wanted.aborted, false)
    last.end()
    ;(await turns.take('a')).end()
  })

  test('uploads do not wait for one another', async () => {
    const turns = openUploadTurns({ clock: systemClock })
    const one = await turns.take('a')
    const other = await turns.take('b')
    assert.equal(one.wanted.aborted, false)
    one.end()
    other.end()
  })

  test('nobody works beside one who does not leave, and who gives up waiting holds nobody up', async () => {
    const turns = openUploadTurns({ clock: hasty })
    const stuck = await turns.take('a')
    await assert.rejects(turns.take('a'), { code: 'unavailable' })
    const next = turns.take('a')
    stuck.end()
    ;(await next).end()
  })
})
