import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'

export interface Figures {
  perSecond: number
  /** Of the server, a request. */
  cpuMicros: number
}

/** Asks for each URL once over a few kept connections; checks statuses and counts bytes. */
export async function load(
  pid: number | undefined,
  urls: readonly string[],
  { connections = 32, status = 200 } = {},
): Promise<Figures> {
  const queue = urls.map((url) => new URL(url))
  const cpu = await cpuMicros(pid ?? 0)
  const begun = process.hrtime.bigint()
  await Promise.all(Array.from({ length: connections }, () => client(queue, status)))
  const seconds = Number(process.hrtime.bigint() - begun) / 1e9
  return {
    perSecond: urls.length / seconds,
    cpuMicros: ((await cpuMicros(pid ?? 0)) - cpu) / urls.length,
  }
}

function client(queue: URL[], status: number): Promise<void> {
  const first = queue[0]
  if (!first) return Promise.resolve()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const socket = connect(Number(first.port), first.hostname)
  let left = 0
  const next = () => {
    const url = queue.pop()
    if (!url) {
      socket.end()
      resolve()
      return
    }
    socket.write(`GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`)
  }
  socket.on('connect', next)
  socket.on('error', reject)
  socket.on('data', (chunk: Buffer) => {
    if (left === 0) {
      const end = chunk.indexOf('\r\n\r\n')
      const head = chunk.toString('latin1', 0, end)
      if (end < 0 || !head.startsWith(`HTTP/1.1 ${status}`)) return reject(new Error(head.slice(0, 40)))
      left = Number(/content-length: (\d+)/i.exec(head)?.[1]) - (chunk.length - end - 4)
    } else {
      left -= chunk.length
    }
    if (left === 0) next()
  })
  return promise
}

/** User and system time of a process so far, in ticks of 10 ms. */
async function cpuMicros(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

export function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
