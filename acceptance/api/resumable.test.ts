import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { SignJWT } from 'jose'
import { type Judge, openJudge } from '../judge.ts'
import { makeSample } from '../samples.ts'
import { startTarget, type Target } from '../target.ts'

/** Uploads that go on after interruptions, in both languages, as /openapi.json promises them. */

const path = '/api/media/upload/tus'
const tus = { 'tus-resumable': '1.0.0' }
const draft = { 'upload-draft-interop-version': '6' }
const base64 = (text: string) => Buffer.from(text).toString('base64')

describe('resumable uploads', { timeout: 300_000 }, () => {
  let folder: string
  let target: Target
  let judge: Judge
  let film: Buffer
  let checksum: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'resumable-'))
    film = Buffer.from(await (await makeSample('clip.mp4')).arrayBuffer())
    checksum = `sha256:${createHash('sha256').update(film).digest('hex')}`
    target = await startTarget({ dataDir: join(folder, 'data') })
    judge = await openJudge(target.url)
  })
  after(async () => {
    await target.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const half = () => film.length >> 1
  const piece = (from: number, to?: number) => new Uint8Array(film.subarray(from, to))
  const beginByTus = async (by = judge, more: Record<string, string> = {}) => {
    const metadata = `title ${base64('Mountain Adventure')},filename ${base64('clip.mp4')},filetype ${base64('video/mp4')}`
    const headers = { ...tus, 'upload-length': String(film.length), 'upload-metadata': metadata, ...more }
    return await by.ask('POST', path, { headers })
  }
  const chunkByTus = (offset: number) => ({
    headers: { ...tus, 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' },
    body: piece(offset, offset < half() ? half() : undefined),
  })

  async function assertProcessed(media_id: string, by = judge) {
    for (let tries = 0; ; tries++) {
      const { json } = await by.ask('GET', `/api/media/${media_id}`)
      assert.notEqual(json.status, 'failed', JSON.stringify(json.error))
      if (json.status === 'processed') return assert.deepEqual([json.checksum, json.file_size], [checksum, film.length])
      assert.ok(tries < 600, `still ${json.status}`)
      await sleep(100)
    }
  }

  test('by tus, in two chunks', async () => {
    const begun = await beginByTus()
    assert.equal(begun.status, 201, begun.text)
    assert.deepEqual([begun.json.status, begun.json.title], ['uploading', 'Mountain Adventure'])
    const url = begun.headers.get('location') ?? ''
    assert.equal((await judge.ask('PATCH', url, chunkByTus(0))).status, 204)
    const asked = await judge.ask('HEAD', url, { headers: tus })
    assert.deepEqual([asked.status, asked.headers.get('upload-offset')], [200, String(half())])
    const last = await judge.ask('PATCH', url, chunkByTus(half()))
    assert.deepEqual([last.status, last.headers.get('upload-offset')], [204, String(film.length)])
    await assertProcessed(begun.json.media_id)
  })

  test('by the draft, begun with tus and ended in one more request', async () => {
    const begun = await beginByTus()
    const url = begun.headers.get('location') ?? ''
    await judge.ask('PATCH', url, chunkByTus(0))
    const asked = await judge.ask('HEAD', url, { headers: draft })
    assert.deepEqual([asked.status, asked.headers.get('upload-complete')], [204, '?0'])
    const last = await judge.ask('PATCH', url, {
      headers: {
        ...draft,
        'upload-complete': '?1',
        'upload-offset': asked.headers.get('upload-offset') ?? '',
        'content-type': 'application/partial-upload',
      },
      body: piece(half()),
    })
    assert.deepEqual([last.status, last.headers.get('upload-complete'), last.json.status], [200, '?1', 'uploaded'])
    await assertProcessed(last.json.media_id)
  })

  test('by the draft, in one request', async () => {
    const headers = { ...draft, 'upload-complete': '?1', 'content-type': 'video/mp4' }
    const answer = await judge.ask('POST', `${path}?filename=clip.mp4`, { headers, body: piece(0) })
    assert.deepEqual([answer.status, answer.json.title], [201, 'clip'])
    await assertProcessed(answer.json.media_id)
  })

  test('given up, it is gone', async () => {
    const begun = await beginByTus()
    const url = begun.headers.get('location') ?? ''
    assert.equal((await judge.ask('DELETE', url, { headers: tus })).status, 204)
    assert.equal((await judge.ask('HEAD', url, { headers: tus })).status, 404)
    assert.equal((await judge.ask('GET', `/api/media/${begun.json.media_id}`)).status, 404)
  })

  test('a killed service goes on where it was', async () => {
    const dataDir = join(folder, 'killed')
    let own = await startTarget({ dataDir })
    const begun = await beginByTus(await openJudge(own.url))
    const url = begun.headers.get('location') ?? ''
    assert.equal((await (await openJudge(own.url)).ask('PATCH', url, chunkByTus(0))).status, 204)
    await own.kill()
    own = await startTarget({ dataDir })
    const by = await openJudge(own.url)
    const asked = await by.ask('HEAD', url, { headers: tus })
    assert.equal(asked.headers.get('upload-offset'), String(half()))
    assert.equal((await by.ask('PATCH', url, chunkByTus(half()))).status, 204)
    await assertProcessed(begun.json.media_id, by)
    await own.stop()
  })

  test('what is not complete in time is gone', async () => {
    const own = await startTarget({ dataDir: join(folder, 'expiring'), env: { UPLOAD_EXPIRY_SECONDS: '1' } })
    const by = await openJudge(own.url)
    const begun = await beginByTus(by)
    const url = begun.headers.get('location') ?? ''
    await by.ask('PATCH', url, chunkByTus(0))
    await sleep(1_100)
    assert.equal((await by.ask('HEAD', url, { headers: tus })).status, 404)
    assert.equal((await by.ask('PATCH', url, chunkByTus(half()))).status, 404)
    for (let tries = 0; (await by.ask('GET', `/api/media/${begun.json.media_id}`)).status !== 404; tries++) {
      assert.ok(tries < 300, 'the record of an upload that has expired is still there')
      await sleep(100)
    }
    await own.stop()
  })

  test('behind a proxy, and another user', async () => {
    const secret = 'thirty-two bytes or more, they say'
    const env = { PUBLIC_URL: 'https://media.example', TRUST_PROXY: 'true', AUTH_JWT_SECRET: secret }
    const own = await startTarget({ dataDir: join(folder, 'proxied'), env })
    const of = async (sub: string) => {
      const token = await new SignJWT({ sub }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(secret))
      const forwarded = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'media.example' }
      return await openJudge(own.url, { authorization: `Bearer ${token}`, ...forwarded })
    }
    const ada = await of('ada')
    const begun = await beginByTus(ada)
    const { origin, pathname } = new URL(begun.headers.get('location') ?? '')
    assert.equal(origin, 'https://media.example')
    assert.equal((await ada.ask('HEAD', pathname, { headers: tus })).status, 200)
    const bob = await of('bob')
    for (const headers of [tus, draft]) {
      assert.equal((await bob.ask('HEAD', pathname, { headers })).status, 404)
      assert.equal((await bob.ask('DELETE', pathname, { headers })).status, 404)
    }
    assert.equal((await bob.ask('PATCH', pathname, chunkByTus(0))).status, 404)
    const nobody = await openJudge(own.url)
    assert.equal((await beginByTus(nobody)).status, 401)
    assert.equal((await ada.ask('HEAD', pathname, { headers: tus })).headers.get('upload-offset'), '0')
    await own.stop()
  })

  test('every promised success has been seen', () => assert.deepEqual(judge.unseen('resumable'), []))
})
