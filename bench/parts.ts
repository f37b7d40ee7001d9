import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { Agent, createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pipeline } from 'node:stream/promises'
import { systemClock } from '../src/media/clock.ts'
import { openFilesystemObjects } from '../src/objects/filesystem.ts'
import { chunksOf } from '../src/uploads/chunks.ts'

/**
 * 1 GiB in parts of 8 MiB over HTTP, 1, 4 and 8 at a time, into the filesystem engine, beside the same without
 * hashing, one stream from bare Node's HTTP into a file, and `cp` + `sync`: `node bench/parts.ts [RUNS]`.
 * All sync before they answer. Everything in turn, medians; memory is filled and freed before each, for the machine
 * takes freed pages back. Sender and receiver are two processes on the same cores.
 */
const mebi = 2 ** 20
const partSize = 8 * mebi
const parts = 128
const total = parts * partSize
const atATime = [1, 4, 8]

interface Usage {
  cpu: number
  rss: number
}

async function serve(folder: string, hashing: 'md5' | 'off'): Promise<void> {
  const store = await openFilesystemObjects({ root: folder, clock: systemClock, hashing })
  let upload = { ref: { bucket: 'bench', key: 'file' }, upload_id: '' }
  let peak = 0
  const watch = () => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }
  const answers: Record<string, (req: IncomingMessage) => Promise<unknown>> = {
    begin: async ({ headers }) => {
      const key = String(headers['x-key'])
      upload = await store.beginUpload({ bucket: 'bench', key }, { content_type: 'video/mp4', part_size: partSize })
    },
    part: async (req) => {
      watch()
      const part_number = Number(req.headers['x-part'])
      return await store.putPart(upload, {
        part_number,
        source: chunksOf(req),
        size: Number(req.headers['content-length']),
      })
    },
    complete: async () => {
      await store.completeUpload(upload)
      await store.remove(upload.ref)
    },
    stream: async (req) => {
      const path = join(folder, 'stream')
      await pipeline(req, createWriteStream(path))
      const handle = await open(path, 'r')
      await handle.datasync()
      await handle.close()
      rmSync(path)
    },
    usage: async () => {
      const { user, system } = process.cpuUsage()
      watch()
      const usage: Usage = { cpu: (user + system) / 1e6, rss: peak }
      return usage
    },
  }
  const server = createServer((req, res) => {
    const answer = answers[(req.url ?? '').slice(1)] ?? (async () => {})
    answer(req).then(
      (said) => res.end(JSON.stringify(said ?? null)),
      (error) => res.writeHead(500).end(String(error)),
    )
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  console.log((server.address() as AddressInfo).port)
}

interface Sent {
  port: number
  url: string
  headers?: Record<string, string | number>
  body?: Iterable<Buffer>
}

const agent = new Agent({ keepAlive: true, maxSockets: 16 })

function ask({ port, url, headers = {}, body }: Sent): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { port, host: '127.0.0.1', agent, path: `/${url}`, method: 'PUT', headers },
      async (reply) => {
        let text = ''
        for await (const chunk of reply) text += chunk
        if (reply.statusCode === 200) resolve(text)
        else reject(new Error(text))
      },
    ).on('error', reject)
    const send = async () => {
      for (const chunk of body ?? []) if (!asked.write(chunk)) await once(asked, 'drain')
      asked.end()
    }
    send().catch(reject)
  })
}

/** The sender: 0 at a time is one stream of all. Prints how long it took, in seconds. */
async function send(port: number, many: number): Promise<void> {
  const bytes = randomBytes(partSize)
  const from = performance.now()
  if (many === 0) {
    await ask({ port, url: 'stream', headers: { 'content-length': total }, body: Array(parts).fill(bytes) })
  } else {
    await ask({ port, url: 'begin', headers: { 'x-key': `file-${process.pid}` } })
    let next = 1
    const sender = async () => {
      for (let n = next++; n <= parts; n = next++) {
        await ask({ port, url: 'part', headers: { 'x-part': n, 'content-length': partSize }, body: [bytes] })
      }
    }
    await Promise.all(Array.from({ length: many }, sender))
    await ask({ port, url: 'complete' })
  }
  console.log((performance.now() - from) / 1_000)
  agent.destroy()
}

const self = import.meta.filename
/** As the service is started. */
const flags = ['--max-semi-space-size=2']
const node = (...args: string[]) => execFileSync(process.execPath, args, { encoding: 'utf8' })

function settle(): void {
  node('-e', 'const b = Buffer.alloc(700 * 1024 * 1024, 1); process.exit(b[5] - 1)')
  execFileSync('sync')
}

interface Result {
  seconds: number
  cpu: number
  rss: number
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

async function measure(runs: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-parts-'))
  const results = new Map<string, Result[]>()
  const note = (name: string, result: Result) => results.set(name, [...(results.get(name) ?? []), result])

  async function overHttp(name: string, hashing: string, many: number): Promise<void> {
    const child = spawn(process.execPath, [...flags, self, 'serve', join(folder, hashing), hashing], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [port] = await once(createInterface({ input: child.stdout }), 'line')
    const usage = async (): Promise<Usage> => JSON.parse(await ask({ port: Number(port), url: 'usage' }))
    settle()
    const before = await usage()
    const seconds = Number(node(self, 'send', port, String(many)))
    const after = await usage()
    note(name, { seconds, cpu: after.cpu - before.cpu, rss: after.rss })
    child.kill()
    await once(child, 'exit')
  }
  function copy(): void {
    settle()
    const from = performance.now()
    execFileSync('sh', ['-c', `cp ${join(folder, 'source')} ${join(folder, 'copy')} && sync ${join(folder, 'copy')}`])
    note('cp + sync', { seconds: (performance.now() - from) / 1_000, cpu: 0, rss: 0 })
    rmSync(join(folder, 'copy'))
  }

  try {
    execFileSync('dd', ['if=/dev/urandom', `of=${join(folder, 'source')}`, 'bs=8M', `count=${parts}`], {
      stdio: 'ignore',
    })
    for (let run = 0; run < runs; run++) {
      copy()
      await overHttp('bare Node, one stream', 'off', 0)
      for (const many of atATime) {
        await overHttp(`parts, no hash, ${many} at a time`, 'off', many)
        await overHttp(`parts, MD5, ${many} at a time`, 'md5', many)
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  for (const [name, all] of results) {
    const seconds = median(all.map((one) => one.seconds))
    const [cpu, rss] = [median(all.map((one) => one.cpu)), Math.max(...all.map((one) => one.rss))]
    const speed = `${(total / 1e6 / seconds).toFixed(0)} MB/s`
    console.log(
      `${name.padEnd(26)} ${seconds.toFixed(2)} s ${speed.padStart(10)} | CPU ${cpu.toFixed(2)} s/GiB, ${(total / 1e6 / cpu || 0).toFixed(0)} MB/s a core | RSS ${(rss / mebi).toFixed(0)} MiB`,
    )
  }
  for (const many of atATime) {
    const of = (kind: string) => results.get(`parts, ${kind}, ${many} at a time`) ?? []
    const ratios = of('MD5').map(({ seconds }, run) => (of('no hash')[run]?.seconds ?? 0) / seconds)
    console.log(`${many} at a time: ${median(ratios).toFixed(2)} of the speed without hashing`)
  }
}

const [mode = '3', first = '', second = ''] = process.argv.slice(2)
if (mode === 'serve') await serve(first, second === 'off' ? 'off' : 'md5')
else if (mode === 'send') await send(Number(first), Number(second))
else await measure(Number(mode))
