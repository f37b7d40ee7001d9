/**
 * Real servers for the tests: each is started by its own file here, on free ports of this machine, with its own folder,
 * and leaves nothing behind, even when the process which started it is killed with -9.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const execute = promisify(execFile)
const stopMs = 5000

export interface Engine {
  name: string
  /** The settings which point the service at it, credentials included. */
  env: Record<string, string>
  stop(): Promise<void>
}

export interface StartOptions {
  env?: Record<string, string>
  cwd?: string
}

/** What an engine is started on: a folder and processes, which all go with it. */
export interface Host {
  folder: string
  /** A server which runs until the host closes; it writes to `<label>.log` in the folder. */
  start(label: string, program: string, args: string[], options?: StartOptions): ChildProcess
  /** A command which ends: its standard output. */
  run(program: string, args: string[], options?: StartOptions & { timeoutMs?: number }): Promise<string>
}

/** Starts an engine: `setUp` starts its processes and says the settings. A failed start prints the end of its logs. */
export async function startEngine(
  name: string,
  setUp: (host: Host) => Promise<Record<string, string>>,
): Promise<Engine> {
  const { host, close } = await openHost(name)
  try {
    return { name, env: await setUp(host), stop: close }
  } catch (error) {
    const logs = await tailOfLogs(host.folder)
    await close()
    throw new Error(`${name} did not start: ${error instanceof Error ? error.message : error}\n${logs}`, {
      cause: error,
    })
  }
}

/** The engine which this run shares (`ENGINES_CEPH` and so on: its settings as JSON), or one of its own. */
export async function engineFor(name: string, start: () => Promise<Engine>): Promise<Engine> {
  const shared = process.env[`ENGINES_${name.toUpperCase().replaceAll('-', '_')}`]
  if (shared === undefined) return start()
  return { name, env: JSON.parse(shared) as Record<string, string>, stop: async () => {} }
}

/** For `node engines/<name>.ts`: prints the settings and runs until it is told to stop. */
export async function runByHand(start: () => Promise<Engine>): Promise<void> {
  const told = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve())
  })
  const engine = await start()
  for (const [key, value] of Object.entries(engine.env)) process.stdout.write(`${key}=${value}\n`)
  const awake = setInterval(() => {}, 60_000)
  await told
  clearInterval(awake)
  await engine.stop()
}

/** Waits until `ready` holds (errors count as not yet), or throws when the time is over or the process has ended. */
export async function waitUntil(
  what: string,
  ready: () => Promise<boolean>,
  { timeoutMs = 60_000, process: child }: { timeoutMs?: number; process?: ChildProcess } = {},
): Promise<void> {
  const deadline = Date.now() + timeoutMs
  let last: unknown
  while (Date.now() < deadline) {
    const held = await ready().catch((error: unknown) => {
      last = error
      return false
    })
    if (held) return
    if (child && (child.exitCode !== null || child.signalCode !== null))
      throw new Error(`${what}: its process ended (${child.signalCode ?? child.exitCode})`)
    await sleep(100)
  }
  throw new Error(`${what}: not within ${timeoutMs / 1000} s`, { cause: last })
}

export async function waitForPort(
  port: number,
  options?: { timeoutMs?: number; process?: ChildProcess },
): Promise<void> {
  await waitUntil(`port ${port}`, () => answers(port), options)
}

/** A folder which is made once and kept for later runs (jars, say); `make` fills it, whole or not at all. */
export async function keptFolder(name: string, make: (folder: string) => Promise<void>): Promise<string> {
  const kept = join(homedir(), '.cache', 'media-service-engines', name)
  if (existsSync(kept)) return kept
  await mkdir(dirname(kept), { recursive: true })
  const temp = await mkdtemp(`${kept}.`)
  try {
    await make(temp)
    await rename(temp, kept).catch((error: unknown) => {
      // Another run was first: its folder is as good.
      if (!existsSync(kept)) throw error
    })
  } finally {
    await rm(temp, { recursive: true, force: true })
  }
  return kept
}

async function openHost(name: string): Promise<{ host: Host; close(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), `engine-${name}-`))
  const guard = startGuard(folder)
  const running: ChildProcess[] = []
  const host: Host = {
    folder,
    start(label, program, args, options = {}) {
      const log = openSync(join(folder, `${label}.log`), 'a')
      const env = { ...process.env, ...options.env }
      const cwd = options.cwd ?? folder
      const child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', log, log] })
      closeSync(log)
      // One which cannot be started says so where its end is looked at.
      child.on('error', () => {})
      if (child.pid !== undefined) guard.stdin?.write(`${child.pid}\n`)
      // Who forgets to stop an engine can end all the same; the guard stops it then.
      child.unref()
      running.push(child)
      return child
    },
    async run(program, args, { env, cwd = folder, timeoutMs = 60_000 } = {}) {
      const limits = { timeout: timeoutMs, killSignal: 'SIGKILL' as const, maxBuffer: 16 * 1024 * 1024 }
      const { stdout } = await execute(program, args, { ...limits, cwd, env: { ...process.env, ...env } })
      return stdout
    },
  }
  let closed: Promise<void> | undefined
  return { host, close: () => (closed ??= closeHost(running, guard)) }
}

/** Kills the groups it was told of and removes the folder, when its input ends: also when nobody could say so. */
function startGuard(folder: string): ChildProcess {
  const script =
    'trap "" INT TERM HUP; all=; while read -r id; do all="$all $id"; done; ' +
    'for id in $all; do kill -KILL "-$id" 2>/dev/null; done; sleep 0.1; rm -rf -- "$1"'
  const guard = spawn('sh', ['-c', script, 'guard', folder], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  guard.stdin?.on('error', () => {})
  guard.unref()
  ;(guard.stdin as Socket | null)?.unref()
  return guard
}

async function closeHost(running: ChildProcess[], guard: ChildProcess): Promise<void> {
  for (const child of [...running, guard]) child.ref()
  for (const child of running) signalGroup(child, 'SIGTERM')
  const ended = Promise.all(running.map(exitOf))
  await Promise.race([ended, sleep(stopMs, undefined, { ref: false })])
  for (const child of running) if (child.exitCode === null) signalGroup(child, 'SIGKILL')
  const gone = exitOf(guard)
  guard.stdin?.end()
  await gone
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal)
  } catch {
    // Its whole group has ended.
  }
}

async function exitOf(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  await new Promise((resolve) => child.once('exit', resolve))
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const done = (held: boolean): void => {
      socket.destroy()
      resolve(held)
    }
    socket.once('connect', () => done(true)).once('error', () => done(false))
    socket.setTimeout(1000, () => done(false))
  })
}

async function tailOfLogs(folder: string): Promise<string> {
  // Not those of a database, which are no text.
  const names = (await readdir(folder, { recursive: true })).filter((name) => /^(log\/)?[^/]+\.log$/.test(name))
  const tails = names.map(async (name) => {
    const text = await readFile(join(folder, name), 'utf8').catch(() => '')
    return `--- ${name}\n${text.split('\n').slice(-30).join('\n')}`
  })
  return (await Promise.all(tails)).join('\n')
}
