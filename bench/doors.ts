import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { makeFilm } from '../acceptance/resume/bodies.ts'
import { startTarget } from '../acceptance/target.ts'
import { cutIntoParts, sendByCurl, sendPartsByCurl } from './curl.ts'

/**
 * A large film through every door, beside `cp` + `sync`, a bare server that pipes into a file, and @tus/server over its
 * own file store, in turn in one run: `node bench/doors.ts [RUNS] [MIB] [FILE_STORE] [ROWS]`. FILE_STORE is the folder of
 * `@tus/file-store`, which is no dependency of ours: `npm install --prefix /tmp/peer @tus/file-store@2.1.0` puts it to
 * `/tmp/peer/node_modules/@tus/file-store`; without it that row is left out. ROWS are names, with commas between.
 *
 * Each run has a new process. The sender is curl, for one in Node takes half of what the machine has, which on a network
 * it would not. Medians; two times each: until the answer, and until what was written is synced. Memory is filled and
 * freed before each, for the machine takes freed pages back.
 */
const [runs = '3', mebibytes = '1024', fileStore = '', only = ''] = process.argv.slice(2)
const bytes = Number(mebibytes) * 1024 ** 2
const folder = mkdtempSync(join(tmpdir(), 'bench-doors-'))
const film = join(folder, 'film.mp4')
const partsFolder = join(folder, 'parts')

interface Figures {
  /** Milliseconds. */
  answer: number
  synced: number
  /** Seconds of the server's processor time. */
  cpu: number
  /** Bytes. */
  peak: number
}

interface Server {
  url: string
  pid: number
  end(): Promise<unknown>
}

const rows: [name: string, run: (place: string) => Promise<Figures>][] = [
  ['cp + sync', copy],
  ['bare http → file', (place) => through(startPeer('put', place), 'put', place)],
  ...(fileStore
    ? [['@tus/server’s own store', (place: string) => through(startPeer('tus-at', place), 'tus-at', place)] as never]
    : []),
  ['form', (place) => through(startService(place), 'form', place)],
  ['raw', (place) => through(startService(place), 'raw', place)],
  ['tus', (place) => through(startService(place), 'tus', place)],
  ['IETF', (place) => through(startService(place), 'ietf', place)],
  ...[1, 4, 8].map((parallel): (typeof rows)[number] => [
    `direct × ${parallel}`,
    (place) => through(startService(place), 'direct', place, parallel),
  ]),
  ['tus unhashed', (place) => through(startService(place, unhashed), 'tus', place)],
  ['direct × 8 unhashed', (place) => through(startService(place, unhashed), 'direct', place, 8)],
]

/** What the ETags' MD5 costs is the difference to these. */
const unhashed = { OBJECTS_FILESYSTEM_ETAG: 'opaque' }

async function startService(dataDir: string, settings: Record<string, string> = {}): Promise<Server> {
  const env = { UPLOAD_FORM_LIMIT: String(8 * 1024 ** 3), ...settings }
  const { url, pid, kill } = await startTarget({ role: 'serve', dataDir, env })
  return { url, pid, end: kill }
}

async function startPeer(kind: string, place: string): Promise<Server> {
  const child = spawnNode('doors-peer.ts', [kind, place, fileStore])
  const url = await firstLine(child)
  const ended = once(child, 'exit')
  return { url, pid: child.pid ?? 0, end: () => (child.kill('SIGKILL'), ended) }
}

function spawnNode(program: string, args: string[]): ChildProcess {
  const flags = ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, program)]
  return spawn(process.execPath, [...flags, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
}

async function firstLine({ stdout }: ChildProcess): Promise<string> {
  if (!stdout) throw new Error('no output to read')
  const [line] = await once(createInterface({ input: stdout }), 'line')
  return line as string
}

async function copy(place: string): Promise<Figures> {
  mkdirSync(place)
  fillAndFree()
  const to = join(place, 'copy')
  const answer = timed(() => execFileSync('cp', [film, to]))
  return { answer, synced: answer + timed(() => execFileSync('sync', [to])), cpu: 0, peak: 0 }
}

async function through(starting: Promise<Server>, door: string, place: string, parallel = 1): Promise<Figures> {
  const server = await starting
  let peak = 0
  const watch = setInterval(() => {
    peak = Math.max(peak, residentBytes(server.pid))
  }, 100)
  try {
    fillAndFree()
    const before = cpuSeconds(server.pid)
    const ms = await (door === 'direct'
      ? sendPartsByCurl(server.url, partsFolder, { size: bytes, parallel })
      : sendByCurl(door, server.url, film, bytes))
    const sync = timed(() => execFileSync('sync', [largestIn(place)]))
    return { answer: ms, synced: ms + sync, cpu: cpuSeconds(server.pid) - before, peak }
  } finally {
    clearInterval(watch)
    await server.end()
  }
}

function timed(work: () => unknown): number {
  const began = performance.now()
  work()
  return performance.now() - began
}

function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024
}

function largestIn(place: string): string {
  const files = readdirSync(place, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = files.map((entry) => join(entry.parentPath, entry.name))
  const largest = paths.find((path) => statSync(path).size >= bytes)
  if (!largest) throw new Error(`the film did not arrive in ${place}`)
  return largest
}

/** Right before the clock starts: the memory is taken back within two seconds. */
function fillAndFree(): void {
  const enough = Math.max(700 * 1024 ** 2, Math.ceil(1.3 * bytes))
  execFileSync(process.execPath, ['-e', `const b = Buffer.alloc(${enough}, 1); process.exit(b[5] - 1)`])
  execFileSync('sync')
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

function show(name: string, figures: Figures[], copied: number): string {
  const of = (key: keyof Figures) => median(figures.map((one) => one[key]))
  const rate = (ms: number) => `${(bytes / 1e3 / ms).toFixed(0)}`.padStart(5)
  return [
    name.padEnd(24),
    `${rate(of('answer'))} MB/s until the answer`,
    `${rate(of('synced'))} until synced`,
    `${(copied / of('synced')).toFixed(2)} of cp + sync`,
    `${((of('cpu') / bytes) * 1024 ** 3).toFixed(2)} CPU-s a GiB`,
    `RSS ${(of('peak') / 1e6).toFixed(0)} MB`,
  ].join(' | ')
}

try {
  await makeFilm(film, bytes)
  mkdirSync(partsFolder)
  cutIntoParts(film, partsFolder)
  const wanted = rows.filter(([name]) => only === '' || only.split(',').includes(name))
  const results = new Map<string, Figures[]>(wanted.map(([name]) => [name, []]))
  for (let run = 0; run < Number(runs); run++) {
    for (const [name, work] of wanted) {
      const place = join(folder, 'place')
      results.get(name)?.push(await work(place))
      rmSync(place, { recursive: true, force: true })
    }
  }
  const copied = median((results.get('cp + sync') ?? []).map(({ synced }) => synced))
  for (const [name, figures] of results) console.log(show(name, figures, copied))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
