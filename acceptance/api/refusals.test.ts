import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { type Judge, openJudge } from '../judge.ts'
import { formOf, makeSample } from '../samples.ts'
import { openTarget, type Target } from '../target.ts'

/** Nothing is half-accepted: each refusal says why, and leaves no record. */

type Body = FormData | Blob | string

describe('refusals', () => {
  let target: Target
  let judge: Judge
  let photo: File
  let atFirst: string[]
  const ids = async () =>
    (await judge.ask('GET', '/api/media?limit=100')).json.items.map((one: { media_id: string }) => one.media_id)

  before(async () => {
    target = await openTarget()
    judge = await openJudge(target.url)
    photo = await makeSample('photo.jpg')
    atFirst = await ids()
  })
  after(async () => {
    const left = await ids()
    await target.stop()
    assert.deepEqual(left, atFirst, 'a refused upload left a record')
  })

  const post = async (body: Body, headers: Record<string, string> = {}) => {
    const { status, json, text } = await judge.ask('POST', '/api/media/upload', { body, headers })
    return [status, json?.code ?? text]
  }
  const twoFiles = () => {
    const form = formOf({ title: 'A', file: photo })
    form.append('file', photo)
    return form
  }
  const named = (bytes: string, name = 'a.mp4') => formOf({ title: 'A', file: new File([bytes], name) })

  const cases: [string, () => Body, number, string][] = [
    ['no title', () => formOf({ file: photo }), 422, 'title_missing'],
    ['a blank title', () => formOf({ title: '  ', file: photo }), 422, 'title_missing'],
    ['a title of two lines', () => formOf({ title: 'a\nb', file: photo }), 422, 'invalid_request'],
    ['an endless title', () => formOf({ title: 'x'.repeat(501), file: photo }), 422, 'invalid_request'],
    ['no file', () => formOf({ title: 'A' }), 422, 'file_missing'],
    ['an empty file', () => named(''), 422, 'file_empty'],
    ['two files', twoFiles, 400, 'too_many_files'],
    ['text', () => named('just words, no media at all'), 415, 'unsupported_media'],
    ['a page', () => named('<!doctype html><script>alert(1)</script>', 'a.jpg'), 415, 'unsupported_media'],
    ['a playlist', () => named('#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n', 'a.mp4'), 415, 'unsupported_media'],
  ]
  for (const [name, body, status, code] of cases) {
    test(`${name}: ${status} ${code}`, async () => assert.deepEqual(await post(body()), [status, code]))
  }

  test('what is no form: 415, a form without its boundary: 400', async () => {
    assert.deepEqual(await post('{}', { 'content-type': 'application/json' }), [415, 'unsupported_media'])
    assert.deepEqual(await post('x', { 'content-type': 'multipart/form-data' }), [400, 'malformed_request'])
  })

  test('a form that ends too early: 400', async () => {
    const head = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    const body = new Blob([head, await photo.bytes()])
    assert.deepEqual(await post(body, { 'content-type': 'multipart/form-data; boundary=x' }), [
      400,
      'upload_interrupted',
    ])
  })

  test('a declared length over the limit: 413 at once, naming the direct door', async () => {
    const { hostname, port, host } = new URL(target.url)
    const socket = connect(Number(port), hostname)
    socket.write(
      `POST /api/media/upload HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 200000000\r\n` +
        'Content-Type: multipart/form-data; boundary=x\r\nExpect: 100-continue\r\n\r\n',
    )
    let text = ''
    for await (const chunk of socket) {
      text += chunk
      if (text.includes('request_id')) break
    }
    assert.match(text, /^HTTP\/1.1 413 [^]*\/api\/media\/upload\/init/)
  })

  test('a cut connection leaves nothing', async () => {
    const { hostname, port, host } = new URL(target.url)
    const socket = connect(Number(port), hostname)
    const head = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    socket.write(
      `POST /api/media/upload HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 5000000\r\n` +
        `Content-Type: multipart/form-data; boundary=x\r\n\r\n${head}`,
    )
    await new Promise<void>((resolve) => socket.write(Buffer.from('only the beginning'), () => resolve()))
    socket.destroy()
    assert.equal((await judge.ask('GET', '/healthz')).status, 200)
  })

  test('unknown media, addresses and methods', async () => {
    const nobody = '/api/media/550e8400-e29b-41d4-a716-446655440000'
    for (const path of [nobody, `${nobody}/events`, '/api/media/1', '/nothing']) {
      const answer = await judge.ask('GET', path)
      assert.deepEqual([answer.status, answer.json.code], [404, 'not_found'], path)
    }
    assert.equal((await judge.ask('DELETE', nobody)).status, 404)
    assert.equal((await judge.ask('POST', `${nobody}/retry`)).status, 404)
    assert.equal((await judge.ask('PUT', nobody)).status, 405)
  })

  test('foreign pages and names', async () => {
    const foreign = await judge.ask('GET', '/api/media', { headers: { origin: 'https://evil.example' } })
    assert.deepEqual([foreign.status, foreign.json.code], [403, 'foreign_origin'])
    const { hostname, port } = new URL(target.url)
    const socket = connect(Number(port), hostname)
    socket.end('GET /api/media HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n')
    let text = ''
    for await (const chunk of socket) text += chunk
    assert.match(text, /^HTTP\/1.1 403 [^]*foreign_host/)
  })
})
