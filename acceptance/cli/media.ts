import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inherited } from '../target.ts'

/** `media` as somebody types it: a process of its own, with a home of its own. */

const launcher = join(import.meta.dirname, '../../cli/media.mjs')

export interface Said {
  code: number | null
  out: string
  err: string
}

export interface Shell {
  folder: string
  /** Of the service. */
  url: string
  /** Runs it to its end. */
  media(...args: string[]): Promise<Said>
  /** @param how `within` is the program that runs it, with its arguments */
  start(args: readonly string[], env?: Record<string, string>, how?: { within?: readonly string[] }): Running
  remove(): Promise<void>
}

export interface Running {
  child: ChildProcess
  /** What it has said so far. */
  said: Said
  ended: Promise<Said>
}

/** A folder to work in. @param url of the service */
export async function openShell(url: string): Promise<Shell> {
  const folder = await mkdtemp(join(tmpdir(), 'media-cli-'))
  const base = { ...inherited, HOME: folder, MEDIA_URL: url, NO_COLOR: '1', TZ: 'UTC' }

  function start(args: readonly string[], env: Record<string, string> = {}, { within = [] as readonly string[] } = {}) {
    const [program = '', ...words] = [...within, process.execPath, launcher, ...args]
    const child = spawn(program, words, {
      cwd: folder,
      env: { ...base, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const said: Said = { code: null, out: '', err: '' }
    child.stdout.setEncoding('utf8').on('data', (text) => (said.out += text))
    child.stderr.setEncoding('utf8').on('data', (text) => (said.err += text))
    const ended = once(child, 'close').then(([code]) => Object.assign(said, { code }))
    return { child, said, ended }
  }

  return {
    folder,
    url,
    start,
    media: async (...args) => await start(args).ended,
    remove: async () => await rm(folder, { recursive: true, force: true }),
  }
}

/** The JSON values that were written, one a line. */
export function valuesOf<T = Record<string, any>>({ out }: Said): T[] {
  return out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T)
}
