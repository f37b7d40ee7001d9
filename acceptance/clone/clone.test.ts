import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'

/** A newcomer's way: clone, `npm start` with whatever Node the system has, then the README's commands as they stand. */

const source = join(import.meta.dirname, '..', '..')
const home = mkdtempSync(join(tmpdir(), 'media-clone-'))
const clone = join(home, 'media-service')
const env = newcomersEnvironment()

/** Without what `npm run` puts around this test: the clone must find its own way. */
function newcomersEnvironment(): NodeJS.ProcessEnv {
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'))
  const plain = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_|INIT_CWD)/.test(name))
  return { ...Object.fromEntries(plain), PATH: path.join(delimiter), PORT: '0' }
}

const started: ChildProcess[] = []

interface Started {
  child: ChildProcess
  address: string
  banner: string
  seconds: number
}

async function npmStart(): Promise<Started> {
  const began = performance.now()
  const child = spawn('npm', ['start'], { cwd: clone, env, stdio: ['ignore', 'pipe', 'inherit'], detached: true })
  started.push(child)
  let banner = ''
  for await (const line of createInterface({ input: child.stdout })) {
    banner += `${line}\n`
    const address = /listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(banner)?.[1]
    if (address && line.includes('curl'))
      return { child, address, banner, seconds: (performance.now() - began) / 1_000 }
  }
  throw new Error(`npm start ended without listening:\n${banner}`)
}

/** As a supervisor does: it tells npm, and the service must hear of it. */
async function stop({ child, address }: Started): Promise<void> {
  child.kill('SIGTERM')
  await once(child, 'exit', { signal: AbortSignal.timeout(30_000) })
  await assert.rejects(fetch(`${address}/healthz`), 'the service outlived npm')
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid) process.kill(-pid, 'SIGKILL')
  } catch {
    // Gone already, as it should be.
  }
}

/** The commands in the fenced shell blocks of the README's chapter, each on one line. */
function commandsOf(chapter: string): string[] {
  const readme = readFileSync(join(clone, 'README.md'), 'utf8')
  const text = readme.split(`## ${chapter}\n`)[1]?.split('\n## ')[0] ?? ''
  const blocks = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1] ?? '')
  return blocks.flatMap((block) => block.replaceAll(/\\\n\s*/g, '').split('\n')).filter((line) => line.trim() !== '')
}

describe('a fresh clone', () => {
  before(() => {
    execFileSync('git', ['clone', '--quiet', source, clone])
  })
  after(() => {
    for (const { pid } of started) killGroup(pid)
    rmSync(home, { recursive: true, force: true })
  })

  test('the first `npm start` installs and serves', async () => {
    const started = await npmStart()
    try {
      assert.match(started.banner, /data +\S+\/data/)
      assert.equal((await fetch(`${started.address}/healthz`)).status, 200)
      assert.equal((await fetch(`${started.address}/readyz`)).status, 200)
      const [script] = /\/assets\/[^"]+\.js/.exec(await (await fetch(started.address)).text()) ?? []
      assert.equal(
        (await fetch(`${started.address}${script}`)).headers.get('content-type'),
        'text/javascript; charset=utf-8',
      )
    } finally {
      await stop(started)
    }
  })

  test('the second installs nothing and is up in under 3 s', async () => {
    const lock = join(clone, 'node_modules', '.package-lock.json')
    const before = readFileSync(lock, 'utf8')
    // The best of a few: a machine that does other work besides has slow moments.
    let best = Number.POSITIVE_INFINITY
    for (let start = 0; start < 6 && best >= 3; start++) {
      const started = await npmStart()
      await stop(started)
      best = Math.min(best, started.seconds)
    }
    assert.ok(best < 3, `took ${best.toFixed(1)} s`)
    assert.equal(readFileSync(lock, 'utf8'), before)
  })

  test('every command under "Try it" does what it says', async () => {
    const clip = ['-f', 'lavfi', '-i', 'testsrc2=s=1280x720:d=2', '-f', 'lavfi', '-i', 'sine=d=2']
    execFileSync('ffmpeg', ['-loglevel', 'error', ...clip, '-shortest', join(clone, 'clip.mp4')])
    const started = await npmStart()
    try {
      const run = (command: string, media_id = '') =>
        execFileSync(
          'bash',
          [
            '-c',
            command
              .replaceAll('http://127.0.0.1:8080', started.address)
              .replaceAll('curl ', 'curl -sS --fail-with-body '),
          ],
          {
            cwd: clone,
            env: { ...env, MEDIA_ID: media_id },
            encoding: 'utf8',
          },
        )
      const [upload, ...rest] = commandsOf('Try it')
      assert.ok(upload, 'the README has lost its first command')
      assert.ok(rest.length >= 6, 'the README has lost commands')
      const { media_id } = JSON.parse(run(upload))
      const printed = rest.map((command) => run(command, media_id))
      assert.match(printed[0] ?? '', /"status":"processed"/)
      const probe = [
        '-v',
        'error',
        '-show_entries',
        'stream=codec_name,height',
        '-of',
        'csv=p=0',
        join(clone, 'clip-720p.mp4'),
      ]
      assert.match(execFileSync('ffprobe', probe, { encoding: 'utf8' }), /h264,720\naac/)
      assert.equal(readFileSync(join(clone, 'thumbnail.jpg')).subarray(0, 2).toString('hex'), 'ffd8')
      assert.equal((await fetch(`${started.address}/api/media/${media_id}`)).status, 404, 'a command removes it')
    } finally {
      await stop(started)
    }
  })
})
