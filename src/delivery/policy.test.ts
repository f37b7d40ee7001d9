import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { customPolicy, fits, type Grant, readPolicy } from './policy.ts'

test('patterns fit as a regular expression of the same meaning does', () => {
  const letters = fc.array(fc.constantFrom('a', 'b', '/'), { maxLength: 10 }).map((all) => all.join(''))
  const patterns = fc.array(fc.constantFrom('a', 'b', '/', '*', '?'), { maxLength: 8 }).map((all) => all.join(''))
  fc.assert(
    fc.property(patterns, letters, (pattern, text) => {
      const expression = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`)
      assert.equal(fits(pattern, text), expression.test(text))
    }),
    { numRuns: 5_000 },
  )
})

test('a hostile pattern takes no time', () => {
  assert.equal(fits(`${'*a'.repeat(50)}*b`, 'a'.repeat(5_000)), false)
})

test('what is written is read', () => {
  const grant = fc.record<Grant>(
    {
      resource: fc.webUrl(),
      expires: fc.integer({ min: 1, max: 4e9 }),
      starts: fc.integer({ min: 1, max: 4e9 }),
      ip: fc.ipV4(),
    },
    { requiredKeys: ['resource', 'expires'] },
  )
  fc.assert(
    fc.property(grant, (given) => {
      const { ip, ...rest } = given
      assert.deepEqual(readPolicy(customPolicy(given)), ip === undefined ? rest : { ...rest, ip: `${ip}/32` })
    }),
  )
})

test('any JSON is read or refused, never thrown at', () => {
  fc.assert(fc.property(fc.json(), (text) => assert.equal(readPolicy(text), null)))
  fc.assert(fc.property(fc.string(), (text) => assert.equal(readPolicy(text), null)))
})
