import {
  type Job,
  JobPage,
  JobParams,
  Job as JobSchema,
  ListDeadLetters,
  ListJobs,
  QueueState,
  WorkerList,
} from '../../../contract/operations.ts'
import { faultOf, type LaneReport, type Operations } from '../../library/operations.ts'
import { type Clock, isoTime } from '../../media/clock.ts'
import type { Job as Row } from '../../media/jobs.ts'
import type { App } from '../deps.ts'
import { demandOperator } from '../operators.ts'
import { refusals } from './schemas.ts'

const tags = ['operations']
const pageSize = 20
const paged = refusals('unauthenticated', 'not_operator', 'invalid_request', 'invalid_cursor')

/** How the work goes, and what got stuck; for operators. */
export function operationsRoutes(app: App, given: { operations: Operations; clock: Clock }): void {
  workRoutes(app, given)
  deadLetterRoutes(app, given)
}

function workRoutes(app: App, { operations, clock }: { operations: Operations; clock: Clock }): void {
  const onRequest = demandOperator
  app.get(
    '/api/operations/queue',
    {
      onRequest,
      schema: {
        ...{ tags, operationId: 'getQueue', summary: 'How far behind the service is' },
        description: 'Wake-ups by lane and jobs by state, of the whole service.',
        response: { 200: QueueState, ...refusals('unauthenticated', 'not_operator') },
      },
    },
    async () => {
      const { lanes, jobs } = await operations.queue()
      const laneOf = (report: LaneReport) => wireOfLane(report, clock.now())
      const { held, queued, running, parked } = jobs
      const both = { tasks: laneOf(lanes.tasks), 'tasks-long': laneOf(lanes['tasks-long']) }
      return { lanes: both, jobs: { held, queued, running, parked } }
    },
  )
  app.get(
    '/api/operations/jobs',
    {
      onRequest,
      schema: {
        ...{ tags, operationId: 'listJobs', summary: 'Jobs that run, and jobs that wait' },
        description: 'Those that the service looks at again next come first.',
        querystring: ListJobs,
        response: { 200: JobPage, ...paged },
      },
    },
    async ({ query }) => wireOfPage(await operations.jobs({ limit: pageSize, ...query })),
  )
  app.get(
    '/api/operations/workers',
    {
      onRequest,
      schema: {
        ...{ tags, operationId: 'listWorkers', summary: 'Workers that live' },
        description: 'Those heard of in the last twenty seconds, and what each does.',
        response: { 200: WorkerList, ...refusals('unauthenticated', 'not_operator') },
      },
    },
    async () => {
      const notes = await operations.workers()
      const items = notes.map(({ worker_id, started_at, seen_at, concurrency, jobs }) => ({
        ...{ worker_id, started_at: isoTime(started_at), seen_at: isoTime(seen_at), concurrency, jobs },
      }))
      return { items }
    },
  )
}

function deadLetterRoutes(app: App, { operations }: { operations: Operations }): void {
  const onRequest = demandOperator
  app.get(
    '/api/operations/dead-letters',
    {
      onRequest,
      schema: {
        ...{ tags, operationId: 'listDeadLetters', summary: 'Jobs that nobody tries again' },
        description:
          'Those parked last come first; `reason` says why. A page may be short and still have a `next_cursor`.',
        querystring: ListDeadLetters,
        response: { 200: JobPage, ...paged },
      },
    },
    async ({ query }) => wireOfPage(await operations.deadLetters({ limit: pageSize, ...query })),
  )
  app.post(
    '/api/operations/dead-letters/:job_id/replay',
    {
      onRequest,
      schema: {
        ...{ tags, operationId: 'replayDeadLetter', summary: 'Have a parked job tried again' },
        description: 'Its attempts are counted from nothing; its media is `uploaded` again.',
        params: JobParams,
        response: {
          202: JobSchema,
          ...refusals(
            'unauthenticated',
            'not_operator',
            'not_found',
            'wrong_state',
            'raw_expired',
            'conflict',
            'storage_full',
          ),
        },
      },
    },
    async ({ params }, reply) => await reply.code(202).send(wireOf(await operations.replay(params.job_id))),
  )
}

function wireOfLane({ depth, oldest_due_at }: LaneReport, now: number): QueueState['lanes']['tasks'] {
  if (oldest_due_at === null) return { depth, oldest_due_at: null, oldest_due_seconds: 0 }
  const oldest_due_seconds = Math.max(0, (now - oldest_due_at) / 1_000)
  return { depth, oldest_due_at: isoTime(oldest_due_at), oldest_due_seconds }
}

function wireOfPage({ items, next_cursor }: { items: Row[]; next_cursor: string | null }): JobPage {
  return { items: items.map(wireOf), next_cursor }
}

function wireOf(row: Row): Job {
  const time = (ms: number | null) => (ms === null ? null : isoTime(ms))
  const { job_id, media_id, user_id, kind, lane, state, attempts, progress, last_error, worker } = row
  return {
    ...{ job_id, media_id, user_id, kind, lane, state, attempts, progress },
    ...{ created_at: isoTime(row.created_at), due_at: isoTime(row.due_at), lease_until: time(row.lease_until) },
    ...{ worker_id: worker, parked_at: time(row.parked_at), reason: last_error },
    fault: state === 'parked' ? faultOf(row) : null,
  }
}
