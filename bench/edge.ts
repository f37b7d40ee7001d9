import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Figures, load, median } from './load.ts'

/**
 * The edge beside nginx (when `--nginx path` is given) and a bare Node server, in one run: 20 KiB files through signed
 * addresses, first seen and seen before, and one of 256 MiB. The server has one core, this process the other.
 * CPU time a request holds better than the rate: print both. Each
 * server is warm: it has answered 30 000 others before.
 * `node bench/edge.ts [--rounds 3] [--keys ec|rsa] [--nginx /usr/sbin/nginx]`
 */

const serverCore = '0'
const loadCore = '1'

interface Peer {
  name: string
  child: ChildProcess
  small: string[]
  /** Others, asked for before anything is measured. */
  warm: string[]
  large: string
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '3' },
      keys: { type: 'string', default: 'ec' },
      nginx: { type: 'string' },
    },
  })
  spawn('taskset', ['-acp', loadCore, String(process.pid)])
  const folder = await mkdtemp(join(tmpdir(), 'bench-edge-'))
  const results = new Map<string, Figures[]>()
  try {
    for (let round = 0; round < Number(values.rounds); round++) {
      const edge = await startNode('edge', join(folder, `edge-${round}`), values.keys)
      const bare = await startNode('bare', join(folder, `bare-${round}`), values.keys)
      const peers = values.nginx
        ? [edge, bare, await startNginx(values.nginx, join(folder, `edge-${round}`), edge)]
        : [edge, bare]
      for (const peer of peers) {
        for (let turn = 0; turn < 3; turn++) await load(peer.child.pid, peer.warm)
        await load(peer.child.pid, [peer.large], { connections: 1 })
        if (peer === edge) note('edge, small, first seen', await load(peer.child.pid, peer.small))
        else await load(peer.child.pid, peer.small)
        note(`${peer.name}, small, seen before`, await load(peer.child.pid, peer.small))
        note(
          `${peer.name}, 256 MiB`,
          await load(peer.child.pid, [peer.large, peer.large, peer.large], { connections: 1 }),
        )
      }
      for (const { child } of peers) {
        child.kill()
        await once(child, 'exit')
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  function note(name: string, figures: Figures): void {
    results.set(name, [...(results.get(name) ?? []), figures])
  }
  for (const [name, all] of results) {
    const rate = median(all.map((one) => one.perSecond))
    const cpu = median(all.map((one) => one.cpuMicros))
    console.log(`${name.padEnd(28)} ${rate.toFixed(1).padStart(9)} /s  ${cpu.toFixed(1).padStart(10)} µs CPU each`)
  }
}

async function startNode(kind: string, folder: string, keys: string): Promise<Peer> {
  const script = join(import.meta.dirname, 'edge-server.ts')
  const child = spawn('taskset', ['-c', serverCore, process.execPath, script, folder, kind, keys], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => Promise.reject(new Error('no start'))),
  ])
  const { small, warm, large } = JSON.parse(await readFile(join(folder, 'urls.json'), 'utf8'))
  return { name: kind, child, small, warm, large }
}

/** One worker, static, unsigned, over the files that the edge has stored. */
async function startNginx(program: string, folder: string, edge: Peer): Promise<Peer> {
  const port = 20_000 + (process.pid % 20_000)
  const config = `worker_processes 1; daemon off; master_process off; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log;
    events { worker_connections 512; }
    http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; open_file_cache max=4000;
      client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f;
      uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
      server { listen 127.0.0.1:${port}; location /cdn/ { alias ${folder}/objects/processed-bucket/; } } }`
  await writeFile(join(folder, 'nginx.conf'), config)
  const child = spawn('taskset', ['-c', serverCore, program, '-c', join(folder, 'nginx.conf'), '-p', folder], {
    stdio: 'inherit',
  })
  const there = (url: string) => url.replace(/:\d+\//, `:${port}/`)
  const peer = {
    name: 'nginx',
    child,
    small: edge.small.map(there),
    warm: edge.warm.map(there),
    large: there(edge.large),
  }
  for (;;) {
    const answers = await fetch(peer.small[0] ?? '').then(
      (reply) => reply.ok,
      () => false,
    )
    if (answers) return peer
  }
}

await main()
