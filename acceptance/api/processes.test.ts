import assert from 'node:assert/strict'
import { type ExecFileException, execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer as createHttpServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { embeddedOnly } from '../engines.ts'
import { freePort } from '../ports.ts'
import { formOf, makeSample } from '../samples.ts'
import { startTarget, type Target } from '../target.ts'

/** Several processes on one data folder: which may, and which are told why not. */

const main = join(import.meta.dirname, '../../src/main.ts')

/** `npm start -- setup`, with nothing but these settings. */
async function setUp(env: Record<string, string>): Promise<{ stdout: string }> {
  const { PATH = '' } = process.env
  const options = { env: { PATH, ...env }, timeout: 60_000 }
  return await promisify(execFile)(process.execPath, ['--disable-warning=ExperimentalWarning', main, 'setup'], options)
}

describe('processes', () => {
  let dataDir: string
  let env: { CDN_BASE_URL: string; PORT: string }
  let main: Target
  before(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'processes-'))
    const port = await freePort()
    env = { CDN_BASE_URL: `http://127.0.0.1:${port}/cdn`, PORT: String(port) }
    main = await startTarget({ dataDir, env: { ...env, PORT: '0' } })
  })
  after(async () => {
    await main.stop()
    await rm(dataDir, { recursive: true, force: true })
  })

  test('an edge of its own delivers what the service signed, and leaves its uploads alone', async () => {
    const body = formOf({ title: 'A photo', file: await makeSample('photo.jpg') })
    // Begun before the edge starts, ended after: its bytes must still be there.
    const encoded = new Response(body)
    const bytes = Buffer.from(await encoded.arrayBuffer())
    const headers = { 'content-type': encoded.headers.get('content-type') ?? '', 'content-length': bytes.length }
    const asked = request(`${main.url}/api/media/upload`, { method: 'POST', headers })
    const answered = once(asked, 'response')
    asked.write(bytes.subarray(0, bytes.length - 1_000))
    const edge = await startTarget({ role: 'edge', dataDir, env })
    try {
      asked.end(bytes.subarray(bytes.length - 1_000))
      const [reply] = await answered
      assert.equal(reply.statusCode, 201)
      const { media_id } = JSON.parse((await reply.toArray()).join(''))
      const events = await fetch(`${main.url}/api/media/${media_id}/events`)
      assert.match(await events.text(), /"status":"processed"/)
      const file = await fetch(`${main.url}/api/media/download/${media_id}`)
      assert.ok(file.url.startsWith(env.CDN_BASE_URL), file.url)
      assert.deepEqual([file.status, file.headers.get('content-type')], [200, 'image/jpeg'])
      assert.equal((await fetch(file.url.replace(/Expires=\d/, 'Expires=9'))).status, 403)
    } finally {
      assert.equal(await edge.stop(), 0)
    }
  })

  test('an edge of its own lies where signed addresses say', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'processes-'))
    const port = String(await freePort())
    const env = { CDN_BASE_URL: `http://127.0.0.1:${port}`, PORT: port }
    const main = await startTarget({ dataDir, env: { ...env, PORT: '0' } })
    const edge = await startTarget({ role: 'edge', dataDir, env })
    try {
      const body = formOf({ title: 'A photo', file: await makeSample('photo.jpg') })
      const uploaded = await fetch(`${main.url}/api/media/upload`, { method: 'POST', body })
      const { media_id } = (await uploaded.json()) as { media_id: string }
      await (await fetch(`${main.url}/api/media/${media_id}/events`)).text()
      const file = await fetch(`${main.url}/api/media/download/${media_id}`)
      assert.ok(file.url.startsWith(`${env.CDN_BASE_URL}/${media_id}/`), file.url)
      assert.equal(file.status, 200)
    } finally {
      await Promise.all([edge.stop(), main.stop()])
      await rm(dataDir, { recursive: true, force: true })
    }
  })

  test('an edge in front of any origin is a plain cache, when it is said that all is for everybody', async () => {
    let asked = 0
    const origin = createHttpServer((_, reply) => {
      asked += 1
      reply.writeHead(200, { 'cache-control': 'max-age=60' }).end('bytes')
    })
    await once(origin.listen(0, '127.0.0.1'), 'listening')
    const EDGE_ORIGIN = `http://127.0.0.1:${(origin.address() as AddressInfo).port}`
    await assert.rejects(startTarget({ role: 'edge', env: { EDGE_ORIGIN } }), /EDGE_PUBLIC=true/)
    await assert.rejects(startTarget({ role: 'edge', env: { EDGE_PUBLIC: 'true' } }), /EDGE_ORIGIN/)
    const folder = await mkdtemp(join(tmpdir(), 'edge-'))
    try {
      const env = { EDGE_ORIGIN, EDGE_PUBLIC: 'true' }
      const edge = await startTarget({ role: 'edge', dataDir: folder, env })
      assert.equal(await (await fetch(`${edge.url}/a`)).text(), 'bytes')
      await assert.rejects(startTarget({ role: 'edge', dataDir: folder, env }), /EDGE_CACHE_DIR is .*own/)
      assert.equal(await edge.stop(), 0)
      const next = await startTarget({ role: 'edge', dataDir: folder, env })
      assert.equal((await fetch(`${next.url}/a`)).headers.get('cache-status'), 'edge; hit')
      await next.kill()
      assert.equal(asked, 1)
    } finally {
      origin.close()
      await rm(folder, { recursive: true, force: true })
    }
  })

  test(
    'told to stop in the midst of an upload, it waits a while, cuts it, and leaves nothing of it',
    embeddedOnly('looks into the store’s own folder of what is under way'),
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'stopped-'))
      const target = await startTarget({ dataDir: folder })
      const headers = { 'content-type': 'multipart/form-data; boundary=b', 'content-length': 1_000_000 }
      const asked = request(`${target.url}/api/media/upload`, { method: 'POST', headers }).on('error', () => {})
      asked.write('--b\r\ncontent-disposition: form-data; name="file"; filename="a.gif"\r\n\r\nGIF89a')
      const staging = join(folder, 'objects', '.staging')
      while ((await readdir(staging)).length === 0) await sleep(20)
      assert.equal(await target.stop(), 0)
      assert.deepEqual(await readdir(staging), [])
      await rm(folder, { recursive: true, force: true })
    },
  )

  test(
    'a second service on the folder is refused, and told which folder',
    embeddedOnly('several share theirs'),
    async () => {
      await assert.rejects(startTarget({ dataDir }), (error: Error) => error.message.includes(dataDir))
    },
  )

  test(
    'a worker of its own is refused on embedded engines, and told what to set',
    embeddedOnly('there it is taken'),
    async () => {
      await assert.rejects(startTarget({ role: 'worker' }), /METADATA_DRIVER, QUEUE_DRIVER, OBJECTS_DRIVER/)
    },
  )

  test('setup says that embedded engines need none', async () => {
    const { stdout } = await setUp({})
    assert.match(stdout, /^objects: nothing to set up, .*\nmetadata: nothing to set up, .*\nqueue: nothing to set up/)
  })

  test('setup that cannot reach an engine ends with 1 and names the room', async () => {
    const [port, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY] = [await freePort(), 'key', 'hidden-secret']
    const env = { METADATA_DRIVER: 'dynamodb', METADATA_DYNAMODB_ENDPOINT: `http://127.0.0.1:${port}` }
    await assert.rejects(setUp({ ...env, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY }), (error: ExecFileException) => {
      assert.equal(error.code, 1)
      assert.match(String(error.stderr), /The set-up of metadata on dynamodb failed/)
      assert.doesNotMatch(String(error.stderr), /hidden-secret/)
      return true
    })
  })

  test('an API on shared engines is refused without the keys that others need too, and told how to make them', async () => {
    const env = { METADATA_DRIVER: 'dynamodb' }
    await assert.rejects(startTarget({ role: 'serve', env, embedded: true }), (error: Error) => {
      assert.match(error.message, /AUTH_UPLOAD_KEY_FILE is not set; to make one: openssl rand/)
      assert.match(error.message, /CDN_PRIVATE_KEY_FILE is not set; to make one: openssl genpkey/)
      return true
    })
    const edge = startTarget({ role: 'edge', env: { OBJECTS_DRIVER: 's3' }, embedded: true })
    await assert.rejects(edge, /CDN_PUBLIC_KEY_FILES is not set; to make one of the API's key: openssl pkey/)
  })

  test('an address that others can reach is refused without identity', async () => {
    await assert.rejects(startTarget({ env: { HOST: '0.0.0.0' } }), /AUTH_JWT_SECRET/)
  })
})
