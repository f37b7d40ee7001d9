import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openOffsets } from './kafka-offsets.ts'

describe('offsets of a partition', () => {
  test('nothing is committed past what is unsettled', () => {
    const offsets = openOffsets()
    offsets.assign([0, 1])
    for (const offset of [10n, 11n, 12n]) assert.ok(offsets.take(0, offset))
    assert.deepEqual(offsets.due(), new Map())
    offsets.settle(0, 11n)
    assert.deepEqual(offsets.due(), new Map())
    offsets.settle(0, 10n)
    assert.deepEqual(offsets.due(), new Map([[0, 12n]]))
    offsets.committed(0, 12n)
    assert.deepEqual(offsets.due(), new Map())
    offsets.settle(0, 12n)
    assert.deepEqual(offsets.due(), new Map([[0, 13n]]))
  })

  test('what comes again while it is ours is not handed out again', () => {
    const offsets = openOffsets()
    offsets.assign([0, 1])
    offsets.take(0, 5n)
    offsets.take(0, 6n)
    offsets.settle(0, 6n)
    assert.ok(!offsets.take(0, 5n) && !offsets.take(0, 6n))
    assert.ok(offsets.holds(0, 5n) && !offsets.holds(0, 6n))
  })

  test('what was taken away is nobody’s here, and may come again', () => {
    const offsets = openOffsets()
    offsets.assign([0, 1])
    offsets.take(0, 5n)
    offsets.take(1, 7n)
    offsets.assign([1])
    offsets.settle(0, 5n)
    assert.ok(!offsets.holds(0, 5n) && offsets.holds(1, 7n))
    assert.deepEqual(offsets.due(), new Map())
    assert.ok(!offsets.take(0, 5n))
    offsets.assign([0, 1])
    assert.ok(offsets.take(0, 5n))
  })
})
