import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type Judge, openJudge } from '../judge.ts'
import { makeSample } from '../samples.ts'
import { openTarget, startTarget, type Target } from '../target.ts'

/** From the first part to the processed media, with the bytes going past the API; and the raw door beside it. */

const mebi = 1024 * 1024
const json = { 'content-type': 'application/json' }

describe('direct uploads', () => {
  let target: Target
  let judge: Judge
  /** A real picture with enough behind it for three parts. */
  let bytes: Uint8Array<ArrayBuffer>
  let checksum: string
  before(async () => {
    target = await openTarget()
    judge = await openJudge(target.url)
    const photo = await (await makeSample('photo.jpg')).bytes()
    bytes = new Uint8Array(11 * mebi)
    bytes.set(photo)
    checksum = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  })
  after(async () => await target.stop())

  const ask = async (method: string, path: string, body?: object, by = judge) =>
    await by.ask(method, `/api/media${path}`, body ? { headers: json, body: JSON.stringify(body) } : {})

  async function init(change: object = {}, by = judge) {
    const words = { title: 'Mountain', filename: 'mountain.jpg', content_type: 'image/jpeg', file_size: bytes.length }
    const answer = await ask('POST', '/upload/init', { ...words, ...change }, by)
    assert.equal(answer.status, 201, answer.text)
    return answer.json
  }

  async function put({ part_number, url }: { part_number: number; url: string }, part_size: number) {
    const body = bytes.subarray((part_number - 1) * part_size, part_number * part_size)
    const answer = await fetch(url, { method: 'PUT', body })
    assert.equal(answer.status, 200, await answer.text())
    return { part_number, etag: answer.headers.get('etag') }
  }

  /** Watches until the end; every record told. */
  async function watch(media_id: string) {
    const { text } = await ask('GET', `/${media_id}/events`)
    return [...text.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => JSON.parse(data))
  }

  test('parts in parallel become a processed media', async () => {
    const plan = await init({ checksum })
    assert.equal(plan.part_count, 3)
    const parts = await Promise.all(plan.parts.map((part: never) => put(part, plan.part_size)))
    const held = await ask('GET', `/upload/${plan.media_id}`)
    assert.equal(held.json.stored_bytes, bytes.length)
    const path = `/upload/${plan.media_id}/complete`
    const answers = await Promise.all([ask('POST', path, { parts }), ask('POST', path, { parts })])
    for (const { status, json } of answers) {
      assert.equal(status, 200)
      assert.match(json.etag, /^[0-9a-f]{32}-3$/)
    }
    const record = (await watch(plan.media_id)).at(-1)
    assert.deepEqual([record.status, record.checksum, record.file_size], ['processed', checksum, bytes.length])
    const late = await ask('POST', path, { parts })
    assert.deepEqual([late.status, late.json.status, late.json.progress], [200, 'processed', 100])
    assert.equal((await ask('GET', `/download/${plan.media_id}`)).status, 302)
  })

  test('its events are told from the beginning on', async () => {
    const plan = await init()
    const told = watch(plan.media_id)
    const refused = await ask('GET', `/download/${plan.media_id}`)
    assert.deepEqual([refused.status, refused.json.code], [409, 'not_ready'])
    const fresh = await ask('POST', `/upload/${plan.media_id}/parts`, { part_numbers: [3, 1, 2] })
    const parts = await Promise.all(fresh.json.parts.map((part: never) => put(part, plan.part_size)))
    await ask('POST', `/upload/${plan.media_id}/complete`, { parts })
    const statuses = (await told).map(({ status }) => status)
    assert.equal(statuses[0], 'uploading')
    assert.equal(statuses.at(-1), 'processed')
  })

  test('media whose bytes are not those announced fail, and say so', async () => {
    const plan = await init({ checksum: `sha256:${'0'.repeat(64)}` })
    const parts = await Promise.all(plan.parts.map((part: never) => put(part, plan.part_size)))
    await ask('POST', `/upload/${plan.media_id}/complete`, { parts })
    const record = (await watch(plan.media_id)).at(-1)
    assert.deepEqual([record.status, record.error.code], ['failed', 'checksum_mismatch'])
    assert.match(record.error.message, /checksum/)
  })

  test('given up, it is gone', async () => {
    const plan = await init()
    await put(plan.parts[0], plan.part_size)
    assert.equal((await ask('DELETE', `/upload/${plan.media_id}`)).status, 204)
    assert.equal((await ask('GET', `/upload/${plan.media_id}`)).status, 404)
    assert.equal((await ask('GET', `/${plan.media_id}`)).status, 404)
  })

  test('the raw door takes the same file as the body', async () => {
    const answer = await judge.ask('PUT', '/api/media/upload?filename=mountain.jpg', { body: bytes })
    assert.equal(answer.status, 201, answer.text)
    const { media_id, title, etag } = answer.json
    assert.deepEqual([title, etag], ['mountain', createHash('md5').update(bytes).digest('hex')])
    assert.equal((await watch(media_id)).at(-1).checksum, checksum)
  })

  test('a killed service goes on where it was', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'direct-'))
    try {
      let own = await startTarget({ dataDir, role: 'serve' })
      const plan = await init({}, await openJudge(own.url))
      await put(plan.parts[1], plan.part_size)
      const unfinished = fetch(plan.parts[0].url, { method: 'PUT', body: bytes.subarray(0, 5 * mebi) }).catch(
        () => null,
      )
      await own.kill()
      await unfinished
      own = await startTarget({ dataDir, role: 'serve' })
      const by = await openJudge(own.url)
      const { json: state } = await ask('GET', `/upload/${plan.media_id}`, undefined, by)
      const held = new Map<number, string>(state.parts.map((one: never) => [one['part_number'], one['etag']]))
      assert.ok(held.has(2), 'what was acknowledged is held')
      const missing = [1, 2, 3].filter((number) => !held.has(number))
      const fresh = await ask('POST', `/upload/${plan.media_id}/parts`, { part_numbers: missing }, by)
      const sent = await Promise.all(fresh.json.parts.map((part: never) => put(part, plan.part_size)))
      const parts = [...sent, ...[...held].map(([part_number, etag]) => ({ part_number, etag }))]
      const done = await ask('POST', `/upload/${plan.media_id}/complete`, { parts }, by)
      assert.equal(done.status, 200, done.text)
      await own.stop()
    } finally {
      await rm(dataDir, { recursive: true, force: true })
    }
  })

  test('every promised success has been seen', () => assert.deepEqual(judge.unseen('direct'), []))
})
