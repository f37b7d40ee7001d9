import assert from 'node:assert/strict'
import { it } from 'node:test'
import { systemChance } from '../media/clock.ts'
import { type Job, newJob } from '../media/jobs.ts'
import type { EventDraft } from '../media/record.ts'
import {
  code,
  create,
  createdWithEvents,
  createdWithJob,
  eventually,
  foreignCursors,
  type Given,
  logEnd,
  numbers,
  readWholeLog,
  seqs,
  someRecord,
  someTime,
} from './conformance-kit.ts'

/** Jobs and the event log; part of the suite in `conformance.ts`. */

export function describeJobs(given: Given): void {
  it('writes a job with its record, and reads it back', async () => {
    const { media_id, job } = await createdWithJob(given())
    assert.deepEqual(await given().getJob(job.job_id), job)
    assert.deepEqual(await given().jobsOf(media_id), [job])
  })

  it('changes nothing at all when one job condition fails', async () => {
    const { record, media_id, job } = await createdWithJob(given())
    const change = {
      media_id,
      expect: { version: 1 },
      patch: { title: 'changed' },
      events: [{ type: 'media.updated', at: someTime(1) }] satisfies EventDraft[],
    }
    const second = newJob({ media_id, user_id: 'u', kind: 'purge', lane: 'tasks', now: 5 })
    const good = { job_id: job.job_id, expect: { states: ['queued'] }, patch: { attempts: 9 } } as const
    const failing = [
      { job_id: job.job_id, expect: { states: ['running'] }, patch: { attempts: 1 } },
      { job_id: job.job_id, expect: { states: ['queued'], token: 1 }, patch: { attempts: 1 } },
      { job_id: 'no such job', expect: { states: ['queued'] }, patch: { attempts: 1 } },
      { job_id: second.job_id, expect: { states: ['queued'] }, patch: { attempts: 1 } },
      { create: job },
    ] as const
    for (const last of failing) {
      await assert.rejects(given().commit({ ...change, jobs: [last] }), code('conflict'))
    }
    await assert.rejects(given().commit({ ...change, jobs: [good, { create: job }] }), code('conflict'))
    assert.deepEqual(await given().get(media_id), record)
    assert.deepEqual(await given().jobsOf(media_id), [job])
    assert.deepEqual(await given().timeline(media_id, 0, 10), [])
  })

  it('creates nothing when a job of the new record exists', async () => {
    const { job } = await createdWithJob(given())
    const other = someRecord()
    const change = {
      media_id: other.media_id,
      expect: { absent: true },
      create: other,
      jobs: [{ create: job }],
    } as const
    await assert.rejects(given().commit(change), code('conflict'))
    assert.equal(await given().get(other.media_id), null)
  })

  it('changes a job under its state and token, nulls included', async () => {
    const { media_id, job } = await createdWithJob(given(), { lease_until: 5, last_error: 'x', token: 3 })
    const patch = { state: 'done', sweep_at: null, lease_until: null, last_error: null, progress: 99.5 } as const
    const change = { job_id: job.job_id, expect: { states: ['running', 'queued'], token: 3 }, patch } as const
    await given().commit({ media_id, expect: {}, jobs: [change] })
    assert.deepEqual(await given().getJob(job.job_id), { ...job, ...patch })
    assert.equal((await given().get(media_id))?.version, 1)
  })

  it('renews while the job runs under the token, without a new version', async () => {
    const { media_id, job } = await createdWithJob(given(), { state: 'running', token: 2, lease_until: 1_000 })
    const beat = { job_id: job.job_id, token: 2, lease_until: 2_000, sweep_at: 2_001, progress: 40 }
    assert.equal(await given().renew(beat), true)
    assert.deepEqual(await given().getJob(job.job_id), {
      ...job,
      ...{ lease_until: 2_000, sweep_at: 2_001, progress: 40 },
    })
    assert.equal((await given().get(media_id))?.version, 1)
  })

  it('never shortens a lease: an overtaken heartbeat changes nothing', async () => {
    const { job } = await createdWithJob(given(), { state: 'running', token: 2, lease_until: 3_000, progress: 50 })
    const beat = { job_id: job.job_id, token: 2, lease_until: 2_000, sweep_at: 2_000, progress: 40 }
    assert.equal(await given().renew(beat), true)
    assert.deepEqual(await given().getJob(job.job_id), job)
  })

  it('does not renew another token, a job that is over, queued again, or unknown', async () => {
    const beat = { lease_until: 9_000, sweep_at: 9_000, progress: 1 }
    const running = await createdWithJob(given(), { state: 'running', token: 2, lease_until: 1_000 })
    for (const token of [1, 3]) {
      assert.equal(await given().renew({ job_id: running.job.job_id, token, ...beat }), false)
    }
    for (const state of ['queued', 'done', 'parked'] as const) {
      const { job } = await createdWithJob(given(), { state, token: 2, lease_until: null, sweep_at: null })
      assert.equal(await given().renew({ job_id: job.job_id, token: 2, ...beat }), false)
      assert.deepEqual(await given().getJob(job.job_id), job)
    }
    assert.equal(await given().renew({ job_id: systemChance.uuid(), token: 0, ...beat }), false)
    assert.deepEqual(await given().getJob(running.job.job_id), running.job)
  })

  it('finds due jobs oldest first, and only those not over whose time has come', async () => {
    // Far in the past, so that nobody else's jobs of a shared engine come before them.
    const origin = -1e9
    const made: Record<string, string> = {}
    for (const [name, fields] of Object.entries({
      third: { sweep_at: origin + 30, state: 'queued' },
      first: { sweep_at: origin + 10, state: 'running' },
      second: { sweep_at: origin + 20, state: 'queued' },
      later: { sweep_at: origin + 31, state: 'queued' },
      done: { sweep_at: origin + 1, state: 'done' },
      parked: { sweep_at: origin + 1, state: 'parked' },
      held: { sweep_at: origin + 25, state: 'held' },
      never: { sweep_at: null, state: 'running' },
    } satisfies Record<string, Partial<Job>>)) {
      made[(await createdWithJob(given(), fields as Partial<Job>)).job.job_id] = name
    }
    const names = async (limit: number) =>
      (await given().dueJobs(origin + 30, limit)).map(({ job_id }) => made[job_id] ?? job_id)
    await eventually(async () => assert.deepEqual(await names(10), ['first', 'second', 'held', 'third']))
    await eventually(async () => assert.deepEqual(await names(2), ['first', 'second']))
  })

  it('counts jobs by state as they are made and moved', async () => {
    const before = await given().countJobs()
    const { media_id, job } = await createdWithJob(given())
    await createdWithJob(given(), { state: 'parked' })
    const patch = { state: 'running', token: 1 } as const
    await given().commit({
      media_id,
      expect: {},
      jobs: [{ job_id: job.job_id, expect: { states: ['queued'] }, patch }],
    })
    const done = { job_id: job.job_id, expect: { states: ['running'] }, patch: { state: 'done' } } as const
    const missing = { job_id: 'no such job', expect: { states: ['queued'] }, patch: {} } as const
    await assert.rejects(given().commit({ media_id, expect: {}, jobs: [done, missing] }), code('conflict'))
    const expected = { ...before, running: before.running + 1, parked: before.parked + 1 }
    await eventually(async () => assert.deepEqual(await given().countJobs(), expected))
  })
}

