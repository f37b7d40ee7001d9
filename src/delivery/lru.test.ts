import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { openLru } from './lru.ts'

test('the least used goes first, and the weight stays within the limit', () => {
  const step = fc.record({
    kind: fc.constantFrom('get', 'set', 'set', 'delete', 'deletePrefix'),
    key: fc.constantFrom('a/1', 'a/2', 'b/1', 'b/2', 'c'),
    weight: fc.integer({ min: 1, max: 12 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const lru = openLru<number>(10)
      let model: { key: string; value: number; weight: number }[] = []
      for (const [value, { kind, key, weight }] of steps.entries()) {
        const found = model.find((one) => one.key === key)
        const others = model.filter((one) => one.key !== key)
        if (kind === 'get') {
          assert.equal(lru.get(key), found?.value)
          model = found ? [...others, found] : others
        } else if (kind === 'set') {
          lru.set(key, value, weight)
          model = weight > 10 ? others : [...others, { key, value, weight }]
          while (model.reduce((sum, one) => sum + one.weight, 0) > 10) model.shift()
        } else if (kind === 'delete') {
          lru.delete(key)
          model = others
        } else {
          lru.deletePrefix(key.slice(0, 2))
          model = model.filter((one) => !one.key.startsWith(key.slice(0, 2)))
        }
        assert.equal(
          lru.weight(),
          model.reduce((sum, one) => sum + one.weight, 0),
        )
      }
      for (const { key, value } of model) assert.equal(lru.get(key), value)
    }),
  )
})
