import { request as ask, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** A proxy before an S3 server, which notes what is asked and may spoil an answer. */
export interface Proxy {
  address: string
  seen: Seen[]
  /** What the next requests that fit are answered with, instead of or after the server's work. */
  spoil(fits: (seen: Seen) => boolean, how: Spoiling, times?: number): void
  close(): Promise<void>
}

export interface Seen {
  method: string
  path: string
  query: URLSearchParams
  length: number
  started: number
  ended: number | null
}

export interface Spoiling {
  /** Whether the server does what was asked first. */
  done: boolean
  /** What the client is answered; cut off when none, after so many bytes of the server's. */
  reply?: { status: number; body: string }
  after?: number
}

export async function openProxy(target: string): Promise<Proxy> {
  const seen: Seen[] = []
  const spoilings: { fits: (seen: Seen) => boolean; how: Spoiling; left: number }[] = []
  const sockets = new Set<Socket>()
  const { hostname, port } = new URL(target)

  function serve(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? '/', target)
    const length = Number(request.headers['content-length'] ?? 0)
    const entry: Seen = {
      ...{ method: request.method ?? '', path: pathname, query: searchParams, length },
      ...{ started: performance.now(), ended: null },
    }
    seen.push(entry)
    response.on('close', () => {
      entry.ended = performance.now()
    })
    const spoiling = spoilings.find(({ fits, left }) => left > 0 && fits(entry))
    if (spoiling) spoiling.left--
    const how = spoiling?.how
    if (how && !how.done) return spoilNow(request, response, how)
    const { method, url: path, headers } = request
    const onward = ask({ hostname, port, method, path, headers }, (answer) => {
      if (!how) {
        response.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
        answer.pipe(response)
        return
      }
      if (how.after === undefined) {
        answer.resume().on('end', () => spoilNow(request, response, how))
        return
      }
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      response.flushHeaders()
      let sent = 0
      answer.on('data', (bytes: Buffer) => {
        const fitting = bytes.subarray(0, Math.max(0, (how.after ?? 0) - sent))
        sent += bytes.length
        if (fitting.length > 0) response.write(fitting)
        if (sent >= (how.after ?? 0)) setTimeout(() => response.destroy(), 20)
      })
    })
    onward.on('continue', () => response.writeContinue())
    onward.on('error', () => response.destroy())
    request.on('error', () => onward.destroy())
    response.on('close', () => onward.destroy())
    request.pipe(onward)
  }

  const server = createServer(serve)
  // It is the server behind that says whether to go on.
  server.on('checkContinue', serve)
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address() as { port: number }
  return {
    address: `http://127.0.0.1:${address.port}`,
    seen,
    spoil: (fits, how, times = 1) => void spoilings.push({ fits, how, left: times }),
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function spoilNow(request: IncomingMessage, response: ServerResponse, { reply }: Spoiling): void {
  if (!reply) {
    response.destroy()
    return
  }
  request.resume()
  response.writeHead(reply.status, { 'content-type': 'application/xml' })
  response.end(reply.body)
}
