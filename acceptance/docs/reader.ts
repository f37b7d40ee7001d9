import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import type { Block } from '../../scripts/pages.ts'
import { makeSample } from '../samples.ts'
import { inherited } from '../target.ts'

/** Somebody who goes through a page from top to bottom and does what it says, in a folder of his own. */

const root = join(import.meta.dirname, '../..')
const run = promisify(execFile)
const shown = 'http://127.0.0.1:8080'

/** What pages are written for: the language of a block, and what it is saved and started as. */
const programs: Record<string, { name: string; start: string[] }> = {
  ts: { name: 'program.ts', start: [process.execPath, '--disable-warning=ExperimentalWarning'] },
  python: { name: 'program.py', start: ['python3'] },
}
export const languages = ['sh', ...Object.keys(programs)]

export interface Reader {
  folder: string
  /** What it printed. @throws Error with what it said, when it fails. */
  follow(block: Block): Promise<string>
  /** For what does not end by itself. */
  start(block: Block, env: Record<string, string>): Promise<ChildProcess>
  leave(): Promise<void>
}

/**
 * @param url of the service, whatever address the page shows; one that a block starts listens on its port
 * @param settings of a service that a block starts
 */
export async function openReader(url: string, settings: Record<string, string> = {}): Promise<Reader> {
  const folder = await mkdtemp(join(tmpdir(), 'reader-'))
  await writeSamples(folder)
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  await mkdir(join(folder, '.reader'))
  await writeFile(join(folder, '.reader/prelude.sh'), prelude)
  await writeFile(join(folder, '.reader/variables.sh'), '')
  const around = { ...inherited, PORT: new URL(url).port, DATA_DIR: join(folder, 'data'), LOG_LEVEL: 'warn' }
  const env = { ...around, ...settings, NODE: process.execPath, MAIN: join(root, 'src/main.ts') }
  let media_id = ''

  async function program({ language, code }: Block): Promise<string[]> {
    const { name, start } = programs[language] ?? { name: 'block.sh', start: ['bash'] }
    const path = join(folder, name)
    await writeFile(path, withSources(language === 'sh' ? shellOf(code) : code).replaceAll(shown, url))
    return [...start, path]
  }

  return {
    folder,
    follow: async (block) => {
      const [command = '', ...args] = await program(block)
      const given = media_id ? { MEDIA_ID: media_id } : {}
      const options = { cwd: folder, env: { ...env, ...given }, timeout: 60_000, maxBuffer: 1e7 }
      const { stdout } = await run(command, args, options)
      if (block.code.includes('npm start')) await answers(url)
      // A reader copies it from what he sees.
      media_id = /"media_id":"([^"]+)"/.exec(stdout)?.[1] ?? media_id
      return stdout
    },
    start: async (block, more) => {
      const [command = '', ...args] = await program(block)
      return spawn(command, args, { cwd: folder, env: { ...env, ...more }, stdio: ['ignore', 'pipe', 'inherit'] })
    },
    leave: async () => {
      await endService(join(folder, '.reader/pid'))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function writeSamples(folder: string): Promise<void> {
  for (const name of ['clip.mp4', 'photo.jpg'] as const) {
    await writeFile(join(folder, name), await (await makeSample(name)).bytes())
  }
  // Three parts long, by a box that players pass over (ISO/IEC 14496-12, 8.1.2).
  const rest = Buffer.alloc(12 * 1024 * 1024)
  rest.writeUInt32BE(rest.length, 0)
  rest.write('free', 4, 'latin1')
  await copyFile(join(folder, 'clip.mp4'), join(folder, 'film.mp4'))
  await writeFile(join(folder, 'film.mp4'), rest, { flag: 'a' })
}

/** Stops at the first command that fails, a curl that was refused too; variables go on into the next block. */
function shellOf(code: string): string {
  return [
    'set -euo pipefail; set -a; . .reader/prelude.sh; . .reader/variables.sh',
    code,
    'declare -px | grep -E "^declare -x [A-Z_]+=" >.reader/variables.sh',
  ].join('\n')
}

/** `npm start` has been tried by a newcomer (acceptance/clone): here it starts the same without setting up again. */
const prelude = `
curl() { command curl -sS --fail-with-body "$@"; }
npm() {
  [ "$1" = start ] || return 1
  "$NODE" --disable-warning=ExperimentalWarning "$MAIN" >.reader/said 2>&1 & echo $! >.reader/pid
}
`

/** The client as its sources are: nobody has built it. */
function withSources(code: string): string {
  const source = (name: string) => pathToFileURL(join(root, 'client/src', name)).href
  return code
    .replaceAll(`'@media-service/client'`, `'${source('index.ts')}'`)
    .replaceAll(`'@media-service/client/node'`, `'${source('node.ts')}'`)
}

/** Waits for a service that a block has started. */
async function answers(url: string): Promise<void> {
  const signal = AbortSignal.timeout(30_000)
  while (!(await fetch(`${url}/healthz`, { signal }).catch(() => null))?.ok) {
    signal.throwIfAborted()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function endService(path: string): Promise<void> {
  const pid = Number(await readFile(path, 'utf8').catch(() => ''))
  if (!pid) return
  process.kill(pid, 'SIGTERM')
  for (;;) {
    try {
      process.kill(pid, 0)
    } catch {
      return
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Waits until a program that does not end has said something. */
export async function heard(child: ChildProcess, wanted: RegExp): Promise<string> {
  let said = ''
  const over = once(child, 'close').then(() => {
    throw new Error(`it ended, and had said: ${said}`)
  })
  const heardIt = new Promise<string>((resolve) => {
    child.stdout?.on('data', (chunk) => {
      said += chunk
      if (wanted.test(said)) resolve(said)
    })
  })
  return await Promise.race([heardIt, over])
}
