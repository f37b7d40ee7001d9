import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Judge, openJudge } from '../judge.ts'
import { formOf, makeSample } from '../samples.ts'
import { startTarget } from '../target.ts'

/** What one user may have and ask, as he meets it. */
describe('quotas', () => {
  /** A service with these limits, and a photo. */
  async function withLimits(
    env: Record<string, string>,
    meet: (judge: Judge, photo: File, doors: ReturnType<typeof doorsOf>) => Promise<void>,
  ): Promise<void> {
    const target = await startTarget({ env })
    try {
      const [judge, photo] = [await openJudge(target.url), await makeSample('photo.jpg')]
      await meet(judge, photo, doorsOf(judge, photo))
    } finally {
      await target.stop()
    }
  }

  function doorsOf(judge: Judge, photo: File) {
    const json = { 'content-type': 'application/json' }
    const init = { title: 'x', filename: 'a.jpg', content_type: 'image/jpeg', file_size: photo.size }
    const tus = { 'tus-resumable': '1.0.0', 'upload-metadata': `title ${btoa('x')}` }
    return {
      form: (headers: Record<string, string> = {}) =>
        judge.ask('POST', '/api/media/upload', { body: formOf({ title: 'x', file: photo }), headers }),
      raw: () => judge.ask('PUT', '/api/media/upload?title=x', { body: photo }),
      direct: () => judge.ask('POST', '/api/media/upload/init', { headers: json, body: JSON.stringify(init) }),
      tus: () =>
        judge.ask('POST', '/api/media/upload/tus', { headers: { ...tus, 'upload-length': String(photo.size) } }),
    }
  }

  test('media: what is beyond is refused at every door and leaves nothing, until one is removed', async () => {
    await withLimits({ QUOTA_MEDIA: '2' }, async (judge, _, doors) => {
      const key = { 'idempotency-key': 'once' }
      const first = await doors.form(key)
      assert.deepEqual([first.status, (await doors.raw()).status], [201, 201])
      for (const [name, send] of Object.entries(doors)) {
        const { status, json } = await send()
        assert.deepEqual([name, status, json.code], [name, 403, 'quota_exceeded'])
        assert.match(json.detail, /2 of 2 media/)
      }
      assert.equal((await doors.form(key)).json.media_id, first.json.media_id)
      assert.equal((await judge.ask('GET', '/api/media')).json.items.length, 2)
      assert.equal((await judge.ask('DELETE', `/api/media/${first.json.media_id}`)).status, 204)
      assert.equal((await doors.direct()).status, 201)
      assert.equal((await doors.raw()).status, 403)
    })
  })

  test('bytes: what was announced counts from its announcement', async () => {
    const { size } = await makeSample('photo.jpg')
    await withLimits({ QUOTA_BYTES: String(size * 2 + 10) }, async (judge, _, doors) => {
      const begun = await doors.direct()
      assert.deepEqual([begun.status, (await doors.form()).status], [201, 201])
      for (const send of Object.values(doors)) assert.equal((await send()).json.code, 'quota_exceeded')
      assert.equal((await judge.ask('DELETE', `/api/media/upload/${begun.json.media_id}`)).status, 204)
      assert.equal((await doors.raw()).status, 201)
    })
  })

  test('requests: too many are answered 429, and again when Retry-After says', async () => {
    await withLimits({ QUOTA_REQUESTS: '30' }, async (judge) => {
      const list = () => judge.ask('GET', '/api/media')
      const answers = []
      for (let asked = 0; asked < 33; asked++) answers.push(await list())
      const refused = answers.filter(({ status }) => status === 429)
      assert.ok(refused.length >= 2, `${refused.length} of ${answers.length} refused`)
      const [first] = refused
      assert.equal(first?.json.code, 'slow_down')
      const seconds = Number(first?.headers.get('retry-after'))
      assert.ok(seconds >= 1 && seconds <= 2, `Retry-After: ${seconds}`)
      assert.equal((await judge.ask('GET', '/healthz')).status, 200)
      await new Promise((resolve) => setTimeout(resolve, (seconds + 0.1) * 1_000))
      assert.equal((await list()).status, 200)
    })
  })
})
