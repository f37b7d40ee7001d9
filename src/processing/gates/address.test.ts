import assert from 'node:assert/strict'
import { test } from 'node:test'
import { whereIs } from './address.ts'

test('a daemon is named by host and port, or by the path of its socket', () => {
  assert.deepEqual(whereIs('/run/clamav/clamd.ctl'), { path: '/run/clamav/clamd.ctl' })
  assert.deepEqual(whereIs('clamav.internal:3310'), { host: 'clamav.internal', port: 3310 })
  assert.deepEqual(whereIs('[::1]:3310'), { host: '::1', port: 3310 })
  for (const wrong of ['clamav', 'clamav:', ':3310', 'a:0', 'a:70000', 'http://a:1', 'relative/path', 'a b:1']) {
    assert.throws(() => whereIs(wrong), wrong)
  }
})
