import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { gunzipSync } from 'node:zlib'

/** Not a test: HTTP byte by byte, for the tests of interrupted uploads beside this file. */

export interface Reply {
  status: number
  headers: Record<string, string>
  body: string
}

/** The smallest picture there is, and bytes behind it that tell where they belong. */
export function picture(size: number): Buffer {
  const gif = Buffer.from(
    '47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b',
    'hex',
  )
  const bytes = Buffer.alloc(size)
  for (let at = 0; at + 4 <= size; at += 4) bytes.writeUInt32LE(Math.imul(at, 2_654_435_761) >>> 0, at)
  gif.copy(bytes)
  return bytes
}

/** One request on a connection of its own, sent as slowly and as incompletely as a test wants. */
export interface Sending {
  socket: Socket
  /** Writes bytes of the body as they are. */
  write(bytes: Uint8Array): Promise<void>
  /** The next answer, interim ones too; null when the connection ended without one. */
  next(): Promise<Reply | null>
  /** The final answer, and the interim ones before it. */
  answer(): Promise<Reply & { interim: Reply[] }>
  cut(): void
}

export async function open(
  url: string,
  { method, path, headers = {} }: { method: string; path: string; headers?: Record<string, string> },
): Promise<Sending> {
  const { hostname, port, host } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  await once(socket, 'connect')
  const lines = Object.entries({ host, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1')
  let came = Buffer.alloc(0)
  let over = false
  let wake = () => {}
  socket.on('data', (bytes) => {
    came = Buffer.concat([came, bytes])
    wake()
  })
  socket.on('close', () => {
    over = true
    wake()
  })

  async function next(): Promise<Reply | null> {
    for (;;) {
      const found = parse(came, method, over)
      if (found) {
        came = came.subarray(found.length)
        return found.reply
      }
      if (over) return null
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }

  return {
    socket,
    write: async (bytes) => {
      await new Promise<void>((resolve) => socket.write(bytes, () => resolve()))
    },
    next,
    answer: async () => {
      const interim: Reply[] = []
      for (;;) {
        const reply = await next()
        if (!reply) throw new Error('the connection ended without an answer')
        if (reply.status >= 200) {
          socket.destroy()
          return { ...reply, interim }
        }
        interim.push(reply)
      }
    },
    cut: () => socket.destroy(),
  }
}

function parse(came: Buffer, method: string, over: boolean): { reply: Reply; length: number } | null {
  const end = came.indexOf('\r\n\r\n')
  if (end < 0) return null
  const [line = '', ...lines] = came.toString('latin1', 0, end).split('\r\n')
  const status = Number(line.split(' ')[1])
  const headers = Object.fromEntries(
    lines.map((one) => [one.slice(0, one.indexOf(':')).toLowerCase(), one.slice(one.indexOf(':') + 1).trim()]),
  )
  const start = end + 4
  const bodiless = status < 200 || status === 204 || method === 'HEAD'
  const size = bodiless ? 0 : Number(headers['content-length'] ?? (over ? came.length - start : Number.NaN))
  if (Number.isNaN(size) || came.length < start + size) return null
  const bytes = came.subarray(start, start + size)
  const body = (headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes).toString()
  return { reply: { status, headers, body }, length: start + size }
}

export interface Call {
  method: string
  path: string
  headers?: Record<string, string>
  body?: Uint8Array
}

/** A whole request. */
export async function send(url: string, { body, ...request }: Call): Promise<Reply & { interim: Reply[] }> {
  const length = body ? { 'content-length': String(body.length) } : {}
  const sending = await open(url, { ...request, headers: { ...length, ...request.headers } })
  if (body) void sending.write(body)
  return await sending.answer()
}
