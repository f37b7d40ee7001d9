import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseTransport, type Fetch } from './transport.ts'

test('what is read of a body when its request is over counts no more, and keeps nothing waiting', async () => {
  let body: ReadableStream<Uint8Array> | undefined
  // Answers before it has read the body, as a server may.
  const early: Fetch = async (_url, init) => {
    body = init?.body as ReadableStream<Uint8Array>
    return new Response('enough', { status: 200, headers: { etag: '"a"' } })
  }
  const heard: number[] = []
  const send = chooseTransport(early, early)
  const answer = await send({
    ...{ method: 'PUT', url: 'http://127.0.0.1/', body: new Uint8Array(700_000), size: 700_000 },
    ...{ signal: new AbortController().signal, onSent: (bytes) => heard.push(bytes) },
  })
  assert.deepEqual([answer.status, answer.header('etag'), answer.text], [200, '"a"', 'enough'])
  const reader = body?.getReader()
  assert.equal((await reader?.read())?.done, true)
  assert.deepEqual(heard, [])
  assert.ok(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length <= 1)
})

test('bytes are heard of when they have gone, piece by piece', async () => {
  const whole: Fetch = async (_url, init) => {
    const length = (await new Response(init?.body).arrayBuffer()).byteLength
    return new Response(`${length} ${new Headers(init?.headers).get('content-length')}`)
  }
  const heard: number[] = []
  const { text } = await chooseTransport(
    whole,
    whole,
  )({
    ...{ method: 'PUT', url: 'http://127.0.0.1/', body: new Uint8Array(700_000), size: 700_000 },
    ...{ signal: new AbortController().signal, onSent: (bytes) => heard.push(bytes) },
  })
  assert.equal(text, '700000 700000')
  assert.deepEqual(heard, [0, 262_144, 524_288, 700_000])
})
