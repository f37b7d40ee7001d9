import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isClaimable, type Job, laneFor, newJob, nextSweep, requeued, viewOf } from './jobs.ts'
import { newRecord } from './record.ts'

const job = newJob({ media_id: 'm', user_id: 'u', kind: 'process', lane: 'tasks', now: 1_000 })
const record = newRecord({
  media_id: 'm',
  user_id: 'u',
  title: 't',
  media_type: 'image',
  upload_time: '2026-01-01T00:00:00.000Z',
  status: 'processing',
})

describe('jobs', () => {
  test('a new job is due at once and left alone by the sweeper for a while', () => {
    assert.equal(job.job_id, 'm.process')
    assert.ok(isClaimable(job, 1_000))
    assert.equal(job.sweep_at, 6_000)
  })

  test('a job is claimable when due, or when its lease has run out', () => {
    const running: Job = { ...job, state: 'running', lease_until: 5_000 }
    assert.ok(!isClaimable({ ...job, due_at: 2_000 }, 1_999))
    assert.ok(isClaimable({ ...job, due_at: 2_000 }, 2_000))
    assert.ok(!isClaimable(running, 4_999))
    assert.ok(isClaimable(running, 5_000))
    assert.ok(!isClaimable({ ...job, state: 'done' }, 9_000))
    assert.ok(!isClaimable({ ...job, state: 'parked' }, 9_000))
  })

  test('a queued job keeps its token, so that outputs never share a version', () => {
    assert.ok(!('token' in requeued(1_000)))
  })

  test('the sweeper’s interval doubles to ten minutes', () => {
    const intervals = [0, 1, 2, 7, 50].map((wakes) => nextSweep(0, wakes))
    assert.deepEqual(intervals, [5_000, 10_000, 20_000, 600_000, 600_000])
  })

  test('long films take the long lane, and nothing else does', () => {
    const gigabyte = 1024 ** 3
    assert.deepEqual(
      [laneFor('video', gigabyte), laneFor('video', 1_000), laneFor('image', gigabyte), laneFor('audio', gigabyte)],
      ['tasks-long', 'tasks', 'tasks', 'tasks'],
    )
  })

  test('progress is the job’s while processing, whole when processed, nothing otherwise', () => {
    assert.equal(viewOf(record, { ...job, progress: 42 }).progress, 42)
    assert.equal(viewOf({ ...record, status: 'processed' }, job).progress, 100)
    assert.equal(viewOf({ ...record, status: 'failed' }, { ...job, progress: 42 }).progress, 0)
  })
})
