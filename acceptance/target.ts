import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { engineSettings } from './engines.ts'

const main = join(import.meta.dirname, '../src/main.ts')

/** As in the script `start`. */
const flags = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=1']
const heaps = { MALLOC_ARENA_MAX: '2' }
const { PATH = '', HOME = '', NODE_COMPILE_CACHE } = process.env
/** All of the tests' own environment that a program started by them sees. A run may keep what Node has compiled. */
export const inherited: Readonly<Record<string, string>> = {
  ...{ PATH, HOME },
  ...(NODE_COMPILE_CACHE ? { NODE_COMPILE_CACHE } : {}),
}

/** A running service, of which a test knows only the address. */
export interface Target {
  url: string
  pid: number
  /** What it has said so far: banner and log. */
  said: () => string
  /** Ends it as an operator would (SIGTERM); resolves with its exit code when it is over. */
  stop(): Promise<number | null>
  /** Ends it as a power cut would. */
  kill(): Promise<void>
}

export interface TargetOptions {
  /** What to start, as on the command line; everything when not given. */
  role?: string
  /** Kept when the target ends. Without it, a folder of its own that `stop` and `kill` remove. */
  dataDir?: string
  /** Settings; nothing else of the tests' own environment reaches it. */
  env?: Record<string, string>
  /** For tests of what only the embedded engines do: they have those, whatever the run is on. */
  embedded?: boolean
}

/**
 * Starts the service on a free port and waits until it listens.
 * @throws Error with what it said, when it ends instead.
 */
export async function startTarget({ role, dataDir, env = {}, embedded }: TargetOptions = {}): Promise<Target> {
  const own = dataDir === undefined
  const folder = dataDir ?? (await mkdtemp(join(tmpdir(), 'target-')))
  const base = { ...inherited, ...heaps }
  const program = [process.execPath, ...flags, main]
  const engines = embedded ? {} : await engineSettings(folder, { program, env: base })
  const child = spawn(process.execPath, [...flags, main, ...(role ? [role] : [])], {
    env: { ...base, PORT: '0', DATA_DIR: folder, LOG_LEVEL: 'warn', ...engines, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const over = once(child, 'close').then(async ([code]) => {
    if (own) await rm(folder, { recursive: true, force: true })
    return code as number | null
  })
  const { url, said } = await listening(child)
  return {
    url,
    pid: child.pid ?? 0,
    said,
    stop: async () => {
      child.kill('SIGTERM')
      return await over
    },
    kill: async () => {
      child.kill('SIGKILL')
      await over
    },
  }
}

/** The target that `BASE_URL` names, which is nobody's to stop here, or one of its own. */
export async function openTarget(options: TargetOptions = {}): Promise<Target> {
  const { BASE_URL } = process.env
  if (!BASE_URL) return await startTarget(options)
  return { url: BASE_URL.replace(/\/$/, ''), pid: 0, said: () => '', stop: async () => 0, kill: async () => {} }
}

async function listening(child: ChildProcess): Promise<{ url: string; said: () => string }> {
  let text = ''
  return await new Promise((resolve, reject) => {
    const hear = (chunk: Buffer) => {
      text += chunk
      const url = /listening on (https?:\/\/\S+)/.exec(text)?.[1]
      if (url) resolve({ url, said: () => text })
    }
    child.stdout?.on('data', hear)
    child.stderr?.on('data', hear)
    child.once('error', reject)
    child.once('close', (code) => reject(new Error(`the service ended with ${code}:\n${text}`)))
  })
}
