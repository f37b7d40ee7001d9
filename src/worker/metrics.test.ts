import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openVirtualClock, seededRandom } from '../../simulation/clock.ts'
import { type Clock, systemClock } from '../media/clock.ts'
import { newJob } from '../media/jobs.ts'
import { type Log, silentLog } from '../media/log.ts'
import { openMetrics } from './metrics.ts'

const newJobOf = (media_id: string, now: number) =>
  newJob({ media_id, user_id: 'ada', kind: 'process', lane: 'tasks', now })
const deep = async () => ({ tasks: 3, 'tasks-long': 1 })

function valueOf(text: string, series: string): number | null {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `))
  return line === undefined ? null : Number(line.split(' ').at(-1))
}

describe('metrics', () => {
  test('tell what runs, how attempts ended, and how much waits', async () => {
    const clock: Clock = { ...systemClock, sleep: (_ms, signal) => systemClock.sleep(20, signal) }
    const metrics = openMetrics({ queue: { depth: deep }, clock, log: silentLog })
    metrics.watch.wakeUp('tasks', true)
    metrics.watch.wakeUp('tasks-long', false)
    const first = metrics.watch.begin(newJobOf('m1', 0))
    const second = metrics.watch.begin(newJobOf('m2', 0))
    const third = metrics.watch.begin(newJobOf('m3', 0))
    first.progress(40)
    second.progress(20)
    second.renewed()
    third.end('lost')
    const text = await metrics.text()
    assert.equal(valueOf(text, 'media_jobs_running{kind="process"}'), 2)
    assert.equal(valueOf(text, 'media_job_progress{kind="process"}'), 30)
    assert.equal(valueOf(text, 'media_jobs_total{kind="process",outcome="lost"}'), 1)
    assert.equal(valueOf(text, 'media_job_seconds_count{kind="process"}'), 1)
    assert.equal(valueOf(text, 'media_lease_renewals_total'), 1)
    assert.equal(valueOf(text, 'media_lease_losses_total'), 1)
    assert.equal(valueOf(text, 'media_wake_ups_total{lane="tasks-long",use="ignored"}'), 1)
    assert.equal(valueOf(text, 'media_queue_depth{lane="tasks"}'), 3)
    assert.ok((valueOf(text, 'process_resident_memory_bytes') ?? 0) > 0)
    assert.deepEqual(
      metrics.running().map(({ job_id, progress }) => [job_id, progress]),
      [
        ['m1.process', 40],
        ['m2.process', 20],
      ],
    )
    await metrics.stop()
  })

  test('tell of uploads, of what making them took, and of what waits in all processes', async () => {
    const clock: Clock = { ...systemClock, now: () => 50_000, sleep: (_ms, signal) => systemClock.sleep(20, signal) }
    const metadata = {
      countJobs: async () => ({ held: 4, queued: 2, running: 1, done: 9, parked: 3 }),
      oldestDue: async (lane: string) => (lane === 'tasks' ? 20_000 : null),
      listWorkers: async () => [],
    }
    const metrics = openMetrics({ queue: { depth: deep }, metadata, clock, log: silentLog })
    const { observed } = metrics
    observed.uploaded({ media_type: 'video', file_size: 700, upload: null })
    const steps = { fetch: 0.1, make: 2, store: 0.3 }
    observed.made({ media_type: 'video', steps, duration: 10, bytes: 500 })
    observed.made({ media_type: 'image', steps, duration: null, bytes: 5 })
    observed.served('memory')
    observed.answered('GET /api/media', 404, 0.01)
    const text = await metrics.text()
    assert.equal(valueOf(text, 'media_uploads_total{door="whole",type="video"}'), 1)
    assert.equal(valueOf(text, 'media_upload_bytes_total{type="video"}'), 700)
    assert.equal(valueOf(text, 'media_output_bytes_total{type="video"}'), 500)
    assert.equal(valueOf(text, 'media_step_seconds_sum{step="make",type="video"}'), 2)
    assert.equal(valueOf(text, 'media_encode_speed_sum{type="video"}'), 5)
    assert.equal(valueOf(text, 'media_encode_speed_sum{type="image"}'), null)
    assert.equal(valueOf(text, 'media_edge_replies_total{from="memory"}'), 1)
    assert.equal(valueOf(text, 'media_request_seconds_count{route="GET /api/media",status="4xx"}'), 1)
    assert.equal(valueOf(text, 'media_jobs{state="held"}'), 4)
    assert.equal(valueOf(text, 'media_jobs{state="done"}'), null)
    assert.equal(valueOf(text, 'media_queue_oldest_seconds{lane="tasks"}'), 30)
    assert.equal(valueOf(text, 'media_queue_oldest_seconds{lane="tasks-long"}'), 0)
    assert.equal(valueOf(text, 'media_workers'), 0)
    await metrics.stop()
  })

  test('answer without the depth of a queue that does not tell it', async () => {
    const clock: Clock = { ...systemClock, sleep: (_ms, signal) => systemClock.sleep(20, signal) }
    const metrics = openMetrics({ queue: { depth: () => new Promise(() => {}) }, clock, log: silentLog })
    const text = await metrics.text()
    assert.equal(valueOf(text, 'media_queue_depth{lane="tasks"}'), null)
    assert.equal(valueOf(text, 'media_jobs_running{kind="purge"}'), 0)
    await metrics.stop()
  })

  test('a line in the log says what is being done, and none while nothing is', async () => {
    const clock = openVirtualClock(1_000_000, seededRandom(5))
    const lines: object[] = []
    const log: Log = { ...silentLog, info: (fields) => lines.push(fields) }
    const { watch } = openMetrics({ queue: { depth: deep }, clock, log })
    await clock.run({ until: 1_031_000 })
    assert.deepEqual(lines, [])
    const job = watch.begin(newJobOf('m1', clock.now()))
    job.progress(12.7)
    await clock.run({ until: 1_061_000 })
    assert.deepEqual(lines, [{ jobs: [{ job_id: 'm1.process', kind: 'process', progress: 12, seconds: 30 }] }])
    job.end('done')
    await clock.run({ until: 1_100_000 })
    assert.equal(lines.length, 1)
  })
})
