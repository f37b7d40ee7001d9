import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type Answer, type Judge, openJudge } from '../judge.ts'
import { formOf, makeSample } from '../samples.ts'
import { openTarget, startTarget, type Target } from '../target.ts'

/** One media however often a request with an Idempotency-Key is sent, at every door. */

const json = { 'content-type': 'application/json' }

interface Asked {
  judge: Judge
}

interface Door {
  /** Sends the request of a test under a key; `change` makes it say something else. */
  send(asked: Asked, key: string, change?: boolean): Promise<Answer>
  /** Status of a success. */
  created: number
  idOf(answer: Answer): string
}

let photo: File
const doors: Record<string, Door> = {
  form: {
    created: 201,
    idOf: ({ json }) => json.media_id,
    send: async ({ judge }, key, change) => {
      const body = formOf({ title: change ? 'Another' : 'One', file: photo })
      return await judge.ask('POST', '/api/media/upload', { body, headers: { 'idempotency-key': key } })
    },
  },
  raw: {
    created: 201,
    idOf: ({ json }) => json.media_id,
    send: async ({ judge }, key, change) => {
      const body = change ? photo.slice(0, 10_000) : photo
      return await judge.ask('PUT', '/api/media/upload?title=One', { body, headers: { 'idempotency-key': key } })
    },
  },
  direct: {
    created: 201,
    idOf: ({ json }) => json.media_id,
    send: async ({ judge }, key, change) => {
      const said = { title: 'One', filename: 'a.mp4', content_type: 'video/mp4', file_size: change ? 2 : 1 }
      const headers = { ...json, 'idempotency-key': key }
      return await judge.ask('POST', '/api/media/upload/init', { body: JSON.stringify(said), headers })
    },
  },
  companion: {
    created: 200,
    idOf: ({ json }) => json.uploadId,
    send: async ({ judge }, key, change) => {
      const body = JSON.stringify({ filename: change ? 'b.mp4' : 'a.mp4', type: 'video/mp4' })
      return await judge.ask('POST', '/s3/multipart', { body, headers: { ...json, 'idempotency-key': key } })
    },
  },
  tus: {
    created: 201,
    idOf: ({ headers }) => headers.get('media-id') ?? '',
    send: async ({ judge }, key, change) => {
      const told = { 'tus-resumable': '1.0.0', 'upload-length': change ? '20' : '10' }
      const metadata = `filename ${Buffer.from('a.mp4').toString('base64')}`
      const headers = { ...told, 'upload-metadata': metadata, 'idempotency-key': key }
      return await judge.ask('POST', '/api/media/upload/tus', { headers })
    },
  },
  'IETF draft': {
    created: 201,
    idOf: ({ headers }) => headers.get('location')?.split('/').at(-1) ?? '',
    send: async ({ judge }, key, change) => {
      const told = { 'upload-draft-interop-version': '6', 'upload-complete': '?0' }
      const headers = { ...told, 'content-type': 'video/mp4', 'idempotency-key': key }
      const path = `/api/media/upload/tus?filename=${change ? 'b' : 'a'}.mp4`
      return await judge.ask('POST', path, { headers })
    },
  },
}

describe('Idempotency-Key', () => {
  let target: Target
  let judge: Judge
  let asked: Asked
  before(async () => {
    target = await openTarget()
    judge = await openJudge(target.url)
    asked = { judge }
    photo = await makeSample('photo.jpg')
  })
  after(async () => await target.stop())

  const count = async () => (await judge.ask('GET', '/api/media?limit=100')).json.items.length

  for (const [name, { send, created, idOf }] of Object.entries(doors)) {
    test(`${name}: the same again is the same media, something else is refused`, async () => {
      const key = randomUUID()
      const first = await send(asked, key)
      assert.equal(first.status, created, first.text)
      assert.equal(first.headers.get('idempotency-replayed'), null)
      const records = await count()
      for (const same of [key, `"${key}"`]) {
        const again = await send(asked, same)
        assert.deepEqual([again.status, idOf(again)], [created, idOf(first)], again.text)
        assert.equal(again.headers.get('idempotency-replayed'), 'true')
      }
      const other = await send(asked, key, true)
      assert.deepEqual([other.status, other.json?.code], [422, 'idempotency_mismatch'])
      assert.equal(await count(), records)
      assert.notEqual(idOf(await send(asked, randomUUID())), idOf(first))
    })

    test(`${name}: two at a time make one media, the other is told to wait or gets it too`, async () => {
      const key = randomUUID()
      const answers = await Promise.all([send(asked, key), send(asked, key), send(asked, key)])
      const ids = new Set(answers.filter(({ status }) => status === created).map(idOf))
      assert.equal(ids.size, 1)
      for (const { status, json, headers } of answers.filter((one) => one.status !== created)) {
        assert.deepEqual([status, json.code, headers.get('retry-after')], [409, 'idempotency_in_flight', '1'])
      }
    })

    test(`${name}: a deleted media is not made again`, async () => {
      const key = randomUUID()
      const media_id = idOf(await send(asked, key))
      assert.equal((await judge.ask('DELETE', `/api/media/${media_id}`)).status, 204)
      const again = await send(asked, key)
      assert.deepEqual([again.status, again.json.code], [409, 'wrong_state'])
    })

    test(`${name}: a key that is none is refused`, async () => {
      const wrong = await send(asked, 'x'.repeat(256))
      assert.deepEqual([wrong.status, wrong.json.code], [400, 'malformed_request'])
    })
  }

  test('one that is still being sent is in flight, and one that was cut leaves the key free', async () => {
    const key = randomUUID()
    const slow = request(`${target.url}/api/media/upload?title=Slow`, {
      method: 'PUT',
      headers: { 'idempotency-key': key, 'content-length': String(photo.size), expect: '100-continue' },
    })
    slow.on('error', () => {})
    slow.flushHeaders()
    await once(slow, 'continue')
    slow.write(Buffer.from(await photo.slice(0, 5_000).arrayBuffer()))
    const send = async () =>
      await judge.ask('PUT', '/api/media/upload?title=Slow', { body: photo, headers: { 'idempotency-key': key } })
    let answer = await send()
    assert.deepEqual([answer.status, answer.json.code], [409, 'idempotency_in_flight'])
    slow.destroy()
    for (let tries = 0; answer.status === 409 && tries < 1_000; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      answer = await send()
    }
    assert.deepEqual([answer.status, answer.headers.get('idempotency-replayed')], [201, null])
  })

  test('a kill after the answer: the retry is answered with the same media by the next process', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'killed-'))
    const key = randomUUID()
    const ids: string[] = []
    for (let start = 0; start < 2; start++) {
      const short = await startTarget({ dataDir })
      const answer = await doors.form?.send({ judge: await openJudge(short.url) }, key)
      assert.equal(answer?.status, 201, answer?.text)
      ids.push(answer.json.media_id)
      await short.kill()
    }
    assert.equal(ids[0], ids[1])
    await rm(dataDir, { recursive: true, force: true })
  })
})
