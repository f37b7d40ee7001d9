import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { request } from 'undici'
import { type Clock, systemClock } from '../../media/clock.ts'
import { silentLog } from '../../media/log.ts'
import { openSharedCache } from './cache.ts'
import { openHttpOrigin } from './origin.ts'
import { openStorage } from './storage.ts'

/** What the tests of the cache share: it stands between a reader and an origin that does as it is told. Holds no test itself. */

export interface CacheBed {
  url: string
  folder: string
  /** What the origin has been asked, in order. */
  asked: IncomingMessage[]
  /** Lets time pass. */
  pass(seconds: number): void
  /** Ends the cache and starts another on the same folder. */
  restart(): Promise<void>
  get(path: string, headers?: Record<string, string>, method?: string): Promise<Got>
  close(): Promise<void>
}

export interface Got {
  status: number
  text: string
  headers: Headers
}

export type Answer = (request: IncomingMessage, reply: ServerResponse) => unknown

export async function openCacheBed(answer: Answer, given: { limit?: number } = {}): Promise<CacheBed> {
  const folder = await mkdtemp(join(tmpdir(), 'cache-'))
  const asked: IncomingMessage[] = []
  let ahead = 0
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + ahead }
  const origin = await listen((question, reply) => {
    asked.push(question)
    void answer(question, reply)
  })
  const open = async () => {
    const storage = await openStorage({
      folder,
      limit: given.limit ?? 64 * 1024 * 1024,
      memoryBytes: 1024 * 1024,
      newId: () => randomUUID().replaceAll('-', ''),
      log: silentLog,
    })
    return openSharedCache({ storage, origin: openHttpOrigin(origin.url), clock, log: silentLog })
  }
  let cache = await open()
  const server = await listen((question, reply) => void cache.handle(question, reply))

  return {
    url: server.url,
    folder,
    asked,
    pass: (seconds) => {
      ahead += seconds * 1_000
    },
    restart: async () => {
      await cache.close()
      cache = await open()
    },
    get: async (path, headers = {}, method = 'GET') => {
      // Not `fetch`, which asks for `no-cache` of itself when there is a condition.
      const { statusCode, body, headers: told } = await request(server.url + path, { method: method as 'GET', headers })
      return { status: statusCode, text: await body.text(), headers: new Headers(told as Record<string, string>) }
    },
    close: async () => {
      await Promise.all([server.end(), origin.end()])
      await cache.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function listen(handle: Answer): Promise<{ url: string; end(): Promise<void> }> {
  const server: Server = createServer(handle)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    end: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
