import { once } from 'node:events'
import { request as ask, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Not a test: a network between client and service that breaks as a test asks, and counts what went through. */

export interface Passed {
  method: string
  /** Without the query. */
  path: string
  /** Of the body that reached the proxy. */
  bytes: number
  /** What the client was answered; null when nothing. */
  status: number | null
}

/** What happens to a request. */
export interface Fault {
  /** Milliseconds before anything is done. */
  delay?: number
  /** Answered at once, and the service never hears of it. */
  status?: number
  headers?: Record<string, string>
  body?: string
  /** The connection breaks after so many bytes of the body. */
  cutAfter?: number
  /** The service does its work, and the answer is lost. */
  loseAnswer?: boolean
  /** The connection breaks after so many bytes of the answer. */
  cutAnswerAfter?: number
}

export type Rule = (request: { method: string; path: string; n: number }) => Fault | undefined

export async function openProxy() {
  const passed: Passed[] = []
  let rule: Rule = () => undefined
  let upstream = new URL('http://127.0.0.1:9')
  let count = 0

  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = req
    const path = url.split('?')[0] ?? url
    const entry: Passed = { method, path, bytes: 0, status: null }
    passed.push(entry)
    const fault = rule({ method, path, n: ++count }) ?? {}
    if (fault.delay) await sleep(fault.delay)
    if (fault.status !== undefined) {
      req.resume()
      entry.status = fault.status
      res
        .writeHead(fault.status, { 'content-type': 'text/plain', ...fault.headers })
        .end(fault.body ?? 'a proxy says no')
      return
    }
    forward({ req, res, entry, fault, upstream })
  }
  const server = createServer((req, res) => void handle(req, res)).listen(0, '127.0.0.1')
  server.keepAliveTimeout = 60_000
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    passed,
    lead: (to: string) => {
      upstream = new URL(to)
    },
    /** From now on; requests are counted from 1 again. */
    breakBy: (next: Rule) => {
      rule = next
      count = 0
    },
    /** Bytes of parts that came, whether stored or not. */
    partBytes: () => passed.filter(({ method }) => method === 'PUT').reduce((sum, { bytes }) => sum + bytes, 0),
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

interface Forward {
  req: IncomingMessage
  res: ServerResponse
  entry: Passed
  fault: Fault
  upstream: URL
}

function forward({ req, res, entry, fault, upstream }: Forward): void {
  const { hostname, port } = upstream
  const up = ask({ hostname, port, method: req.method, path: req.url, headers: req.headers, agent: false })
  const breakOff = () => {
    up.destroy()
    req.socket.destroy()
  }
  up.on('error', breakOff)
  res.on('close', () => up.destroy())
  req.on('error', () => up.destroy())
  req.on('data', (chunk: Buffer) => {
    entry.bytes += chunk.length
    if (fault.cutAfter !== undefined && entry.bytes > fault.cutAfter) return breakOff()
    if (!up.write(chunk)) {
      req.pause()
      up.once('drain', () => req.resume())
    }
  })
  req.on('end', () => up.end())
  up.on('response', (answer) => {
    answer.on('error', breakOff)
    if (fault.loseAnswer) return void answer.resume().on('end', breakOff)
    entry.status = answer.statusCode ?? null
    res.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
    let bytes = 0
    answer.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      res.write(chunk)
      if (fault.cutAnswerAfter !== undefined && bytes > fault.cutAnswerAfter) setTimeout(breakOff, 20)
    })
    answer.on('end', () => res.end())
  })
}
