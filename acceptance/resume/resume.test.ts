import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../ports.ts'
import { startTarget, type Target } from '../target.ts'
import { makeFilm, sha256Of } from './bodies.ts'
import { openProxy, type Proxy } from './proxy.ts'

/**
 * Clients that know nothing of it upload a film while the service is killed again and again: the film arrives whole,
 * and a kill costs the parts that were on their way, no more. `RESUME_MIB` and `RESUME_KILLS` make it longer.
 */
const mebibyte = 1024 ** 2
const size = Number(process.env.RESUME_MIB ?? 160) * mebibyte
const kills = Number(process.env.RESUME_KILLS ?? 4)
/** Bytes a second: fast enough that kills come in the midst of parts. */
const rate = 150 * mebibyte
/** What the kernel holds on both sides of a line: handed on, and never read by the one who was killed. */
const onTheLine = 8 * mebibyte

interface Kind {
  name: string
  /** Bytes that a kill may cost beyond those on the line. */
  bound: number
  /** Whether the client is killed too, at every second kill: it remembers by itself. */
  forgets?: boolean
}

const kinds: Kind[] = [
  // A part of theirs.
  { name: 'tus-js-client', bound: 8 * mebibyte },
  { name: 'tus-js-client (IETF draft)', bound: 8 * mebibyte },
  { name: 'uppy', bound: 8 * mebibyte },
  // Four parts at a time, each of them once.
  { name: 'client', bound: 4 * 5 * mebibyte, forgets: true },
]

describe(`uploads of ${size / mebibyte} MiB through ${kills} kills`, () => {
  let folder = ''
  let film = ''
  let sha256 = ''
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'resume-'))
    film = join(folder, 'film.mp4')
    sha256 = await makeFilm(film, size)
  })
  after(async () => await rm(folder, { recursive: true, force: true }))

  for (const kind of kinds) {
    test(`${kind.name} goes on where it was`, async (t) => {
      const dataDir = join(folder, `data ${kind.name}`)
      const site = await openSite(dataDir)
      try {
        const { losses, begun } = await uploadThroughKills({ kind, site, film, memory: join(dataDir, 'memory') })
        report(t, kind, site.proxy, losses)
        assert.equal(losses.length, kills, 'the upload was over before the last kill')
        assert.ok(Math.max(...losses) <= kind.bound + onTheLine, `a kill cost ${mib(Math.max(...losses))}`)
        if (!kind.forgets) assert.equal(begun, 1, 'the upload was begun once')
        await assertStored(site.target(), dataDir, sha256)
      } finally {
        await site.close()
        await rm(dataDir, { recursive: true, force: true })
      }
    })
  }
})

function report(t: TestContext, { name, bound }: Kind, proxy: Proxy, losses: number[]): void {
  const again = proxy.sent() - size
  t.diagnostic(
    `${name}: ${losses.length} kills, ${mib(again)} sent twice in all, ${mib(Math.max(...losses))} at most for a kill (bound ${mib(bound + onTheLine)})`,
  )
}

const mib = (bytes: number) => `${(bytes / mebibyte).toFixed(1)} MiB`

/** A service behind a line; it is killed and comes back at the same address. */
async function openSite(dataDir: string) {
  const port = await freePort()
  const proxy = await openProxy({ port, rate })
  const env = { PORT: String(port), PUBLIC_URL: proxy.url }
  const start = () => startTarget({ role: 'serve', dataDir, env })
  let target = await start()
  return {
    proxy,
    target: () => target,
    restart: async () => {
      await target.kill()
      target = await start()
    },
    close: async () => {
      await proxy.close()
      await target.kill()
    },
  }
}

interface Doing {
  kind: Kind
  site: Awaited<ReturnType<typeof openSite>>
  film: string
  memory: string
}

/** Kills at random moments, evenly over the film. @returns what each kill has cost, in bytes, and how often an upload was begun. */
async function uploadThroughKills({ kind, site, film, memory }: Doing): Promise<{ losses: number[]; begun: number }> {
  const { proxy } = site
  const losses: number[] = []
  let uploader = startUploader([kind.name, proxy.url, film, memory])
  let [sent, stored] = [0, 0]
  try {
    for (let kill = 0; kill < kills; kill++) {
      const moment = ((kill + 0.3 + Math.random() * 0.6) / (kills + 0.5)) * size
      await Promise.race([proxy.reached(moment, uploader.over), uploader.ended])
      if (uploader.over.aborted) break
      await sleep(Math.random() * 50)
      // Both at once, as when a machine goes down: one cut.
      const anew = kind.forgets && kill % 2 === 1
      if (anew) uploader.child.kill('SIGKILL')
      await site.restart()
      const [sentNow, storedNow] = [proxy.sent(), await storedBytes(site.target())]
      assert.ok(storedNow >= stored, `${mib(storedNow)} are stored where it was ${mib(stored)}`)
      losses.push(sentNow - sent - (storedNow - stored))
      ;[sent, stored] = [sentNow, storedNow]
      if (anew) uploader = startUploader([kind.name, proxy.url, film, memory])
    }
    await uploader.ended
    return { losses, begun: uploader.begun() }
  } finally {
    uploader.child.kill('SIGKILL')
  }
}

interface Uploader {
  child: ChildProcess
  /** Rejects with what it said when it fails. */
  ended: Promise<void>
  over: AbortSignal
  begun: () => number
}

function startUploader(args: string[]): Uploader {
  const program = join(import.meta.dirname, 'uploader.ts')
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const over = new AbortController()
  let [begun, done, said] = [0, false, '']
  child.stderr.on('data', (text) => {
    said += text
  })
  createInterface({ input: child.stdout }).on('line', (line) => {
    const what = JSON.parse(line)
    if (what.begun) begun++
    if (what.done) done = true
  })
  const ended = once(child, 'close').then(([code, signal]) => {
    over.abort()
    if (!done) throw new Error(`the uploader ended with ${code ?? signal}: ${said}`)
  })
  ended.catch(() => {})
  return { child, ended, over: over.signal, begun: () => begun }
}

/** Of the one upload that is under way, as the service tells it right after its start. */
async function storedBytes({ url }: Target): Promise<number> {
  const { items } = (await ask(`${url}/api/media?status=uploading`)) as { items: { media_id: string }[] }
  assert.equal(items.length, 1, 'one upload is under way')
  const { stored_bytes } = (await ask(`${url}/api/media/upload/${items[0]?.media_id}`)) as { stored_bytes: number }
  return stored_bytes
}

async function assertStored({ url }: Target, dataDir: string, sha256: string): Promise<void> {
  const { items } = (await ask(`${url}/api/media`)) as { items: Record<string, string | number>[] }
  assert.equal(items.length, 1, 'one media')
  const [record = {}] = items
  assert.deepEqual([record.status, record.file_size], ['uploaded', size])
  const key = String(record.temp_s3_url).split('/').slice(2)
  assert.equal(await sha256Of(join(dataDir, 'objects', ...key)), sha256)
  const left = await readdir(join(dataDir, 'objects', '.uploads')).catch(() => [])
  assert.deepEqual(left, [], 'nothing is left of the parts')
}

async function ask(url: string): Promise<unknown> {
  const answer = await fetch(url)
  assert.equal(answer.status, 200, await answer.clone().text())
  return await answer.json()
}
