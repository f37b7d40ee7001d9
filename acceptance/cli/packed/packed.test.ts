import assert from 'node:assert/strict'
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { makeSample } from '../../samples.ts'

/** The package as somebody installs it who has nothing of this repository, on whatever Node the system has. */

const root = join(import.meta.dirname, '../../..')
const home = mkdtempSync(join(tmpdir(), 'media-packed-'))
const folder = join(home, 'empty')
const env = newcomersEnvironment()

function newcomersEnvironment(): NodeJS.ProcessEnv {
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((one) => !one.includes('node_modules'))
  const own = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_|INIT_CWD|MEDIA_)/.test(name))
  return { ...Object.fromEntries(own), PATH: path.join(delimiter), XDG_STATE_HOME: join(home, 'state'), NO_COLOR: '1' }
}

async function npx(...args: string[]): Promise<{ code: number; stdout: string }> {
  const options = { cwd: folder, env, timeout: 120_000 }
  return await promisify(execFile)('npx', ['--no-install', ...args], options).then(
    ({ stdout }) => ({ code: 0, stdout }),
    ({ code, stdout }) => ({ code, stdout }),
  )
}

describe('the package', () => {
  before(() => {
    // Packed from a copy: nothing of this folder is changed while other tests read it.
    const copy = join(home, 'copy')
    for (const name of [
      'cli',
      'src',
      'contract',
      'client',
      'console',
      'docs',
      'package.json',
      'tsconfig.json',
      'LICENSE',
      'README.md',
      'ARCHITECTURE.md',
      'llms.txt',
    ]) {
      cpSync(join(root, name), join(copy, name), { recursive: true })
    }
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
    const quiet = { stdio: 'pipe', env: { ...process.env, npm_config_loglevel: 'error' } } as const
    execFileSync('npm', ['pack', '--pack-destination', home], { ...quiet, cwd: copy })
    mkdirSync(folder)
    writeFileSync(join(folder, 'package.json'), '{"private": true}')
    const [tarball = ''] = readdirSync(home).filter((name) => name.endsWith('.tgz'))
    const install = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', join(home, tarball)]
    execFileSync('npm', install, { cwd: folder, env, stdio: 'pipe' })
  })
  after(() => rmSync(home, { recursive: true, force: true }))

  test('holds what is needed, and no tests', () => {
    const installed = join(folder, 'node_modules/media-service')
    const files = readdirSync(installed, { recursive: true, encoding: 'utf8' }).filter((file) => /\.[a-z]+$/.test(file))
    assert.ok(files.includes('dist/src/main.js') && files.includes('dist/src/processing/tools/pictures-child.js'))
    assert.ok(files.includes('dist/console/dist/index.html'), 'the console is not in it')
    assert.deepEqual(
      files.filter((file) => /\.ts$|test|conformance|bench/.test(file)),
      [],
    )
  })

  test('`npx media --help`', async () => {
    const { code, stdout } = await npx('media', '--help')
    assert.equal(code, 0)
    assert.match(stdout, /^The Media Service at the command line/)
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    assert.equal((await npx('media', '--version')).stdout, `media ${version}\n`)
  })

  test('`media doctor`', async () => {
    const { code, stdout } = await npx('media', 'doctor', '--json', '--env-file', settingsFile())
    assert.equal(code, 0, stdout)
    assert.match(stdout, /"check":"pictures","status":"ok"/)
  })

  test('`npx media serve`, and uploads that are processed, until Ctrl-C', async () => {
    const service = start('npx', '--no-install', 'media')
    try {
      const url = await addressOf(service)
      assert.match(await (await fetch(url)).text(), /\/assets\/index-[^"]+\.js/)
      for (const page of ['llms.txt', 'README.md', 'docs/settings.md', 'docs/guides/react.md']) {
        assert.equal((await fetch(`${url}/${page}`)).status, 200, page)
      }
      for (const name of ['photo.jpg', 'clip.mp4'] as const) {
        writeFileSync(join(folder, name), await (await makeSample(name)).bytes())
      }
      const { code, stdout } = await npx('media', 'upload', 'photo.jpg', 'clip.mp4', '--watch', '--url', url)
      assert.equal(code, 0, stdout)
      assert.equal(stdout.match(/processed/g)?.length, 2, stdout)
      // As a terminal does: all of them are told.
      process.kill(-(service.pid ?? assert.fail()), 'SIGINT')
      await assertEnds(service, url)
    } finally {
      killGroup(service)
    }
  })

  test('a supervisor that knows only the installed program ends the service with it', async () => {
    const service = start(join(folder, 'node_modules/.bin/media'))
    try {
      const url = await addressOf(service)
      service.kill('SIGTERM')
      await assertEnds(service, url)
    } finally {
      killGroup(service)
    }
  })
})

/** Of a free port. */
function settingsFile(): string {
  const path = join(home, 'settings.env')
  writeFileSync(path, `PORT=0\nLOG_LEVEL=warn\nDATA_DIR=${join(home, 'data')}\n`)
  return path
}

function start(program: string, ...first: string[]): ChildProcess {
  const args = [...first, 'serve', '--env-file', settingsFile()]
  return spawn(program, args, { cwd: folder, env, detached: true, stdio: ['ignore', 'pipe', 'inherit'] })
}

async function assertEnds(service: ChildProcess, url: string): Promise<void> {
  await once(service, 'close', { signal: AbortSignal.timeout(30_000) })
  await assert.rejects(fetch(`${url}/healthz`), 'the service outlived it')
}

async function addressOf({ stdout }: ChildProcess): Promise<string> {
  const lines = createInterface({ input: stdout ?? assert.fail() })
  for await (const line of lines) {
    const address = /listening on (http:\S+)/.exec(line)?.[1]
    if (!address) continue
    stdout?.resume()
    return address
  }
  throw new Error('the service ended without listening')
}

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid) process.kill(-pid, 'SIGKILL')
  } catch {
    // Gone already, as it should be.
  }
}
