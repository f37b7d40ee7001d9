import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { systemChance } from '../media/clock.ts'
import { codeOf } from '../media/errors.ts'
import { type Job, type JobState, jobStates, newJob } from '../media/jobs.ts'
import { type MediaRecord, newRecord, type Status } from '../media/record.ts'
import type { Commit, JobChange, Metadata } from './port.ts'

/** Random commits and heartbeats on a few media, beside the plainest model of what they should do. */
export function describeModel(given: () => Metadata): void {
  it('does what a plain model does with random commits', async () => {
    const property = fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 25 }), async (operations) => {
      const scene = newScene()
      for (const one of operations) await play(given(), scene, one)
      for (const [media_id, model] of scene.media) await compare(given(), media_id, model)
    })
    await fc.assert(property, { numRuns: 60 })
  })
}

interface Model {
  record: MediaRecord | null
  jobs: Map<string, Job>
  events: { type: string; data: unknown }[]
}

interface Scene {
  ids: string[]
  media: Map<string, Model>
}

function newScene(): Scene {
  const ids = [systemChance.uuid(), systemChance.uuid()]
  return { ids, media: new Map(ids.map((id) => [id, { record: null, jobs: new Map(), events: [] }])) }
}

const status = fc.constantFrom<Status>('uploaded', 'processing', 'processed', 'failed')
const state = fc.constantFrom<JobState>(...jobStates)
const maybe = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: undefined })
const nullable = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: null })

const jobChange = fc.record({
  kind: fc.constantFrom('process', 'purge'),
  create: fc.boolean(),
  states: fc.subarray([...jobStates]),
  token: maybe(fc.nat(2)),
  patch: fc.record(
    { state, token: fc.nat(2), lease_until: nullable(fc.nat(50)), last_error: nullable(fc.string()) },
    { requiredKeys: [] },
  ),
})

const operation = fc.oneof(
  fc.record({
    do: fc.constant('commit'),
    media: fc.nat(1),
    absent: fc.boolean(),
    version: maybe(fc.integer({ min: 1, max: 4 })),
    statuses: maybe(fc.subarray<Status>(['uploaded', 'processing', 'processed', 'failed'])),
    patch: maybe(
      fc.record(
        { title: fc.string({ unit: 'grapheme' }), status, etag: nullable(fc.string()), width: nullable(fc.nat()) },
        { requiredKeys: [] },
      ),
    ),
    // A job changes once in a commit: engines refuse two writes to one row.
    jobs: fc.uniqueArray(jobChange, { maxLength: 2, selector: ({ kind }) => kind }),
    events: fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { maxLength: 2 }),
  }),
  fc.record({
    do: fc.constant('renew'),
    media: fc.nat(1),
    kind: fc.constantFrom('process', 'purge'),
    token: fc.nat(2),
    lease_until: fc.nat(50),
    progress: fc.nat(100),
  }),
)
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never
type CommitOperation = Extract<Operation, { jobs: unknown }>
type RenewOperation = Exclude<Operation, { jobs: unknown }>

async function play(metadata: Metadata, scene: Scene, one: Operation): Promise<void> {
  const media_id = scene.ids[one.media] ?? ''
  const model = scene.media.get(media_id)
  assert.ok(model)
  if ('jobs' in one) await playCommit(metadata, scene, { media_id, model }, commitOf(media_id, one))
  else await playRenew(metadata, model, media_id, one)
}

async function playCommit(metadata: Metadata, scene: Scene, at: { media_id: string; model: Model }, change: Commit) {
  const next = predict(at.model, change)
  const outcome = await metadata.commit(change).catch((error) => codeOf(error))
  if (!next) return assert.equal(outcome, 'conflict')
  assert.ok(typeof outcome === 'object', `refused with ${outcome}: ${JSON.stringify(change)}`)
  assert.deepEqual(outcome.record, next.record)
  const before = at.model.events.length
  assert.deepEqual(
    outcome.events.map(({ seq }) => seq),
    (change.events ?? []).map((_, index) => before + 1 + index),
  )
  scene.media.set(at.media_id, next)
}

