import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { createServer as createHttp2Server, type Http2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, systemClock } from '../media/clock.ts'
import { codeOf, type ErrorCode } from '../media/errors.ts'
import { silentLog } from '../media/log.ts'
import { openFilesystemObjects } from '../objects/filesystem.ts'
import { type Edge, type EdgeOptions, openEdge } from './edge.ts'
import { openSigner, openVerifier, type SignOptions } from './signer.ts'

/** What the tests of this room share: an edge on real files behind a real server. Holds no test itself. */

const statuses: Partial<Record<ErrorCode, number>> = {
  bad_signature: 403,
  not_found: 404,
  method_not_allowed: 405,
  malformed_request: 400,
  precondition_failed: 412,
  range_not_satisfiable: 416,
  unavailable: 503,
}

export const bucket = 'processed-bucket'
export const media_id = '550e8400-e29b-41d4-a716-446655440000'
export const soon = () => Math.floor(systemClock.now() / 1000) + 600

export interface Testbed {
  edge: Edge
  /** `http://127.0.0.1:{port}` */
  origin: string
  objects: Awaited<ReturnType<typeof openFilesystemObjects>>
  folder: string
  /** Stores bytes and gives the signed address. */
  store(file: string, bytes: Uint8Array, content_type?: string): Promise<string>
  /** The signed address of `{media_id}/v1/{file}` and a query. */
  sign(path: string, options?: Partial<SignOptions>): string
  close(): Promise<void>
}

interface TestbedOptions {
  clock?: Clock
  edge?: Partial<EdgeOptions>
  http2?: boolean
  /** Instead of what the server itself is called. */
  publicBaseUrl?: string
}

export async function openTestbed(options: TestbedOptions = {}): Promise<Testbed> {
  const { clock = systemClock, edge: given, http2, publicBaseUrl } = options
  const folder = await mkdtemp(join(tmpdir(), 'edge-'))
  const objects = await openFilesystemObjects({ root: folder, clock })
  const server: Server | Http2Server = http2 ? createHttp2Server() : createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const base = publicBaseUrl ?? `${origin}/cdn`
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const signer = openSigner({ keyPairId: 'KTEST', privateKey })
  const edge = openEdge({
    objects,
    bucket,
    verifier: openVerifier(new Map([['KTEST', publicKey]])),
    clock,
    log: silentLog,
    basePath: '/cdn',
    publicBaseUrl: base,
    problemOf: (error) => {
      const code = codeOf(error)
      return { code, status: statuses[code] ?? 500 }
    },
    ...given,
  })
  server.on('request', (request: Parameters<Edge['handle']>[0], reply: Parameters<Edge['handle']>[1]) => {
    void edge.handle(request, reply)
  })
  const sign = (path: string, options: Partial<SignOptions> = {}) =>
    signer.signUrl(`${base}/${media_id}/v1/${path}`, { expires: soon(), ...options })

  return {
    edge,
    origin,
    objects,
    folder,
    sign,
    store: async (file, bytes, content_type = 'video/mp4') => {
      const staged = await objects.stage(pieces(bytes))
      await staged.commit({ bucket, key: `${media_id}/v1/${file}` }, { content_type })
      return sign(file)
    },
    close: async () => {
      edge.close()
      const closed = once(server, 'close')
      server.close()
      if ('closeAllConnections' in server) server.closeAllConnections()
      await closed
      await objects.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function* pieces(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes
}

export const small = randomBytes(20_000)
export const large = randomBytes(5 * 1024 * 1024 + 123)

/** Waits until `holds`, for as long as the test runner lets it. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await systemClock.sleep(5)
}
