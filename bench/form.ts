import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/**
 * A 95 MB form through the form door, beside `cp` + `sync` of the same file in the same run: `node bench/form.ts [RUNS]`.
 * Medians of paired runs; memory is filled and freed before each, for the machine takes freed pages back.
 */
const runs = Number(process.argv[2] ?? 9)
const megabyte = 1_000_000
const bytes = 95 * megabyte
const folder = mkdtempSync(join(tmpdir(), 'bench-form-'))
const door = join(import.meta.dirname, '../acceptance/durability/door.ts')
const boundary = 'bench'
const file = Buffer.concat([Buffer.from('GIF89a'), randomBytes(bytes - 6)])
const source = join(folder, 'source.gif')

interface Door {
  child: ChildProcess
  port: number
}

async function startDoor(hashing: string): Promise<Door> {
  const child = spawn(process.execPath, [door, join(folder, hashing), hashing], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  return { child, port: JSON.parse(line).port }
}

function ask(
  port: number,
  options: { method: string; headers?: Record<string, string | number> },
  body: Buffer[] = [],
) {
  return new Promise<{ status: number; body: Record<string, unknown> }>((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, agent: false, ...options }, async (reply) => {
      const parts: Buffer[] = []
      for await (const part of reply) parts.push(part)
      resolve({ status: reply.statusCode ?? 0, body: JSON.parse(Buffer.concat(parts).toString()) })
    }).on('error', reject)
    for (const part of body) asked.write(part)
    asked.end()
  })
}

async function upload(port: number): Promise<void> {
  const start = Buffer.from(
    `--${boundary}\r\nContent-Disposition: form-data; name="title"\r\n\r\nbench\r\n--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.gif"\r\n\r\n`,
  )
  const end = Buffer.from(`\r\n--${boundary}--\r\n`)
  const headers = {
    'content-type': `multipart/form-data; boundary=${boundary}`,
    'content-length': start.length + file.length + end.length,
  }
  const { status, body } = await ask(port, { method: 'POST', headers }, [start, file, end])
  if (status !== 201) throw new Error(JSON.stringify(body))
}

async function memoryOf(port: number): Promise<{ rss: number; cpu: { user: number; system: number } }> {
  return (await ask(port, { method: 'GET' })).body as never
}

function fillAndFree(): void {
  execFileSync(process.execPath, ['-e', 'const b = Buffer.alloc(700 * 1024 * 1024, 1); process.exit(b[5] - 1)'])
}

async function timed(work: () => unknown): Promise<number> {
  fillAndFree()
  execFileSync('sync')
  const start = process.hrtime.bigint()
  await work()
  return Number(process.hrtime.bigint() - start) / 1e6
}

const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

async function watched(port: number, work: Promise<void>): Promise<number> {
  let peak = 0
  let over = false
  const done = work.finally(() => {
    over = true
  })
  while (!over) peak = Math.max(peak, (await memoryOf(port)).rss)
  await done
  return peak
}

async function measure(hashing: string): Promise<void> {
  const { child, port } = await startDoor(hashing)
  const idle = (await memoryOf(port)).rss
  const peak = await watched(port, upload(port))
  const ratios: number[] = []
  const times: { door: number[]; cp: number[] } = { door: [], cp: [] }
  const before = (await memoryOf(port)).cpu
  for (let run = 0; run < runs; run++) {
    const copy = join(folder, `copy-${run}`)
    const plain = await timed(() => execFileSync('sh', ['-c', `cp ${source} ${copy} && sync ${copy}`]))
    const through = await timed(() => upload(port))
    rmSync(copy)
    ratios.push(plain / through)
    times.cp.push(plain)
    times.door.push(through)
  }
  const after = await memoryOf(port)
  const cpu = (after.cpu.user + after.cpu.system - before.user - before.system) / 1000 / runs
  child.kill()
  await once(child, 'exit')
  const show = (value: number, unit: string) => `${value.toFixed(unit ? 0 : 2)}${unit}`
  console.log(
    [
      hashing.padEnd(4),
      `ratio ${show(median(ratios), '')} (${show(Math.min(...ratios), '')}–${show(Math.max(...ratios), '')})`,
      `door ${show(median(times.door), ' ms')}`,
      `cp + sync ${show(median(times.cp), ' ms')}`,
      `door's CPU ${show(cpu, ' ms')}`,
      `RSS idle ${show(idle / 2 ** 20, ' MiB')}, peak +${show((peak - idle) / 2 ** 20, ' MiB')}, after all runs +${show((after.rss - idle) / 2 ** 20, ' MiB')}`,
    ].join(' | '),
  )
}

writeFileSync(source, file)
try {
  for (const hashing of ['md5', 'off']) await measure(hashing)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
