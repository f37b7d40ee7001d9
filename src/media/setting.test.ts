import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { flag, integer, list, oneOf, optionalText, parseSettings, text } from './setting.ts'

const settings = {
  port: integer('PORT', { min: 0, max: 65_535, default: '8080', summary: '' }),
  driver: oneOf('DRIVER', ['a', 'b'], { default: 'a', summary: '' }),
  proxy: flag('PROXY', { default: 'false', summary: '' }),
  origins: list('ORIGINS', { default: '', summary: '' }),
  name: text('NAME', { default: 'x', summary: '' }),
  secret: optionalText('SECRET', { summary: '', secret: true }),
}

describe('settings', () => {
  test('defaults hold for what is not set, or set to nothing', () => {
    const expected = { port: 8080, driver: 'a', proxy: false, origins: [], name: 'x' }
    assert.deepEqual(parseSettings(settings, {}), expected)
    assert.deepEqual(parseSettings(settings, { PORT: '', DRIVER: '' }), expected)
  })

  test('values are parsed', () => {
    const env = { PORT: '0', DRIVER: 'b', PROXY: 'true', ORIGINS: 'a, b,,c', NAME: ' y', SECRET: 's' }
    const expected = { port: 0, driver: 'b', proxy: true, origins: ['a', 'b', 'c'], name: ' y', secret: 's' }
    assert.deepEqual(parseSettings(settings, env), expected)
  })

  test('a wrong value names its variable, what it takes and where it is documented', () => {
    for (const PORT of ['-1', '65536', '8080x', '1e3', '0x10', ' 1', '1.5']) {
      assert.throws(
        () => parseSettings(settings, { PORT }),
        /^Error: PORT takes a whole number, 0–65535\. It is ".*"\. .*settings\.md/,
      )
    }
    assert.throws(() => parseSettings(settings, { DRIVER: 'c' }), /DRIVER takes `a` or `b`/)
  })

  test('a secret is never in an error', () => {
    const key = { key: { ...integer('KEY', { min: 1, max: 2, default: '1', summary: '' }), secret: true } }
    assert.throws(
      () => parseSettings(key, { KEY: 'hunter2' }),
      (error: Error) => error.message.startsWith('KEY takes') && !error.message.includes('hunter2'),
    )
  })
})
