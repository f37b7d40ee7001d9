import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Judge, openJudge } from '../judge.ts'
import { formOf, makeSample, type Sample } from '../samples.ts'
import { openTarget, type Target } from '../target.ts'

/** From the form to the signed file, as a client sees it. */

describe('journey', () => {
  let target: Target
  let judge: Judge
  before(async () => {
    target = await openTarget()
    judge = await openJudge(target.url)
  })
  after(async () => await target.stop())

  async function upload(sample: Sample, title = 'Mountain Adventure') {
    const file = await makeSample(sample)
    const answer = await judge.ask('POST', '/api/media/upload', { body: formOf({ title, file }) })
    assert.equal(answer.status, 201, answer.text)
    return { file, answer, record: answer.json, media_id: answer.json.media_id as string }
  }

  /** Watches until the end; the last record. */
  async function finish(media_id: string) {
    const { text, headers } = await judge.ask('GET', `/api/media/${media_id}/events`)
    assert.match(headers.get('content-type') ?? '', /^text\/event-stream/)
    const records = [...text.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => JSON.parse(data))
    const last = records.at(-1)
    assert.ok(['processed', 'failed'].includes(last.status), text)
    return last
  }

  test('the answer to an upload is the record, and where it is', async () => {
    const { file, answer, record, media_id } = await upload('clip.mp4', '  A title  ')
    assert.equal(answer.headers.get('location'), `/api/media/${media_id}`)
    assert.equal(record.title, 'A title')
    assert.equal(record.status, 'uploaded')
    assert.equal(record.media_type, 'video')
    assert.equal(record.content_type, 'video/mp4')
    assert.equal(record.filename, 'clip.mp4')
    assert.equal(record.file_size, file.size)
    assert.match(record.etag, /^[0-9a-f]{32}$/)
    assert.match(record.temp_s3_url, new RegExp(`^s3://[^/]+/${media_id}\\.mp4$`))
    assert.match(record.media_url, new RegExp(`/api/media/download/${media_id}$`))
    const read = await judge.ask('GET', `/api/media/${media_id}`)
    assert.equal(read.json.upload_time, record.upload_time)
    await finish(media_id)
  })

  for (const [sample, media_type] of [
    ['clip.mp4', 'video'],
    ['photo.jpg', 'image'],
    ['song.mp3', 'audio'],
  ] as const) {
    test(`${media_type}: uploaded, processed, delivered`, async () => {
      const { media_id } = await upload(sample)
      const record = await finish(media_id)
      assert.equal(record.status, 'processed', JSON.stringify(record.error))
      assert.equal(record.progress, 100)
      assert.equal(record.playable, true)
      assert.equal(record.media_type, media_type)
      assert.match(record.processed_s3_url, new RegExp(`^s3://[^/]+/${media_id}/v1/`))
      assert.match(record.checksum, /^sha256:[0-9a-f]{64}$/)
      const redirect = await judge.ask('GET', `/api/media/download/${media_id}`)
      assert.equal(redirect.status, 302)
      const told = await judge.ask('GET', `/api/media/download/${media_id}`, {
        headers: { accept: 'application/json' },
      })
      const file = await fetch(told.json.url)
      assert.equal(file.status, 200)
      assert.equal(file.headers.get('content-type'), told.json.content_type)
      assert.equal((await file.arrayBuffer()).byteLength, told.json.file_size)
      const followed = await fetch(`${target.url}/api/media/download/${media_id}?rendition=thumbnail`)
      assert.equal(followed.status, 200)
      assert.match(followed.headers.get('content-type') ?? '', /^image\//)
      await followed.arrayBuffer()
    })
  }

  test('a picture made on the fly, of a picture and of a video', async () => {
    for (const sample of ['photo.jpg', 'clip.mp4'] as const) {
      const { media_id } = await upload(sample)
      await finish(media_id)
      const path = `/api/media/download/${media_id}?image=width%3D64,height%3D48,fit%3Dcover`
      const { json } = await judge.ask('GET', path, { headers: { accept: 'application/json' } })
      const asked = json.url.slice(target.url.length)
      for (const type of ['image/avif', 'image/webp', 'image/jpeg']) {
        const made = await judge.ask('GET', asked, { headers: { accept: type } })
        assert.deepEqual([made.status, made.headers.get('content-type')], [200, type])
      }
    }
  })

  test('signed addresses hold for one file, one time and not otherwise', async () => {
    const { media_id } = await upload('photo.jpg')
    await finish(media_id)
    const path = `/api/media/download/${media_id}?expires_in=60`
    const { json } = await judge.ask('GET', path, { headers: { accept: 'application/json' } })
    const range = await fetch(json.url, { headers: { range: 'bytes=0-9' } })
    assert.equal(range.status, 206)
    assert.equal((await range.arrayBuffer()).byteLength, 10)
    const etag = range.headers.get('etag') ?? ''
    assert.equal((await fetch(json.url, { headers: { 'if-none-match': etag } })).status, 304)
    for (const url of [json.url.replace(/\?.*/, ''), json.url.replace(/Expires=\d/, 'Expires=9'), `${json.url}x`]) {
      assert.equal((await fetch(url)).status, 403, url)
    }
    const wrong = await judge.ask('GET', `/api/media/download/${media_id}?rendition=none`)
    assert.deepEqual([wrong.status, wrong.json.code], [404, 'rendition_not_found'])
  })

  test('what has ended is not watched again for ever', async () => {
    const { media_id } = await upload('photo.jpg')
    await finish(media_id)
    const { text } = await judge.ask('GET', `/api/media/${media_id}/events`)
    const last = [...text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? ''
    const again = await judge.ask('GET', `/api/media/${media_id}/events`, { headers: { 'last-event-id': last } })
    assert.equal(again.status, 204)
  })

  test('rename, list, remove', async () => {
    const word = `w${process.pid}${process.hrtime.bigint()}`
    const first = await upload('photo.jpg', `${word} one`)
    const second = await upload('photo.jpg', `${word} two`)
    await Promise.all([finish(first.media_id), finish(second.media_id)])
    const renamed = await judge.ask('PATCH', `/api/media/${first.media_id}`, {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ title: `${word} three` }),
    })
    assert.equal(renamed.json.title, `${word} three`)
    const titles = async (query: string) =>
      (await judge.ask('GET', `/api/media?q=${word}${query}`)).json.items.map((one: { title: string }) => one.title)
    assert.deepEqual(await titles(''), [`${word} two`, `${word} three`])
    assert.deepEqual(await titles('&status=failed'), [])
    const { json } = await judge.ask('GET', `/api/media/download/${first.media_id}`, {
      headers: { accept: 'application/json' },
    })
    assert.equal((await judge.ask('DELETE', `/api/media/${first.media_id}`)).status, 204)
    assert.equal((await judge.ask('DELETE', `/api/media/${first.media_id}`)).status, 204)
    assert.equal((await judge.ask('GET', `/api/media/${first.media_id}`)).status, 404)
    assert.equal((await judge.ask('GET', `/api/media/download/${first.media_id}`)).status, 404)
    assert.deepEqual(await titles(''), [`${word} two`])
    // "No byte from our edge 5 s after the 204."
    for (let tries = 0; (await fetch(json.url)).status !== 404; tries++) {
      assert.ok(tries < 50, 'the edge still serves it')
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  })

  test('a broken file fails with words for a person, and can be tried again', async () => {
    const clip = await makeSample('clip.mp4')
    const file = new File([(await clip.bytes()).subarray(0, 3_000)], 'broken.mp4')
    const { json } = await judge.ask('POST', '/api/media/upload', { body: formOf({ title: 'Broken', file }) })
    const failed = await finish(json.media_id)
    assert.equal(failed.status, 'failed')
    assert.ok(failed.error.code && failed.error.message.length > 10)
    const refused = await judge.ask('GET', `/api/media/download/${json.media_id}`)
    assert.equal(refused.status, 409)
    const retried = await judge.ask('POST', `/api/media/${json.media_id}/retry`)
    assert.deepEqual([retried.status, retried.json.status, retried.json.error], [202, 'uploaded', null])
    assert.equal((await finish(json.media_id)).status, 'failed')
  })

  test('all of one’s media in one stream, from where an earlier one ended; and what happened to one', async () => {
    const first = await judge.ask('GET', '/api/media/events', { enough: /^id: .+\n\n/m })
    const [, place = ''] = /^id: (.+)$/m.exec(first.text) ?? []
    const { media_id } = await upload('photo.jpg')
    await finish(media_id)
    const headers = { 'last-event-id': place }
    const missed = await judge.ask('GET', '/api/media/events', {
      headers,
      enough: new RegExp(`"media_id":"${media_id}".*\n\n`),
    })
    assert.match(missed.text, /^event: media$/m)
    const { ticket } = (await judge.ask('POST', '/api/media/events/ticket')).json
    await judge.ask('GET', `/api/media/events?ticket=${ticket}`, { enough: /^id: /m })
    const { items } = (await judge.ask('GET', `/api/media/${media_id}/log`)).json
    assert.deepEqual(
      items.map(({ seq, type }: { seq: number; type: string }) => `${seq} ${type}`),
      ['1 media.uploaded', '2 media.processing', '3 media.processed'],
    )
  })

  test('figures are there for operators', async () => {
    const { text } = await judge.ask('GET', '/metrics')
    assert.match(text, /^media_jobs_total\{.*kind="process".*\} [1-9]/m)
  })

  test('the pages are there', async () => {
    assert.equal((await judge.ask('GET', '/healthz')).json.status, 'ok')
    assert.equal((await judge.ask('GET', '/readyz')).json.status, 'ready')
    for (const path of ['/', '/docs', '/docs/errors']) assert.equal((await fetch(target.url + path)).status, 200, path)
  })

  test('every promised success has been seen', () => assert.deepEqual(judge.unseen('journey'), []))
})
