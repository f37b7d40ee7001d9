import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SignJWT } from 'jose'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { JobPage, Job as JobSchema, QueueState, WorkerList } from '../../../contract/operations.ts'
import { systemChance } from '../../media/clock.ts'
import { jobIdOf, newJob, parked } from '../../media/jobs.ts'
import { silentLog as log } from '../../media/log.ts'
import { startPresence } from '../../worker/presence.ts'
import { type Kit, openKit } from '../kit.test.ts'

function fits(schema: TSchema, value: unknown): void {
  assert.deepEqual([...Compile(schema).Errors(value)], [])
}

/** A failed media and its parked job, as a worker leaves them. */
async function addFailed(kit: Kit, reason: string, temp_s3_url: string | null = null): Promise<string> {
  const media_id = await kit.addMedia({ user_id: 'ann', ...(temp_s3_url && { temp_s3_url }) })
  const job_id = jobIdOf(media_id, 'process')
  await kit.metadata.commit({
    media_id,
    expect: {},
    patch: { status: 'failed', error: { code: 'gave_up', message: 'x' } },
    jobs: [{ job_id, expect: { states: ['queued'] }, patch: parked(kit.clock.now(), reason) }],
  })
  return job_id
}

describe('operations routes', () => {
  test('tell how far behind the service is', async () => {
    await using kit = await openKit()
    const media_id = await kit.addMedia()
    await kit.queue.send('tasks', { job_id: jobIdOf(media_id, 'process') })
    await addFailed(kit, 'gave_up: x')
    const body = (await kit.app.inject('/api/operations/queue')).json()
    fits(QueueState, body)
    assert.deepEqual(body.jobs, { held: 0, queued: 1, running: 0, parked: 1 })
    assert.deepEqual([body.lanes.tasks.depth, body.lanes['tasks-long'].depth], [1, 0])
    assert.ok(body.lanes.tasks.oldest_due_at !== null && body.lanes['tasks-long'].oldest_due_at === null)
    assert.ok(body.lanes.tasks.oldest_due_seconds >= 0 && body.lanes.tasks.oldest_due_seconds < 60)
  })

  test('list jobs that run and then those that wait, page by page', async () => {
    await using kit = await openKit()
    const queued = [await kit.addMedia(), await kit.addMedia(), await kit.addMedia()]
    const media_id = await kit.addMedia()
    const patch = { state: 'running', worker: 'w.1', lease_until: 5, sweep_at: 5, progress: 40, token: 1 } as const
    const job_id = jobIdOf(media_id, 'process')
    await kit.metadata.commit({ media_id, expect: {}, jobs: [{ job_id, expect: { states: ['queued'] }, patch }] })
    const found = []
    for (let cursor = ''; ; ) {
      const page = (await kit.app.inject(`/api/operations/jobs?limit=2${cursor}`)).json()
      fits(JobPage, page)
      found.push(...page.items)
      if (page.next_cursor === null) break
      cursor = `&cursor=${encodeURIComponent(page.next_cursor)}`
    }
    assert.deepEqual([found[0].media_id, found[0].worker_id, found[0].progress], [media_id, 'w.1', 40])
    assert.deepEqual(
      found
        .slice(1)
        .map((one) => one.media_id)
        .sort(),
      queued.sort(),
    )
    const running = (await kit.app.inject('/api/operations/jobs?state=running')).json()
    assert.deepEqual(
      running.items.map((one: { job_id: string }) => one.job_id),
      [job_id],
    )
    for (const cursor of ['x', 'running.x', 'queued.%00']) {
      assert.equal(
        (await kit.app.inject(`/api/operations/jobs?cursor=${cursor}`)).json().code,
        'invalid_cursor',
        cursor,
      )
    }
  })

  test('list workers while they live', async () => {
    await using kit = await openKit()
    const { metadata, clock } = kit
    const jobs = [{ job_id: 'a.process', kind: 'process', progress: 3, seconds: 1 }] as const
    const given = { metadata, clock, log, worker_id: 'host.1.x', concurrency: 2, running: () => [...jobs] }
    const presence = startPresence(given)
    const list = async () => (await kit.app.inject('/api/operations/workers')).json()
    for (let tries = 0; (await list()).items.length === 0; tries++) {
      assert.ok(tries < 1_000)
      await clock.sleep(5)
    }
    const body = await list()
    fits(WorkerList, body)
    assert.deepEqual([body.items[0].worker_id, body.items[0].jobs], ['host.1.x', [...jobs]])
    await presence.stop()
    assert.deepEqual((await list()).items, [])
  })

  test('list dead letters with their reasons, and have one tried again', async () => {
    await using kit = await openKit()
    const ref = { bucket: 'temp', key: `${systemChance.uuid()}.png` }
    const staged = await kit.objects.stage(new Blob(['x']).stream())
    await staged.commit(ref, { content_type: 'image/png' })
    const gone = await addFailed(kit, 'gave_up: no raw')
    const failed = await addFailed(kit, 'tool_crashed: it broke', `s3://${ref.bucket}/${ref.key}`)
    const list = async () => (await kit.app.inject('/api/operations/dead-letters')).json()
    const page = await list()
    fits(JobPage, page)
    assert.deepEqual(
      page.items.map((one: { job_id: string; reason: string }) => [one.job_id, one.reason]),
      [
        [failed, 'tool_crashed: it broke'],
        [gone, 'gave_up: no raw'],
      ],
    )
    const bad = await addFailed(kit, 'undecodable: no picture')
    const ofFault = async (fault: string) => {
      const { items } = (await kit.app.inject(`/api/operations/dead-letters?fault=${fault}`)).json()
      return items.map((one: { job_id: string; fault: string }) => [one.job_id, one.fault])
    }
    assert.deepEqual(await ofFault('file'), [[bad, 'file']])
    assert.deepEqual(await ofFault('service'), [
      [failed, 'service'],
      [gone, 'service'],
    ])
    const replay = async (job_id: string) =>
      await kit.app.inject({ method: 'POST', url: `/api/operations/dead-letters/${job_id}/replay` })
    const again = await replay(failed)
    assert.equal(again.statusCode, 202)
    fits(JobSchema, again.json())
    assert.deepEqual([again.json().state, again.json().attempts, again.json().reason], ['queued', 0, null])
    assert.equal((await kit.metadata.get(failed.split('.')[0] ?? ''))?.status, 'uploaded')
    assert.equal((await kit.queue.depth()).tasks, 1)
    assert.deepEqual(
      (await list()).items.map((one: { job_id: string }) => one.job_id),
      [bad, gone],
    )
    const twice = await replay(failed)
    assert.deepEqual([twice.statusCode, twice.json().code], [409, 'wrong_state'])
    assert.equal((await replay(gone)).json().code, 'raw_expired')
    assert.equal((await replay('nothing')).json().code, 'not_found')
  })

  test('try a parked purge again, of which the media knows nothing', async () => {
    await using kit = await openKit()
    const media_id = await kit.addMedia()
    const now = kit.clock.now()
    const job = newJob({ media_id, user_id: 'ann', kind: 'purge', lane: 'tasks', now })
    const stuck = { ...job, ...parked(now, 'unavailable: x'), attempts: 9 }
    await kit.metadata.commit({ media_id, expect: {}, jobs: [{ create: stuck }] })
    const url = `/api/operations/dead-letters/${job.job_id}/replay`
    assert.equal((await kit.app.inject({ method: 'POST', url })).statusCode, 202)
    const found = await kit.metadata.getJob(job.job_id)
    assert.deepEqual([found?.state, found?.attempts, found?.parked_at], ['queued', 0, null])
    assert.equal((await kit.metadata.get(media_id))?.status, 'uploaded')
  })

  test('are for operators', async () => {
    const secret = 'thirty-two bytes or more, they say'
    await using kit = await openKit({ env: { AUTH_JWT_SECRET: secret } })
    const token = await new SignJWT({ sub: 'ann' }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(secret))
    const headers = { authorization: `Bearer ${token}` }
    for (const path of ['queue', 'jobs', 'workers', 'dead-letters', 'dead-letters/x/replay']) {
      const [method, url] = [path.endsWith('replay') ? 'POST' : 'GET', `/api/operations/${path}`] as const
      assert.equal((await kit.app.inject({ method, url })).statusCode, 401)
      const answer = await kit.app.inject({ method, url, headers })
      assert.deepEqual([answer.statusCode, answer.json().code], [403, 'not_operator'])
    }
  })
})
