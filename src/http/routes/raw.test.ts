import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import { gif } from '../../uploads/kit.test.ts'
import { openRawDoor } from '../../uploads/raw.ts'
import { type Kit, openKit, until } from '../kit.test.ts'

const run = promisify(execFile)
const mebi = 1024 * 1024

const curl = async (...args: string[]) => {
  const { stdout } = await run('curl', ['-sS', '--max-time', '20', '-w', '\n%{http_code}', ...args])
  const [status, ...body] = stdout.split('\n').reverse()
  return { status: Number(status), json: JSON.parse(body.reverse().join('\n')) }
}

async function fileOf(kit: Kit, name: string, bytes: Buffer): Promise<string> {
  const path = join(kit.folder, name)
  await writeFile(path, bytes)
  return path
}

const left = async (kit: Kit) => ({
  staged: await readdir(join(kit.folder, 'objects/.staging')),
  held: await readdir(join(kit.folder, 'objects/temp')).catch(() => []),
  records: (await kit.metadata.list({ user_id: 'local', limit: 10 })).items.length,
})
const nothing = { staged: [], held: [], records: 0 }

describe('the raw door', () => {
  test('takes what curl -T sends, named in the query', async () => {
    await using kit = await openKit()
    const url = await kit.listen()
    const bytes = gif(3 * mebi)
    const path = await fileOf(kit, 'clip.gif', bytes)
    const address = `${url}/api/media/upload?title=Mountain%20Adventure&filename=${encodeURIComponent('Été 1.gif')}`
    const { status, json } = await curl('-T', path, address)
    assert.equal(status, 201)
    assert.deepEqual([json.title, json.filename, json.status], ['Mountain Adventure', 'Été 1.gif', 'uploaded'])
    assert.equal(json.etag, createHash('md5').update(bytes).digest('hex'))
    assert.deepEqual([json.file_size, json.content_type], [bytes.length, 'image/gif'])
  })

  test('takes it at an address that ends in a slash, named by curl', async () => {
    await using kit = await openKit()
    const url = await kit.listen()
    const name = `${'Länge '.repeat(30)}.a.gif`
    const path = await fileOf(kit, name, gif())
    const { status, json } = await curl('-T', path, `${url}/api/media/upload/`)
    assert.equal(status, 201)
    assert.deepEqual([json.title, json.filename], [`${'Länge '.repeat(30)}.a`, name])
  })

  test('takes a body without a length', async () => {
    await using kit = await openKit()
    const url = await kit.listen()
    const path = await fileOf(kit, 'a.gif', gif(mebi))
    const { status, json } = await curl('-T', path, '-H', 'Transfer-Encoding: chunked', `${url}/api/media/upload/`)
    assert.deepEqual([status, json.file_size], [201, mebi])
  })

  const words: [string, string, number, string | null][] = [
    ['no name at all', '', 422, 'title_missing'],
    ['a name of dots', '?filename=..', 422, 'title_missing'],
    ['a blank title', '?title=%20&filename=a.gif', 422, 'title_missing'],
    ['a title of two lines', '?title=a%0Ab', 422, 'invalid_request'],
    ['two titles', '?title=a&title=b', 422, 'invalid_request'],
    ['a hidden file', '/.gif', 201, null],
  ]
  for (const [name, rest, status, code] of words) {
    test(`${name}: ${status}`, async () => {
      await using kit = await openKit()
      const url = await kit.listen()
      const answer = await fetch(`${url}/api/media/upload${rest}`, { method: 'PUT', body: new Uint8Array(gif()) })
      const json = (await answer.json()) as { code?: string }
      assert.deepEqual([answer.status, json.code ?? null], [status, code])
      if (code) assert.deepEqual(await left(kit), nothing)
    })
  }

  test('refuses a declared length over the limit before it asks for the body, and an open one when it is passed', async () => {
    await using bare = await openKit()
    const rawDoor = openRawDoor({ intake: bare.intake, maxBytes: mebi })
    await using kit = await openKit({ rawDoor })
    const url = await kit.listen()
    const path = await fileOf(kit, 'a.gif', gif(2 * mebi))
    const args = ['-T', path, `${url}/api/media/upload/`]
    const declared = await run('curl', ['-sS', '-v', '-H', 'Expect: 100-continue', ...args])
    assert.match(declared.stderr, /< HTTP\/1.1 413/)
    assert.doesNotMatch(declared.stderr, /100 Continue/)
    assert.match(declared.stdout, /A file may have 1048576 bytes here/)
    const open = await curl('-H', 'Transfer-Encoding: chunked', ...args)
    assert.deepEqual([open.status, open.json.code], [413, 'too_large'])
    assert.deepEqual(await left(bare), nothing)
  })

  test('what is no media, and what is nothing, leaves nothing', async () => {
    await using kit = await openKit()
    const url = `${await kit.listen()}/api/media/upload/a.mp4`
    for (const [body, status, code] of [
      ['<!doctype html><script>alert(1)</script>', 415, 'unsupported_media'],
      ['', 422, 'file_empty'],
    ] as const) {
      const answer = await fetch(url, { method: 'PUT', body, headers: { 'content-type': 'video/mp4' } })
      assert.deepEqual([answer.status, ((await answer.json()) as { code: string }).code], [status, code])
    }
    assert.deepEqual(await left(kit), nothing)
  })

  for (const [how, head, bytes] of [
    ['with a length', 'Content-Length: 100000', gif(50_000)],
    ['in chunks', 'Transfer-Encoding: chunked', Buffer.concat([Buffer.from('c350\r\n'), gif(50_000)])],
  ] as const) {
    test(`a body ${how} that is cut never counts as whole`, async () => {
      await using kit = await openKit()
      const url = new URL(await kit.listen())
      const socket = connect(Number(url.port), url.hostname)
      socket.write(`PUT /api/media/upload/a.gif HTTP/1.1\r\nHost: ${url.host}\r\n${head}\r\n\r\n`)
      socket.write(bytes)
      await until(() => socket.bytesWritten > 50_000)
      while ((await left(kit)).staged.length === 0) await kit.clock.sleep(5)
      const closed = once(socket, 'close')
      socket.destroy()
      await closed
      while ((await left(kit)).staged.length > 0) await kit.clock.sleep(5)
      assert.deepEqual(await left(kit), nothing)
    })
  }

  test('its addresses are not those of other doors', async () => {
    await using kit = await openKit()
    const put = (path: string) => kit.app.inject({ method: 'PUT', url: `/api/media/upload${path}`, payload: 'x' })
    assert.equal((await put('/init')).statusCode, 405)
    assert.equal((await put('/550e8400-e29b-41d4-a716-446655440000/parts')).statusCode, 405)
    const others = await kit.app.inject({ method: 'PATCH', url: '/api/media/upload' })
    assert.deepEqual([others.statusCode, others.headers.allow], [405, 'OPTIONS, POST, PUT'])
  })
})