async function playRenew(metadata: Metadata, model: Model, media_id: string, one: RenewOperation): Promise<void> {
  const { token, lease_until, progress } = one
  const job_id = `${media_id}.${one.kind}`
  const job = model.jobs.get(job_id)
  const holds = job?.state === 'running' && job.token === token
  assert.equal(await metadata.renew({ job_id, token, lease_until, sweep_at: lease_until, progress }), holds)
  if (holds && (job.lease_until ?? 0) <= lease_until) {
    model.jobs.set(job_id, { ...job, lease_until, sweep_at: lease_until, progress })
  }
}

function commitOf(media_id: string, one: CommitOperation): Commit {
  const { absent, version, statuses, patch } = one
  const jobs = one.jobs.map((job): JobChange => {
    const created = newJob({ media_id, user_id: 'u', kind: job.kind as Job['kind'], lane: 'tasks', now: 7 })
    if (job.create) return { create: created }
    const expect = { states: job.states, ...(job.token === undefined ? {} : { token: job.token }) }
    return { job_id: created.job_id, expect, patch: job.patch }
  })
  const at = '2026-01-01T00:00:00.000Z'
  const events = one.events.map((data) => ({
    type: 'media.updated' as const,
    at,
    data: JSON.parse(JSON.stringify(data)),
  }))
  if (absent) {
    const fields = {
      media_id,
      user_id: 'u',
      title: 't',
      media_type: 'video',
      upload_time: at,
      status: 'uploaded',
    } as const
    return { media_id, expect: { absent }, create: newRecord(fields), jobs, events }
  }
  const expect = { ...(version === undefined ? {} : { version }), ...(statuses ? { status: statuses } : {}) }
  return { media_id, expect, ...(patch ? { patch } : {}), jobs, events }
}

/** The state after the commit, or null when it must be refused. */
function predict(model: Model, change: Commit): Model | null {
  const record = predictRecord(model.record, change)
  const jobs = predictJobs(model.jobs, change.jobs ?? [])
  if (!record || !jobs) return null
  return { record, jobs, events: [...model.events, ...(change.events ?? []).map(({ type, data }) => ({ type, data }))] }
}

function predictRecord(record: MediaRecord | null, { expect, create, patch }: Commit): MediaRecord | null {
  if (expect.absent) return record ? null : (create ?? null)
  if (!record) return null
  if (expect.version !== undefined && expect.version !== record.version) return null
  if (expect.status && !expect.status.includes(record.status)) return null
  return patch ? { ...record, ...patch, version: record.version + 1 } : record
}

function predictJobs(jobs: Map<string, Job>, changes: readonly JobChange[]): Map<string, Job> | null {
  const next = new Map(jobs)
  for (const change of changes) {
    if ('create' in change) {
      if (next.has(change.create.job_id)) return null
      next.set(change.create.job_id, change.create)
      continue
    }
    const { states, token } = change.expect
    const job = next.get(change.job_id)
    if (!job || !states.includes(job.state) || (token !== undefined && token !== job.token)) return null
    next.set(change.job_id, { ...job, ...change.patch })
  }
  return next
}

async function compare(metadata: Metadata, media_id: string, { record, jobs, events }: Model): Promise<void> {
  assert.deepEqual(await metadata.get(media_id), record)
  const found = await metadata.jobsOf(media_id)
  assert.deepEqual(new Map(found.map((job) => [job.job_id, job])), jobs)
  const timeline = await metadata.timeline(media_id, 0, 100)
  assert.deepEqual(
    timeline.map(({ type, data }) => ({ type, data })),
    events,
  )
  assert.deepEqual(
    timeline.map(({ seq }) => seq),
    events.map((_, index) => index + 1),
  )
}
