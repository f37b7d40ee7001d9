import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
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

/** Many of one user's jobs, and a single equal one of another's, by the clock of who waits for it. */
describe('fairness', () => {
  test(`${jobs} jobs of one user delay another's equal job by at most three times its own length`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'fairness-'))
    const env = { AUTH_API_KEYS_FILE: await writeKeys(folder), WORKER_CONCURRENCY: '2' }
    const target = await startTarget({ env })
    const ask = async (user: User, path: string, init: RequestInit = {}) => {
      const answer = await fetch(target.url + path, { ...init, headers: { authorization: `Bearer ${keys[user]}` } })
      assert.ok(answer.ok, `${path}: ${answer.status} ${answer.statusText}`)
      return (await answer.json()) as { media_id: string; status: string }
    }
    try {
      const film = await makeSample('clip.mp4')
      const upload = async (user: User) =>
        await ask(user, '/api/media/upload', { method: 'POST', body: formOf({ title: user, file: film }) })
      for (let sent = 0; sent < jobs; sent += 10) {
        await Promise.all(Array.from({ length: Math.min(10, jobs - sent) }, () => upload('greedy')))
      }
      const { media_id } = await upload('modest')
      const uploaded = performance.now()
      const until = async (...statuses: string[]) => {
        while (performance.now() - uploaded < patience) {
          const { status } = await ask('modest', `/api/media/${media_id}`)
          if (statuses.includes(status)) return performance.now()
          await sleep(10)
        }
        throw new Error(`not ${statuses} within ${patience} ms`)
      }
      const begun = await until('processing', 'processed')
      const queue = (await ask('operator', '/api/operations/queue')) as unknown as { jobs: { held: number } }
      const done = await until('processed')
      const [delay, length] = [begun - uploaded, done - begun]
      t.diagnostic(`waited ${Math.round(delay)} ms, took ${Math.round(length)} ms, ${queue.jobs.held} held`)
      assert.ok(queue.jobs.held > 0, 'all of the others were done already')
      assert.ok(delay <= 3 * length, `waited ${delay} ms for a job of ${length} ms`)
    } finally {
      await target.kill()
      await rm(folder, { recursive: true, force: true })
    }
  })
})
