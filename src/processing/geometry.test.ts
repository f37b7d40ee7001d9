import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { boxFor, fitEven, fitInside } from './geometry.ts'

const size = fc.record({ width: fc.integer({ min: 1, max: 20_000 }), height: fc.integer({ min: 1, max: 20_000 }) })

test('whatever the shape, a fitted size lies in its box, is never enlarged, and is even where it must be', () => {
  fc.assert(
    fc.property(size, (given) => {
      const box = boxFor(given, 1280, 720)
      for (const fitted of [fitInside(given, box), fitEven(given, box)]) {
        assert.ok(fitted.width <= box.width && fitted.height <= box.height)
        assert.ok(fitted.width <= Math.max(2, given.width) && fitted.height <= Math.max(2, given.height))
      }
      const { width, height } = fitEven(given, box)
      assert.deepEqual([width % 2, height % 2, width > 0, height > 0], [0, 0, true, true])
    }),
  )
})

test('shapes are kept to the pixel', () => {
  assert.deepEqual(fitEven({ width: 1921, height: 1081 }, { width: 1280, height: 720 }), { width: 1280, height: 720 })
  assert.deepEqual(fitEven({ width: 161, height: 121 }, { width: 1280, height: 720 }), { width: 160, height: 120 })
  assert.deepEqual(fitInside({ width: 4000, height: 3000 }, { width: 1600, height: 1600 }), {
    width: 1600,
    height: 1200,
  })
})
