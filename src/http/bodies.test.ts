import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import { systemChance } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import { newRecord } from '../media/record.ts'
import type { FormDoor } from '../uploads/form.ts'
import { openKit, until } from './kit.test.ts'

const run = promisify(execFile)
const mebi = 1024 * 1024

const record = newRecord({
  media_id: systemChance.uuid(),
  user_id: 'local',
  title: 'A',
  media_type: 'video',
  upload_time: '2026-01-01T00:00:00.000Z',
  status: 'uploaded',
})

/** A door that reads all and keeps nothing. */
function countingDoor() {
  const seen = { bytes: 0, calls: 0, aborted: false }
  const door: FormDoor = {
    async receive({ body, signal }) {
      seen.calls += 1
      signal.addEventListener('abort', () => {
        seen.aborted = true
      })
      for await (const chunk of body) seen.bytes += chunk.length
      return record
    },
  }
  return { seen, door }
}

/** A door that refuses after the first chunk. */
const refusingDoor: FormDoor = {
  receive: async ({ body }) => {
    await once(body, 'readable')
    throw new MediaError('unsupported_media', 'no media')
  },
}

async function zeros(folder: string, bytes: number): Promise<string> {
  const path = join(folder, 'zeros')
  const file = await open(path, 'w')
  await file.truncate(bytes)
  await file.close()
  return path
}

const curl = async (...args: string[]) => (await run('curl', ['-sS', '-i', '--max-time', '30', ...args])).stdout

async function readAll(socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  await once(socket, 'close')
  return text
}

describe('bodies', () => {
  test('a form within the limit is asked for and taken', async () => {
    const { door, seen } = countingDoor()
    await using kit = await openKit({ formDoor: door })
    const url = await kit.listen()
    const path = await zeros(kit.folder, 500_000)
    const answer = await curl(
      '-H',
      'Expect: 100-continue',
      '-F',
      'title=A',
      '-F',
      `file=@${path}`,
      `${url}/api/media/upload`,
    )
    assert.match(answer, /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 201 /)
    assert.match(answer, new RegExp(`location: /api/media/${record.media_id}`, 'i'))
    assert.ok(seen.bytes > 500_000)
  })

  test('a declared length over the limit is refused before 100 Continue and before the body', async () => {
    const { door, seen } = countingDoor()
    await using kit = await openKit({ formDoor: door, formLimit: mebi })
    const url = await kit.listen()
    const path = await zeros(kit.folder, 3 * mebi)
    const answer = await curl('-H', 'Expect: 100-continue', '-F', `file=@${path}`, `${url}/api/media/upload`)
    assert.match(answer, /^HTTP\/1.1 413 /)
    assert.match(answer, /"code":"too_large"/)
    assert.match(answer, /POST \/api\/media\/upload\/init/)
    assert.equal(seen.calls, 0)
  })

  test('a client that does not wait sees the refusal, not a reset', async () => {
    await using kit = await openKit({ formLimit: mebi })
    const url = await kit.listen()
    const path = await zeros(kit.folder, 200 * mebi)
    for (let round = 0; round < 5; round++) {
      const answer = await curl('-H', 'Expect:', '-F', `file=@${path}`, `${url}/api/media/upload`)
      assert.match(answer, /^HTTP\/1.1 413 /)
      assert.match(answer, /connection: close/i)
    }
  })

  test('a refusal in the middle of the body is seen too', async () => {
    await using kit = await openKit({ formDoor: refusingDoor, formLimit: 1024 * mebi })
    const url = await kit.listen()
    const path = await zeros(kit.folder, 200 * mebi)
    for (let round = 0; round < 5; round++) {
      const answer = await curl('-H', 'Expect:', '-F', `file=@${path}`, `${url}/api/media/upload`)
      assert.match(answer, /HTTP\/1.1 415 /)
    }
  })

  test('of a refused endless body about 1 MiB is read, then the connection closes', async () => {
    await using kit = await openKit({ formLimit: mebi })
    const url = new URL(await kit.listen())
    const socket = connect(Number(url.port), url.hostname)
    socket.on('error', () => {})
    socket.write(
      `POST /api/media/upload HTTP/1.1\r\nHost: ${url.host}\r\nContent-Length: ${10_000 * mebi}\r\n` +
        'Content-Type: multipart/form-data; boundary=x\r\n\r\n',
    )
    const closed = readAll(socket)
    const sending = setInterval(() => socket.writable && socket.write(Buffer.alloc(64 * 1024)), 1)
    const answer = await closed
    clearInterval(sending)
    assert.match(answer, /^HTTP\/1.1 413 /)
    assert.ok(socket.bytesWritten < 40 * mebi, `${socket.bytesWritten} bytes were taken`)
  })

  test('a client that goes away ends the door', async () => {
    const { door, seen } = countingDoor()
    await using kit = await openKit({ formDoor: door })
    const url = new URL(await kit.listen())
    const socket = connect(Number(url.port), url.hostname)
    socket.write(
      `POST /api/media/upload HTTP/1.1\r\nHost: ${url.host}\r\nContent-Length: 100000\r\n` +
        'Content-Type: multipart/form-data; boundary=x\r\n\r\nsome bytes',
    )
    await until(() => seen.bytes > 0)
    socket.destroy()
    await until(() => seen.aborted)
    assert.equal((await fetch(`${url.origin}/healthz`)).status, 200)
  })

  test('no identity, no 100 Continue', async () => {
    const { door, seen } = countingDoor()
    await using kit = await openKit({ formDoor: door, env: { AUTH_JWT_SECRET: 'x'.repeat(32) } })
    const url = await kit.listen()
    const path = await zeros(kit.folder, 500_000)
    const answer = await curl('-H', 'Expect: 100-continue', '-F', `file=@${path}`, `${url}/api/media/upload`)
    assert.match(answer, /^HTTP\/1.1 401 /)
    assert.equal(seen.calls, 0)
  })

  test('what is no HTTP gets a problem', async () => {
    await using kit = await openKit()
    const url = new URL(await kit.listen())
    const socket = connect(Number(url.port), url.hostname)
    socket.write('HELLO\r\n\r\n')
    const answer = await readAll(socket)
    assert.match(answer, /^HTTP\/1.1 400 /)
    assert.match(answer, /application\/problem\+json[^]*"code":"malformed_request"/)
  })
})
