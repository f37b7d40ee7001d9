import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { keyOf } from './idempotency.ts'

const read = (key?: string) => keyOf(key === undefined ? {} : { 'idempotency-key': key })

describe('Idempotency-Key', () => {
  test('none is none', () => assert.equal(read(), null))

  test('a String of RFC 9651, and a bare word for it', () => {
    for (const [given, key] of [
      ['8e03978e-40d5-43dd-bc93-6894a57f9324', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
      ['"8e03978e-40d5-43dd-bc93-6894a57f9324"', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
      ['"with blanks"', 'with blanks'],
      ['"a \\"quoted\\" \\\\ word"', 'a "quoted" \\ word'],
      [' padded ', 'padded'],
      ['x'.repeat(255), 'x'.repeat(255)],
    ] as const) {
      assert.equal(read(given), key)
    }
  })

  test('what is no key is refused', () => {
    const wrong = [
      '',
      ' ',
      '""',
      '"',
      'a b',
      'a, b',
      '"a", "b"',
      '"a',
      '"a\\n"',
      '"a"b',
      'ümlaut',
      '"\t"',
      'x'.repeat(256),
    ]
    for (const given of wrong) assert.throws(() => read(given), { code: 'malformed_request' }, given)
  })
})
