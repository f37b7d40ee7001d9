import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemClock } from '../../media/clock.ts'
import { openKit } from '../kit.test.ts'
import { openUploadTokens } from '../upload-tokens.ts'

const hour = 3_600_000
const host = 'localhost:8080'

/** The doors, and tokens whose clock a test sets forward. */
async function openTokenKit() {
  const time = { late: 0 }
  const clock = { ...systemClock, now: () => systemClock.now() + time.late }
  const uploadTokens = openUploadTokens({ key: Buffer.alloc(32, 1), clock })
  const kit = await openKit({ uploadTokens })
  const { token } = uploadTokens.issue('ann')
  const ask = async (method: 'GET' | 'POST' | 'DELETE', path: string, payload?: object) => {
    const url = `/companion/${token}/s3${path}`
    return await kit.app.inject({ method, url, headers: { host }, ...(payload && { payload }) })
  }
  return { kit, time, ask }
}

describe('an upload token that has expired', () => {
  test('begins nothing, and lets what was begun with it be finished', async () => {
    const { kit, time, ask } = await openTokenKit()
    await using _ = kit
    const begun = (await ask('POST', '/multipart', { filename: 'a.mp4' })).json()
    time.late = hour + 1_000
    for (const answer of [
      await ask('POST', '/multipart', { filename: 'b.mp4' }),
      await ask('GET', '/params?filename=c.jpg'),
    ]) {
      assert.deepEqual([answer.statusCode, answer.json().code], [401, 'unauthenticated'])
      assert.match(answer.json().detail, /has expired/)
    }
    const path = `/multipart/${begun.uploadId}`
    assert.equal((await ask('GET', `${path}/1`)).statusCode, 200)
    assert.deepEqual((await ask('GET', path)).json(), [])
    assert.equal((await ask('DELETE', path)).statusCode, 200)
  })

  test('opens no upload that was begun after', async () => {
    const { kit, time, ask } = await openTokenKit()
    await using _ = kit
    time.late = hour + 1_000
    const upload_time = new Date(systemClock.now() + 2 * hour).toISOString()
    const media_id = await kit.addMedia({ user_id: 'ann', status: 'uploading', upload_time } as object)
    for (const path of [`/multipart/${media_id}`, `/multipart/${media_id}/1`]) {
      assert.deepEqual([(await ask('GET', path)).statusCode], [401], path)
    }
    assert.equal((await ask('GET', '/multipart/550e8400-e29b-41d4-a716-446655440000')).statusCode, 404)
  })

  test('posts no form', async () => {
    const { kit, time, ask } = await openTokenKit()
    await using _ = kit
    const { url } = (await ask('GET', '/params?filename=a.jpg')).json()
    time.late = hour + 1_000
    const { pathname, search } = new URL(url)
    const headers = { host, 'content-type': 'multipart/form-data; boundary=x' }
    const answer = await kit.app.inject({ method: 'POST', url: pathname + search, headers, payload: '--x--' })
    assert.deepEqual([answer.statusCode, answer.json().code], [401, 'unauthenticated'])
  })
})
