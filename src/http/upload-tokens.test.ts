import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { systemClock } from '../media/clock.ts'
import { assertLive, longestToken, openUploadTokens, readUploadKey } from './upload-tokens.ts'

const clock = { ...systemClock, now: () => time }
let time = 1_700_000_000_000
const key = Buffer.alloc(32, 1)
const tokens = openUploadTokens({ key, clock })
const refusal = { code: 'unauthenticated' }

describe('upload tokens', () => {
  test('name their user for an hour, and say so after', () => {
    const { token, expires_at } = tokens.issue('ann')
    assert.equal(expires_at, new Date(time + 3_600_000).toISOString())
    const live = tokens.verify(token, 'companion')
    assert.deepEqual([live.user_id, live.expired, live.from, live.until], ['ann', false, time, time + 3_600_000])
    assertLive(live)
    time += 3_600_000
    const late = tokens.verify(token, 'companion')
    assert.equal(late.expired, true)
    assert.throws(() => assertLive(late), refusal)
    time -= 3_600_000
  })

  test('are of one kind', () => {
    const { token } = tokens.issueForm('ann', 'a form')
    assert.equal(tokens.verify(token, 'form').form, 'a form')
    assert.throws(() => tokens.verify(token, 'companion'), refusal)
    assert.throws(() => tokens.verify(tokens.issue('ann').token, 'form'), refusal)
  })

  test('altered, of another key or none at all: refused', () => {
    const { token } = tokens.issue('ann')
    const [payload = '', signature = ''] = token.split('.')
    const bob = Buffer.from(JSON.stringify(['companion', 'bob', 0, 9e9, ''])).toString('base64url')
    const other = openUploadTokens({ key: Buffer.alloc(32, 2), clock }).issue('ann').token
    const wrong = [
      ...['', '.', '..', payload, `${payload}.`, `.${signature}`, `${token}.`, `${token}.x`, `${token}x`, `x${token}`],
      ...[`${bob}.${signature}`, `${payload}.${signature.toUpperCase()}`, other, 'x'.repeat(longestToken + 1)],
    ]
    for (const one of wrong) assert.throws(() => tokens.verify(one, 'companion'), refusal, one)
  })

  test('the longest user_id fits', () => {
    for (const one of ['a', '"', 'ü', '😀']) {
      const user_id = one.repeat(128 / one.length)
      const { token } = tokens.issueForm(user_id, 'd77116f4-acb7-4d95-962f-b96757634247')
      assert.equal(tokens.verify(token, 'form').user_id, user_id)
    }
  })

  test('a key of one’s own must be long enough, and is never shown', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'key-'))
    const path = join(folder, 'key')
    await writeFile(path, 'tooshort')
    await assert.rejects(readUploadKey(path), (error: Error) => {
      assert.match(error.message, /AUTH_UPLOAD_KEY_FILE .*fewer than 32/)
      return !error.message.includes('tooshort')
    })
    await writeFile(path, key)
    assert.deepEqual(await readUploadKey(path), key)
    await rm(folder, { recursive: true })
    await assert.rejects(readUploadKey(path), /AUTH_UPLOAD_KEY_FILE/)
  })
})
