import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { jobIdOf } from '../../media/jobs.ts'
import { gif } from '../../uploads/kit.test.ts'
import { type Kit, openKit } from '../kit.test.ts'

const mebi = 1024 * 1024
const partSize = 5 * mebi

const words = { title: 'Mountain', filename: 'mountain.gif', content_type: 'image/gif' }

async function ask(kit: Kit, method: 'GET' | 'POST' | 'DELETE', path: string, payload?: object) {
  const answer = await kit.app.inject({ method, url: `/api/media/upload${path}`, ...(payload && { payload }) })
  return { status: answer.statusCode, json: answer.body === '' ? null : answer.json(), headers: answer.headers }
}

/** Sends a part as a browser would. */
async function put(url: string, bytes: Uint8Array): Promise<string> {
  const answer = await fetch(url, { method: 'PUT', body: new Uint8Array(bytes) })
  assert.equal(answer.status, 200, await answer.text())
  return answer.headers.get('etag') ?? ''
}

describe('the direct door', () => {
  test('parts go to the store, and become a media', async () => {
    await using kit = await openKit()
    await kit.listen()
    const file = gif(partSize + 1_000)
    const { status, json: plan, headers } = await ask(kit, 'POST', '/init', { ...words, file_size: file.length })
    assert.equal(status, 201)
    assert.equal(headers.location, `/api/media/upload/${plan.media_id}`)
    assert.deepEqual([plan.part_size, plan.part_count, plan.parts.length], [partSize, 2, 2])
    assert.ok(Date.parse(plan.expires_at) > kit.clock.now())
    const path = `/${plan.media_id}`

    const [first, last] = [file.subarray(0, partSize), file.subarray(partSize)]
    const lastTag = await put(plan.parts[1].url, last)
    const held = await ask(kit, 'GET', path)
    assert.deepEqual(held.json, {
      ...{ media_id: plan.media_id, part_size: partSize, part_count: 2, expires_at: plan.expires_at },
      ...{ file_size: file.length, stored_bytes: 1_000 },
      parts: [{ part_number: 2, etag: lastTag.slice(1, -1), size: 1_000 }],
    })
    const fresh = await ask(kit, 'POST', `${path}/parts`, { part_numbers: [1] })
    const firstTag = await put(fresh.json.parts[0].url, first)

    const parts = [
      { part_number: 1, etag: firstTag },
      { part_number: 2, etag: lastTag },
    ]
    const done = await ask(kit, 'POST', `${path}/complete`, { parts })
    assert.equal(done.status, 200)
    const md5s = [first, last].map((part) => createHash('md5').update(part).digest())
    const etag = `${createHash('md5').update(Buffer.concat(md5s)).digest('hex')}-2`
    assert.deepEqual([done.json.status, done.json.etag, done.json.file_size], ['uploaded', etag, file.length])
    assert.deepEqual((await ask(kit, 'POST', `${path}/complete`, { parts })).json, done.json)
    assert.equal((await kit.metadata.getJob(jobIdOf(plan.media_id, 'process')))?.state, 'queued')
    const after = await ask(kit, 'GET', path)
    assert.deepEqual([after.status, after.json.code], [409, 'wrong_state'])
  })

  test('makes no media of half a file that is sent by tus', async () => {
    await using kit = await openKit()
    const tus = { 'tus-resumable': '1.0.0' }
    const begun = await kit.app.inject({
      ...{ method: 'POST', url: '/api/media/upload/tus' },
      headers: { ...tus, 'upload-defer-length': '1', 'upload-metadata': 'title dA==' },
    })
    const half = await kit.app.inject({
      ...{ method: 'PATCH', url: String(begun.headers.location), payload: gif(1_000) },
      headers: { ...tus, 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' },
    })
    assert.equal(half.statusCode, 204)
    const path = `/${begun.headers['media-id']}`
    const { json: state } = await ask(kit, 'GET', path)
    const parts = state.parts.map(({ part_number, etag }: Record<string, unknown>) => ({ part_number, etag }))
    const refused = await ask(kit, 'POST', `${path}/complete`, { parts })
    assert.deepEqual([refused.status, refused.json.code], [409, 'wrong_state'])
    assert.equal((await ask(kit, 'GET', path)).json.stored_bytes, 1_000)
  })

  test('a beginning that cannot end well is refused', async () => {
    await using kit = await openKit()
    const cases: [object, number, string][] = [
      [{ file_size: 0 }, 422, 'file_empty'],
      [{ file_size: 5 * 1024 ** 4 + 1 }, 413, 'too_large'],
      [{ file_size: -1 }, 422, 'invalid_request'],
      [{ file_size: 1.5 }, 422, 'invalid_request'],
      [{ file_size: '7' }, 422, 'invalid_request'],
      [{ content_type: 'text/html', filename: 'a.html' }, 415, 'unsupported_media'],
      [{ content_type: 'application/pdf', filename: 'a.pdf' }, 415, 'unsupported_media'],
      [{ content_type: 'media' }, 422, 'invalid_request'],
      [{ title: ' ' }, 422, 'title_missing'],
      [{ title: undefined }, 422, 'title_missing'],
      [{ title: 'two\nlines' }, 422, 'invalid_request'],
      [{ checksum: 'md5:1' }, 422, 'invalid_request'],
      [{ unknown: 1 }, 422, 'invalid_request'],
    ]
    for (const [change, status, code] of cases) {
      const answer = await ask(kit, 'POST', '/init', { ...words, file_size: 1_000, ...change })
      assert.deepEqual([answer.status, answer.json.code], [status, code], JSON.stringify(change))
    }
    assert.deepEqual((await kit.metadata.list({ user_id: 'local', limit: 10 })).items, [])
    const { json: problem } = await ask(kit, 'POST', '/init', { ...words, file_size: 1_000, content_type: 'media' })
    assert.equal(problem.detail, 'body.content_type must look like video/mp4.')
  })

  test('5 TiB and ten thousand parts cost the API next to nothing', async () => {
    await using kit = await openKit()
    const { json: plan } = await ask(kit, 'POST', '/init', { ...words, file_size: 5 * 1024 ** 4 })
    assert.deepEqual([plan.part_size, plan.part_count, plan.parts.length], [525 * mebi, 9_987, 100])
    const path = `/${plan.media_id}`
    const numbers = Array.from({ length: plan.part_count }, (_, index) => index + 1)
    const before = process.cpuUsage()
    const urls = new Set<string>()
    for (let at = 0; at < numbers.length; at += 1_000) {
      const { json } = await ask(kit, 'POST', `${path}/parts`, { part_numbers: numbers.slice(at, at + 1_000) })
      for (const { url } of json.parts) urls.add(url)
    }
    assert.equal(urls.size, plan.part_count)
    const last = new URL([...urls].at(-1) ?? '').searchParams.get('size')
    assert.equal(Number(last), 5 * 1024 ** 4 - 9_986 * 525 * mebi)
    const parts = numbers.map((part_number) => ({ part_number, etag: `"${'a'.repeat(32)}"` }))
    const done = await ask(kit, 'POST', `${path}/complete`, { parts })
    assert.deepEqual([done.status, done.json.code, done.json.detail], [422, 'invalid_parts', 'Part 1 is not stored.'])
    const { user } = process.cpuUsage(before)
    assert.ok(user < 5e6, `${user / 1e6} s of CPU: about half a second is right`)
  })

  test('numbers that are no parts are not signed', async () => {
    await using kit = await openKit()
    const { json: plan } = await ask(kit, 'POST', '/init', { ...words, file_size: partSize + 1 })
    const cases: [number[], string][] = [
      [[3], 'invalid_parts'],
      [[0], 'invalid_request'],
      [[10_001], 'invalid_request'],
      [[1, 1], 'invalid_request'],
      [[], 'invalid_request'],
      [Array.from({ length: 1_001 }, (_, index) => index + 1), 'invalid_request'],
    ]
    for (const [part_numbers, code] of cases) {
      const answer = await ask(kit, 'POST', `/${plan.media_id}/parts`, { part_numbers })
      assert.deepEqual([answer.status, answer.json.code], [422, code])
    }
  })

  test('a crash between the store’s step and the record’s is made good by whoever asks next', async () => {
    for (const asking of ['state', 'complete'] as const) {
      await using kit = await openKit()
      await kit.listen()
      const { json: plan } = await ask(kit, 'POST', '/init', { ...words, file_size: 43 })
      const etag = await put(plan.parts[0].url, gif())
      const { upload } = await kit.pending.find('local', plan.media_id)
      await kit.objects.completeUpload(upload)
      const path = `/${plan.media_id}`
      if (asking === 'state') assert.equal((await ask(kit, 'GET', path)).json.code, 'wrong_state')
      else await ask(kit, 'POST', `${path}/complete`, { parts: [{ part_number: 1, etag }] })
      assert.equal((await kit.metadata.get(plan.media_id))?.status, 'uploaded')
    }
  })

  test('given up, nothing of it is left', async () => {
    await using kit = await openKit()
    await kit.listen()
    const { json: plan } = await ask(kit, 'POST', '/init', { ...words, file_size: 43 })
    await put(plan.parts[0].url, gif())
    const path = `/${plan.media_id}`
    assert.equal((await ask(kit, 'DELETE', path)).status, 204)
    assert.equal((await ask(kit, 'DELETE', path)).status, 204)
    assert.equal((await ask(kit, 'GET', path)).status, 404)
    assert.equal((await fetch(plan.parts[0].url, { method: 'PUT', body: new Uint8Array(gif()) })).status, 404)
  })

  test('a media that is uploading answers sensibly elsewhere', async () => {
    await using kit = await openKit()
    const { json: plan } = await ask(kit, 'POST', '/init', { ...words, file_size: 43 })
    const path = `/api/media/${plan.media_id}`
    const record = (await kit.app.inject(path)).json()
    assert.deepEqual([record.status, record.media_type, record.file_size], ['uploading', 'image', null])
    const renamed = await kit.app.inject({ method: 'PATCH', url: path, payload: { title: 'New' } })
    assert.equal(renamed.json().title, 'New')
    const retried = await kit.app.inject({ method: 'POST', url: `${path}/retry` })
    assert.deepEqual([retried.statusCode, retried.json().code], [409, 'wrong_state'])
    assert.equal((await kit.app.inject({ method: 'DELETE', url: path })).statusCode, 204)
    assert.equal((await ask(kit, 'GET', `/${plan.media_id}`)).status, 404)
  })
})
