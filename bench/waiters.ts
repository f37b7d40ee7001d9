import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Many readers of one cold object through the `edge` process in front of an origin: how often the origin is asked, and
 * how much memory the edge takes. `node bench/waiters.ts [READERSxMIB…]`, `1000x32 20x1024` when not given.
 */
const mebibyte = 1024 * 1024
const cases = process.argv.slice(2)

async function main(): Promise<void> {
  for (const named of cases.length > 0 ? cases : ['1000x32', '20x1024']) {
    const [readers = 0, mebibytes = 0] = named.split('x').map(Number)
    await bench(readers, mebibytes)
  }
}

async function bench(readers: number, mebibytes: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-waiters-'))
  const { origin, asked } = await startOrigin(mebibytes)
  const edge = await startEdge(folder, origin)
  try {
    const before = await residentMebibytes(edge.child)
    let most = before
    const watching = setInterval(async () => {
      most = Math.max(most, await residentMebibytes(edge.child).catch(() => 0))
    }, 50)
    const begun = performance.now()
    const took = await Promise.all(Array.from({ length: readers }, () => read(edge.port)))
    clearInterval(watching)
    const seconds = (performance.now() - begun) / 1_000
    const whole = took.filter((bytes) => bytes === mebibytes * mebibyte).length
    const rate = ((readers * mebibytes) / seconds).toFixed(0)
    console.log(
      `${readers} readers of ${mebibytes} MiB: ${whole} whole, the origin asked ${asked()} ×, ${seconds.toFixed(1)} s (${rate} MiB/s), edge ${before.toFixed(0)} → at most ${most.toFixed(0)} MiB`,
    )
  } finally {
    edge.child.kill()
    await once(edge.child, 'exit')
    origin.closeAllConnections()
    origin.close()
    await rm(folder, { recursive: true, force: true })
  }
}

async function startOrigin(mebibytes: number): Promise<{ origin: Server; asked: () => number }> {
  let asked = 0
  const block = Buffer.alloc(mebibyte, 'media')
  const origin = createServer(async (_request, reply) => {
    asked++
    reply.writeHead(200, {
      'content-length': mebibytes * mebibyte,
      'cache-control': 'public, max-age=3600',
      etag: '"1"',
    })
    for (let sent = 0; sent < mebibytes; sent++) if (!reply.write(block)) await once(reply, 'drain')
    reply.end()
  })
  origin.listen(0, '127.0.0.1')
  await once(origin, 'listening')
  return { origin, asked: () => asked }
}

async function startEdge(folder: string, origin: Server): Promise<{ child: ChildProcess; port: number }> {
  const { PATH = '' } = process.env
  const settings = {
    PORT: '0',
    DATA_DIR: folder,
    EDGE_ORIGIN: `http://127.0.0.1:${(origin.address() as AddressInfo).port}`,
    EDGE_PUBLIC: 'true',
  }
  // As the script `edge` starts it.
  const flags = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=1']
  const child = spawn(process.execPath, [...flags, join(import.meta.dirname, '../src/main.ts'), 'edge'], {
    env: { PATH, MALLOC_ARENA_MAX: '2', ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const text of child.stdout) {
    const port = /listening on http:\/\/[^:]+:(\d+)/.exec(String(text))?.[1]
    if (port) return { child, port: Number(port) }
  }
  throw new Error('the edge does not listen')
}

/** Bytes of the body. */
async function read(port: number): Promise<number> {
  const socket = connect(port, '127.0.0.1')
  socket.write('GET /film.mp4 HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n')
  let bytes = 0
  let head = true
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (!head) continue
    bytes -= chunk.indexOf('\r\n\r\n') + 4
    head = false
  }
  return bytes
}

async function residentMebibytes({ pid }: ChildProcess): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024
}

await main()
