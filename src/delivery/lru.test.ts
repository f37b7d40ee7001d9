import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { openLru } from './lru.ts'

const limit = 20
const step = fc.record({
  kind: fc.constantFrom('get', 'set', 'set', 'delete', 'deletePrefix'),
  key: fc.constantFrom('a/1', 'a/2', 'b/1', 'b/2', 'c'),
  weight: fc.integer({ min: 1, max: 12 }),
})

test('keeps what was used last, never what was deleted or replaced, within the limit', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const lru = openLru<number>(limit)
      // What may be there, and the weight of all that was used since.
      const model = new Map<string, { value: number; weight: number; since: number }>()
      const use = (key: string, value: number, weight: number) => {
        for (const one of model.values()) one.since += weight
        model.set(key, { value, weight, since: 0 })
      }
      for (const [value, { kind, key, weight }] of steps.entries()) {
        const found = model.get(key)
        if (kind === 'get') {
          const got = lru.get(key)
          assert.ok(got === undefined || got === found?.value)
          if (found && found.since <= limit / 2) assert.equal(got, found.value)
          if (found && got !== undefined) use(key, found.value, found.weight)
          else model.delete(key)
        } else if (kind === 'set') {
          lru.set(key, value, weight)
          model.delete(key)
          if (weight <= limit / 2) use(key, value, weight)
        } else if (kind === 'delete') {
          lru.delete(key)
          model.delete(key)
        } else {
          lru.deletePrefix(key.slice(0, 2))
          for (const one of model.keys()) if (one.startsWith(key.slice(0, 2))) model.delete(one)
        }
        assert.ok(lru.weight() >= 0 && lru.weight() <= limit)
      }
    }),
    { numRuns: 2_000 },
  )
})

test('a limit of nothing keeps nothing', () => {
  const lru = openLru<number>(0)
  lru.set('a', 1, 1)
  assert.equal(lru.get('a'), undefined)
  assert.equal(lru.weight(), 0)
})
