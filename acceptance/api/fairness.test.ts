import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { formOf, makeSample } from '../samples.ts'
import { startTarget } from '../target.ts'

/** `FAIRNESS_JOBS=2000` for as many as the promise speaks of. */
const jobs = Number(process.env.FAIRNESS_JOBS ?? 40)
const patience = 120_000

const keys = { greedy: 'key-of-greedy', modest: 'key-of-modest', operator: 'key-of-operator' }
type User = keyof typeof keys

async function writeKeys(folder: string): Promise<string> {
  const path = join(folder, 'keys')
  const lines = Object.entries(keys).map(([user, key]) => {
    const hash = createHash('sha256').update(key).digest('hex')
    return `${hash} ${user}${user === 'operator' ? ' operator' : ''}`
  })
  await writeFile(path, lines.join('\n'))
  return path
}

interface Scene {
  ask(user: User, path: string, init?: RequestInit): Promise<any>
  upload(user: User, file: File): Promise<string>
  /** When it has come to one of them, by `performance.now()`. */
  until(user: User, media_id: string, ...statuses: string[]): Promise<number>
}

async function inScene(env: Record<string, string>, work: (scene: Scene) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'fairness-'))
  const given = { AUTH_API_KEYS_FILE: await writeKeys(folder), WORKER_CONCURRENCY: '2', ...env }
  const target = await startTarget({ env: given })
  const ask: Scene['ask'] = async (user, path, init = {}) => {
    const answer = await fetch(target.url + path, { ...init, headers: { authorization: `Bearer ${keys[user]}` } })
    assert.ok(answer.ok, `${path}: ${answer.status} ${answer.statusText}`)
    return await answer.json()
  }
  try {
    await work({
      ask,
      upload: async (user, file) => {
        const body = formOf({ title: user, file })
        return (await ask(user, '/api/media/upload', { method: 'POST', body })).media_id
      },
      until: async (user, media_id, ...statuses) => {
        const deadline = performance.now() + patience
        while (performance.now() < deadline) {
          const { status } = await ask(user, `/api/media/${media_id}`)
          if (statuses.includes(status)) return performance.now()
          await sleep(10)
        }
        throw new Error(`not ${statuses} within ${patience} ms`)
      },
    })
  } finally {
    await target.kill()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Many of one user's jobs, and a single equal one of another's, by the clock of who waits for it. */
describe('fairness', () => {
  test(`${jobs} jobs of one user delay another's equal job by at most three times its own length`, async (t) => {
    await inScene({}, async ({ ask, upload, until }) => {
      const film = await makeSample('clip.mp4')
      for (let sent = 0; sent < jobs; sent += 10) {
        await Promise.all(Array.from({ length: Math.min(10, jobs - sent) }, () => upload('greedy', film)))
      }
      const media_id = await upload('modest', film)
      const uploaded = performance.now()
      const begun = await until('modest', media_id, 'processing', 'processed')
      const queue = await ask('operator', '/api/operations/queue')
      const done = await until('modest', media_id, 'processed')
      const [delay, length] = [begun - uploaded, done - begun]
      t.diagnostic(`waited ${Math.round(delay)} ms, took ${Math.round(length)} ms, ${queue.jobs.held} held`)
      assert.ok(queue.jobs.held > 0, 'all of the others were done already')
      assert.ok(delay <= 3 * length, `waited ${delay} ms for a job of ${length} ms`)
    })
  })

  test("long films of one user, made in segments, delay another's equal film by at most three times its own length", async (t) => {
    const env = { VIDEO_SEGMENT_SECONDS: '4', VIDEO_PRESET: 'ultrafast' }
    await inScene(env, async ({ ask, upload, until }) => {
      const film = await makeFilm(24)
      const timed = async () => {
        const began = performance.now()
        return (await until('modest', await upload('modest', film), 'processed')) - began
      }
      const alone = await timed()
      const others = [await upload('greedy', film), await upload('greedy', film)]
      for (const media_id of others) await until('greedy', media_id, 'processing', 'processed')
      const held = async () => (await ask('operator', '/api/operations/jobs?state=held&limit=100')).items
      const kinds = new Set<string>()
      const deadline = performance.now() + patience
      while (kinds.size === 0 && performance.now() < deadline) for (const { kind } of await held()) kinds.add(kind)
      assert.deepEqual([...kinds], ['segment'], 'no more are let go than his share')
      const beside = await timed()
      t.diagnostic(`alone ${Math.round(alone)} ms, beside two of another ${Math.round(beside)} ms`)
      assert.ok(beside - alone <= 3 * alone, `${beside} ms of a film of ${alone} ms`)
      for (const media_id of others) await until('greedy', media_id, 'processed')
    })
  })
})

/** One that is encoded, so that it can be made in segments. */
async function makeFilm(seconds: number): Promise<File> {
  const folder = await mkdtemp(join(tmpdir(), 'fairness-'))
  try {
    const path = join(folder, 'film.mkv')
    const [picture, sound] = [`testsrc2=size=480x270:rate=25:duration=${seconds}`, `sine=duration=${seconds}`]
    const inputs = ['-f', 'lavfi', '-i', picture, '-f', 'lavfi', '-i', sound]
    await promisify(execFile)('ffmpeg', ['-v', 'error', ...inputs, '-c:v', 'mpeg4', '-g', '25', '-c:a', 'aac', path])
    return new File([await readFile(path)], 'film.mkv')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
