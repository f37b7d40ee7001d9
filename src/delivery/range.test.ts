import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseRange } from './range.ts'

test('a range selects what its positions select, one by one', () => {
  const position = fc.oneof(fc.constant(''), fc.nat(40).map(String), fc.constantFrom('00', '007', '9'.repeat(40)))
  fc.assert(
    fc.property(position, position, fc.nat(30), (first, last, size) => {
      const all = Array.from({ length: size }, (_, index) => index)
      const selected = all.filter((index) => {
        if (first === '') return index >= size - Number(last)
        return index >= Number(first) && (last === '' || index <= Number(last))
      })
      const found = parseRange(`bytes=${first}-${last}`, size)
      const isInvalid = (first === '' && last === '') || (first !== '' && last !== '' && Number(last) < Number(first))
      if (size === 0 || isInvalid) assert.equal(found, 'all')
      else if (selected.length === 0) assert.equal(found, 'unsatisfiable')
      else assert.deepEqual(found, { start: selected[0], end: selected.at(-1) })
    }),
    { numRuns: 5_000 },
  )
})

test('anything else is no range', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      if (!/^bytes=/i.test(text)) assert.equal(parseRange(text, 10), 'all')
    }),
  )
  assert.equal(parseRange(undefined, 10), 'all')
  assert.equal(parseRange('bytes=0-1,2-3', 10), 'all')
  assert.deepEqual(parseRange('BYTES= 0-1 ', 10), { start: 0, end: 1 })
})
