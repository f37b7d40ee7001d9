import assert from 'node:assert/strict'
import { it } from 'node:test'
import { systemChance } from '../media/clock.ts'
import { type Job, type JobPatch, type JobState, newJob, parked, released, requeued } from '../media/jobs.ts'
import type { MediaPatch, UploadDetails } from '../media/record.ts'
import type { WorkerNote } from '../media/workers.ts'
import {
  code,
  created,
  createdWithJob,
  eventually,
  foreignCursors,
  type Given,
  numbers,
  someRecord,
  someTime,
  someUser,
} from './conformance-kit.ts'
import type { JobQuery } from './port.ts'

/** Later than any test takes, and than what other tests leave. */
const farOff = 4e12

function someUpload(file_size: number | null): UploadDetails {
  const said = { door: 'direct', upload_id: 'u', s3_url: 's3://temp/x', part_size: 5, checksum: null } as const
  return { ...said, file_size, expires_at: someTime(0), metadata: null }
}

/** What operators read; part of the suite in `conformance.ts`. */
export function describeOperations(given: Given): void {
  async function allJobs(query: JobQuery): Promise<Job[]> {
    const found: Job[] = []
    for (let cursor: string | undefined; ; ) {
      const page = await given().listJobs({ ...query, cursor })
      assert.ok(page.items.length <= query.limit)
      found.push(...page.items)
      if (page.next_cursor === null) return found
      cursor = page.next_cursor
    }
  }

  it('lists jobs of a state, the next to be looked at first, each once in pages of any size', async () => {
    const places = [30, 10, 20, 10, 50, 40, 10, 60]
    const made = await Promise.all(
      places.map(async (at) => (await createdWithJob(given(), { sweep_at: farOff + at, due_at: farOff })).job),
    )
    const mine = new Set(made.map(({ job_id }) => job_id))
    for (const limit of [1, 3, 100]) {
      await eventually(async () => {
        const all = (await allJobs({ state: 'queued', limit })).filter(({ job_id }) => mine.has(job_id))
        assert.equal(new Set(all.map(({ job_id }) => job_id)).size, made.length)
        assert.equal(all.length, made.length)
        if (limit === 100)
          assert.deepEqual(
            all.map(({ sweep_at }) => (sweep_at ?? 0) - farOff),
            places.toSorted((a, b) => a - b),
          )
        for (const job of all)
          assert.deepEqual(
            job,
            made.find(({ job_id }) => job_id === job.job_id),
          )
      })
    }
  })

  it('lists those parked last first, and no more when they are queued again', async () => {
    const made = await Promise.all(numbers(1, 5).map(() => createdWithJob(given())))
    for (const [index, { media_id, job }] of made.entries()) {
      const patch = parked(farOff + index, `reason ${index}`)
      await given().commit({
        media_id,
        expect: {},
        jobs: [{ job_id: job.job_id, expect: { states: ['queued'] }, patch }],
      })
    }
    const ids = new Set(made.map(({ job }) => job.job_id))
    const reasons = async () =>
      (await allJobs({ state: 'parked', limit: 2 })).filter((one) => ids.has(one.job_id)).map((one) => one.last_error)
    await eventually(async () =>
      assert.deepEqual(await reasons(), ['reason 4', 'reason 3', 'reason 2', 'reason 1', 'reason 0']),
    )
    const [first] = made
    assert.ok(first)
    const { media_id, job } = first
    const patch = requeued(farOff)
    await given().commit({
      media_id,
      expect: {},
      jobs: [{ job_id: job.job_id, expect: { states: ['parked'] }, patch }],
    })
    await eventually(async () => assert.deepEqual(await reasons(), ['reason 4', 'reason 3', 'reason 2', 'reason 1']))
    assert.equal((await given().getJob(job.job_id))?.parked_at, null)
  })

  it('refuses a cursor of jobs that it did not make', async () => {
    for (const cursor of foreignCursors) {
      await assert.rejects(given().listJobs({ state: 'queued', limit: 1, cursor }), code('invalid_cursor'), cursor)
    }
  })

  it('tells since when the job of a lane that became due first has waited', async () => {
    // Far in the past, so that nobody else's jobs of a shared engine come before them.
    const origin = -2e9
    const { media_id, job } = await createdWithJob(given(), { lane: 'tasks-long', due_at: origin })
    await createdWithJob(given(), { lane: 'tasks-long', due_at: origin + 1 })
    await createdWithJob(given(), { lane: 'tasks', due_at: origin - 1 })
    await createdWithJob(given(), { lane: 'tasks-long', due_at: origin - 1, state: 'running' })
    await eventually(async () => assert.equal(await given().oldestDue('tasks-long'), origin))
    const change = (patch: Partial<Job>) =>
      given().commit({
        media_id,
        expect: {},
        jobs: [{ job_id: job.job_id, expect: { states: ['queued', 'running'] }, patch }],
      })
    await change({ state: 'running' })
    await eventually(async () => assert.equal(await given().oldestDue('tasks-long'), origin + 1))
    await change(requeued(origin - 5))
    await eventually(async () => assert.equal(await given().oldestDue('tasks-long'), origin - 5))
    await change({ lane: 'tasks' })
    await eventually(async () => assert.equal(await given().oldestDue('tasks'), origin - 5))
  })

  it('lists the jobs of a user that make outputs: those held, and those in flight, first made first', async () => {
    const user_id = someUser()
    const made: Record<string, string> = {}
    for (const [at, [name, fields]] of Object.entries({
      waits: { state: 'held' },
      second: { state: 'queued' },
      third: { state: 'running' },
      later: { state: 'held' },
      done: { state: 'done' },
      parked: { state: 'parked' },
      purge: { state: 'queued', kind: 'purge' },
    } satisfies Record<string, Partial<Job>>).entries()) {
      const record = someRecord({ user_id })
      const { media_id } = record
      const { kind = 'process', ...rest } = fields as Partial<Job>
      const job = { ...newJob({ media_id, user_id, kind, lane: 'tasks', now: at }), ...rest }
      await given().commit({ media_id, expect: { absent: true }, create: record, jobs: [{ create: job }] })
      made[job.job_id] = name
    }
    const names = async (held: boolean, limit = 10) =>
      (await given().userJobs(user_id, { held, limit })).map((job_id) => made[job_id])
    await eventually(async () => assert.deepEqual(await names(true), ['waits', 'later']))
    await eventually(async () => assert.deepEqual((await names(false)).sort(), ['second', 'third']))
    assert.deepEqual(await names(true, 1), ['waits'])
    assert.deepEqual(await given().userJobs(someUser(), { held: true, limit: 1 }), [])
    const idOf = (name: string) => Object.keys(made).find((job_id) => made[job_id] === name) ?? ''
    const move = async (name: string, from: JobState, patch: JobPatch) => {
      const job_id = idOf(name)
      const change = { job_id, expect: { states: [from] }, patch }
      await given().commit({ media_id: job_id.split('.')[0] ?? '', expect: {}, jobs: [change] })
    }
    await move('waits', 'held', released(5))
    await move('second', 'queued', { state: 'done' })
    await move('parked', 'parked', requeued(5))
    await move('third', 'running', { progress: 5 })
    await eventually(async () => assert.deepEqual(await names(true), ['later']))
    await eventually(async () => assert.deepEqual((await names(false)).sort(), ['parked', 'third', 'waits']))
  })

  it('counts what a user has, as it is made, grows and is deleted', async () => {
    const user_id = someUser()
    const usage = async () => await given().usageOf(user_id)
    assert.deepEqual(await usage(), { media: 0, bytes: 0 })
    const first = await created(given(), { user_id, file_size: 100 })
    const second = await created(given(), { user_id, status: 'uploading', upload: someUpload(null) })
    const third = await created(given(), { user_id, status: 'uploading', upload: someUpload(7) })
    await created(given(), { file_size: 9 })
    assert.deepEqual(await usage(), { media: 3, bytes: 107 })
    const commit = async (media_id: string, patch: MediaPatch) => await given().commit({ media_id, expect: {}, patch })
    await commit(second.media_id, { upload: someUpload(20) })
    await commit(third.media_id, { status: 'uploaded', file_size: 8 })
    await commit(first.media_id, { title: 'renamed' })
    assert.deepEqual(await usage(), { media: 3, bytes: 128 })
    const wrong = { media_id: first.media_id, expect: { version: 99 }, patch: { status: 'deleted' } } as const
    await assert.rejects(given().commit(wrong), code('conflict'))
    await commit(first.media_id, { status: 'deleted' })
    await commit(first.media_id, { temp_s3_url: null })
    assert.deepEqual(await usage(), { media: 2, bytes: 28 })
    await Promise.all(numbers(1, 30).map(() => created(given(), { user_id, file_size: 1 })))
    assert.deepEqual(await usage(), { media: 32, bytes: 58 })
  })

  it('keeps what a worker said last, until it expires', async () => {
    const worker_id = `host.1.${systemChance.uuid()}`
    const note: WorkerNote = {
      worker_id,
      started_at: 1,
      seen_at: farOff,
      expires_at: farOff + 500,
      concurrency: 2,
      jobs: [],
    }
    const mine = async (now: number) =>
      (await given().listWorkers(now, 1_000)).filter((one) => one.worker_id === worker_id)
    await given().noteWorker(note)
    assert.deepEqual(await mine(farOff), [note])
    const later: WorkerNote = {
      ...{ ...note, expires_at: farOff + 9_000 },
      jobs: [{ job_id: 'a.process', kind: 'process', progress: 3, seconds: 4 }],
    }
    await given().noteWorker(later)
    assert.deepEqual(await mine(farOff + 1_000), [later])
    assert.deepEqual(await mine(farOff + 9_000), [])
    await given().noteWorker({ ...later, expires_at: farOff })
    assert.deepEqual(await mine(farOff), [])
  })
}
