import { mkdirSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { openStore } from '../../src/embedded/store.ts'
import { type Chance, systemChance, systemClock } from '../../src/media/clock.ts'
import { codeOf, MediaError } from '../../src/media/errors.ts'
import { silentLog } from '../../src/media/log.ts'
import { openEmbeddedMetadata } from '../../src/metadata/embedded.ts'
import { openFilesystemObjects } from '../../src/objects/filesystem.ts'
import { openEmbeddedQueue } from '../../src/queue/embedded.ts'
import { wholeOf } from '../../src/uploads/chunks.ts'
import { openFormDoor } from '../../src/uploads/form.ts'
import { openIntake } from '../../src/uploads/intake.ts'
import { openPending } from '../../src/uploads/pending.ts'
import { openRawDoor } from '../../src/uploads/raw.ts'

/**
 * A program for the proofs and the bench: one door over the embedded engines behind a bare HTTP server, and nothing else
 * that could sync. `node door.ts FOLDER [md5|off] [form|raw|direct|tus|ietf]` prints its port and pid, and its memory at
 * `GET /`. Uploads and media are numbered, so that their files are known beforehand.
 */
const [folder = '', hashing = 'md5', kind = 'form'] = process.argv.slice(2)
const formLimit = 200 * 1024 * 1024
const maxBytes = formLimit
const user_id = 'ada'

const numbers = { uuid: 0, secret: 0 }
const chance: Chance = {
  ...systemChance,
  uuid: () => `00000000-0000-4000-8000-${String(++numbers.uuid).padStart(12, '0')}`,
  secret: (bytes) => Buffer.from(String(++numbers.secret).padStart(bytes * 2, '0'), 'hex'),
}

mkdirSync(folder, { recursive: true })
const store = await openStore({ path: join(folder, 'metadata.db') })
const metadata = openEmbeddedMetadata(store)
const queue = openEmbeddedQueue(store, { clock: systemClock })
const objects = await openFilesystemObjects({
  root: join(folder, 'objects'),
  clock: systemClock,
  secret: chance.secret,
  hashing: hashing === 'off' ? 'off' : 'md5',
})
const shared = { metadata, queue, objects, clock: systemClock, chance, log: silentLog, tempBucket: 'temp' }
const intake = openIntake({ ...shared, formLimit })
const pending = openPending({ ...shared, maxBytes, expirySeconds: 3_600 })

type Handle = (req: IncomingMessage, res: ServerResponse) => Promise<void>

const json = (res: ServerResponse, status: number, body: unknown) =>
  void res.writeHead(status).end(JSON.stringify(body))

function goneSignal(res: ServerResponse): AbortSignal {
  const gone = new AbortController()
  res.once('close', () => gone.abort(new MediaError('upload_interrupted', 'the client went away')))
  return gone.signal
}

async function bodyOf(req: IncomingMessage): Promise<any> {
  let text = ''
  for await (const part of req) text += part
  return JSON.parse(text || 'null')
}

function form(): Handle {
  const door = openFormDoor({ intake, formLimit, log: silentLog })
  return async (req, res) => {
    const signal = goneSignal(res)
    json(res, 201, await door.receive({ headers: req.headers, body: req, user_id, signal }))
  }
}

function raw(): Handle {
  const door = openRawDoor({ intake, maxBytes })
  return async (req, res) => {
    const title = new URL(req.url ?? '', 'http://door').searchParams.get('title') ?? ''
    json(res, 201, await door.receive({ title, filename: 'a.gif', body: req, user_id, signal: goneSignal(res) }))
  }
}

/** As the routes do, but for the addresses' signatures: `POST /`, `PUT /{id}/{part}`, `POST /{id}`, `DELETE /{id}`. */
function direct(): Handle {
  return async (req, res) => {
    const [, media_id = '', part = ''] = (req.url ?? '').split('/')
    if (req.method === 'DELETE') {
      await pending.abort(user_id, media_id)
      return void res.writeHead(204).end()
    }
    if (req.method === 'PUT') {
      const { upload } = await pending.find(user_id, media_id)
      const size = Number(req.headers['content-length'])
      const sent = { part_number: Number(part), size, source: wholeOf(req), signal: goneSignal(res) }
      return json(res, 200, await objects.putPart(upload, sent))
    }
    if (media_id) return json(res, 200, await pending.finish(user_id, media_id, await bodyOf(req)))
    const said = { content_type: 'image/gif', filename: 'a.gif', file_size: null, door: 'direct' as const }
    json(res, 201, await pending.begin({ ...said, ...(await bodyOf(req)), user_id }))
  }
}

/** The routes themselves, without the entrance before them. */
async function resumable(): Promise<Handle> {
  const { fastify } = await import('fastify')
  const { openIdempotency } = await import('../../src/uploads/idempotency.ts')
  const { openResumable } = await import('../../src/uploads/resumable.ts')
  const { openLibrary } = await import('../../src/library/library.ts')
  const { tusRoutes } = await import('../../src/http/routes/tus.ts')
  const app = fastify()
  app.decorateRequest('caller')
  app.addHook('onRequest', async (request) => {
    request.caller = { user_id } as never
  })
  app.setErrorHandler((error, _request, reply) => reply.code(statusOf(error)).send({ code: codeOf(error) }))
  const deps = { ...shared, publicUrl: () => '', settings: {} as never, library: openLibrary(shared) }
  const rooms = {
    idempotency: openIdempotency(shared),
    resumable: openResumable({ ...shared, pending, maxBytes }),
  }
  await app.register(async (api) => tusRoutes(api as never, { ...deps, ...rooms }))
  await app.ready()
  return async (req, res) => app.routing(req, res)
}

function statusOf(error: unknown): number {
  const code = codeOf(error)
  if (['storage_full', 'unavailable'].includes(code)) return 503
  return ['wrong_offset', 'conflict'].includes(code) ? 409 : 400
}

const doors = { form, raw, direct, tus: resumable, ietf: resumable }
const handle = await doors[kind as keyof typeof doors]()

const server = createServer((req, res) => {
  if (req.method === 'GET')
    return void res.end(JSON.stringify({ rss: process.memoryUsage().rss, cpu: process.cpuUsage() }))
  handle(req, res).catch((error) => {
    res.writeHead(statusOf(error), { connection: 'close' })
    res.end(JSON.stringify({ code: codeOf(error), message: String(error) }))
    req.resume()
  })
})
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port, pid: process.pid })}\n`)
})