export function describeEvents(given: Given): void {
  it('gives events their place, their id and the owner, in the order of the commit', async () => {
    const record = someRecord()
    const drafts: EventDraft[] = [
      { type: 'media.uploaded', at: someTime(1), data: { nested: { list: [1, null, 'x'] } } },
      { type: 'media.processing', at: someTime(2) },
    ]
    const { events } = await create(given(), record, drafts)
    const { media_id, user_id } = record
    assert.deepEqual(events, [
      { ...drafts[0], event_id: `${media_id}.1`, media_id, user_id, seq: 1 },
      { ...drafts[1], event_id: `${media_id}.2`, media_id, user_id, seq: 2, data: {} },
    ])
    const more = await given().commit({ media_id, expect: {}, events: [{ type: 'media.failed', at: someTime(3) }] })
    assert.deepEqual([seqs(more.events), more.record.version], [[3], 1])
    assert.deepEqual(await given().timeline(media_id, 0, 10), [...events, ...more.events])
  })

  it('pages through a timeline', async () => {
    const { media_id } = await createdWithEvents(given(), 7)
    assert.deepEqual(seqs(await given().timeline(media_id, 0, 3)), [1, 2, 3])
    assert.deepEqual(seqs(await given().timeline(media_id, 3, 3)), [4, 5, 6])
    assert.deepEqual(seqs(await given().timeline(media_id, 6, 3)), [7])
    assert.deepEqual(seqs(await given().timeline(media_id, 7, 3)), [])
  })

  it('reads the log from the beginning, each media in order, each event once', async () => {
    const made = await Promise.all([3, 5, 1].map((count) => createdWithEvents(given(), count)))
    await eventually(async () => {
      const all = await readWholeLog(given(), null, 4)
      assert.equal(new Set(all.map(({ event_id }) => event_id)).size, all.length)
      for (const { media_id, count } of made) {
        assert.deepEqual(seqs(all.filter((event) => event.media_id === media_id)), numbers(1, count))
      }
    })
  })

  it('goes on after a cursor with what came later, and keeps the cursor while nothing comes', async () => {
    await createdWithEvents(given(), 2)
    const end = await logEnd(given())
    assert.deepEqual(await given().readLog(end, 10), { events: [], cursor: end })
    const { media_id } = await createdWithEvents(given(), 3)
    await eventually(async () => {
      const found = (await readWholeLog(given(), end, 2)).filter((event) => event.media_id === media_id)
      assert.deepEqual(seqs(found), [1, 2, 3])
    })
  })

  it('knows the end of the log, behind which only later events come', async () => {
    await createdWithEvents(given(), 2)
    await logEnd(given())
    const end = await given().logEnd()
    assert.deepEqual(await given().readLog(end, 10), { events: [], cursor: end })
    const { media_id } = await createdWithEvents(given(), 1)
    await eventually(async () => {
      const found = await readWholeLog(given(), end, 2)
      assert.deepEqual(
        found.map((event) => event.media_id),
        [media_id],
      )
    })
  })

  it('refuses a cursor it did not make', async () => {
    for (const cursor of foreignCursors)
      await assert.rejects(given().readLog(cursor, 1), code('invalid_cursor'), cursor)
  })
}
