import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { chunksOf } from './chunks.ts'

test('who leaves while waiting does not stop the one who reads on', async () => {
  const stream = new PassThrough()
  const chunks = chunksOf(stream)
  const waiting = chunks.next()
  const left = chunks.return(undefined)
  let came = 0
  stream.on('data', (chunk: Buffer) => {
    came += chunk.length
  })
  stream.write('first')
  await Promise.all([waiting, left])
  stream.end('second')
  await setImmediate()
  assert.equal(came, 'firstsecond'.length)
})
