import { type Static, Type } from 'typebox'
import { nullable } from './nullable.ts'

/** The work, as operators see it. */

const Time = Type.String({ format: 'date-time' })
const Lane = Type.Enum(['tasks', 'tasks-long'])
const Percent = Type.Number({ minimum: 0, maximum: 100 })
const Count = (description: string) => Type.Integer({ minimum: 0, description })

const LaneState = Type.Object(
  {
    depth: Count('Wake-ups not yet acknowledged.'),
    oldest_due_at: nullable(Type.String({ format: 'date-time', description: 'Null when none waits.' })),
    oldest_due_seconds: Type.Number({
      minimum: 0,
      description: 'How long the job has been due that has been due longest.',
    }),
  },
  { additionalProperties: false },
)

export const QueueState = Type.Object(
  {
    lanes: Type.Object({ tasks: LaneState, 'tasks-long': LaneState }, { additionalProperties: false }),
    jobs: Type.Object(
      {
        held: Count('Waiting until their user has room for them: see `QUOTA_JOBS`.'),
        queued: Count('Waiting for a worker, or for their time.'),
        running: Count('Being done.'),
        parked: Count('Dead letters: nobody tries them again by itself.'),
      },
      { additionalProperties: false },
    ),
  },
  { title: 'QueueState', additionalProperties: false, description: 'How far behind the service is.' },
)
export type QueueState = Static<typeof QueueState>

const Fault = Type.Enum(['service', 'file'], {
  description: 'Whose it is: a file that is bad is its owner’s matter.',
})

export const Job = Type.Object(
  {
    job_id: Type.String(),
    media_id: Type.String({ format: 'uuid' }),
    user_id: Type.String(),
    kind: Type.String({ description: '`process`, `purge`, `tidy`, `expire`…' }),
    lane: Lane,
    state: Type.Enum(['held', 'queued', 'running', 'done', 'parked']),
    attempts: Count('Times it was begun since it was queued.'),
    progress: Percent,
    created_at: Time,
    due_at: Type.String({ format: 'date-time', description: 'Not begun before.' }),
    lease_until: nullable(
      Type.String({ format: 'date-time', description: 'While it runs: when another may take it.' }),
    ),
    worker_id: nullable(Type.String({ description: 'Who does it, or did it last.' })),
    parked_at: nullable(Time),
    fault: nullable(Fault),
    reason: nullable(Type.String({ description: 'Why its last attempt failed: a code, and words for the operator.' })),
  },
  { title: 'Job', additionalProperties: false, description: 'A piece of work on a media.' },
)
export type Job = Static<typeof Job>

export const JobPage = Type.Object(
  { items: Type.Array(Job), next_cursor: nullable(Type.String()) },
  { title: 'JobPage', additionalProperties: false, description: 'A page may be short and still have a `next_cursor`.' },
)
export type JobPage = Static<typeof JobPage>

export const Worker = Type.Object(
  {
    worker_id: Type.String(),
    started_at: Time,
    seen_at: Type.String({ format: 'date-time', description: 'When it was heard of last.' }),
    concurrency: Count('Jobs it does at a time; half as many long ones beside them.'),
    jobs: Type.Array(
      Type.Object(
        {
          job_id: Type.String(),
          kind: Type.String(),
          progress: Percent,
          seconds: Type.Number({ minimum: 0, description: 'Since it was begun.' }),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { title: 'Worker', additionalProperties: false },
)
export type Worker = Static<typeof Worker>

export const WorkerList = Type.Object(
  { items: Type.Array(Worker) },
  { title: 'WorkerList', additionalProperties: false, description: 'Workers heard of in the last twenty seconds.' },
)
export type WorkerList = Static<typeof WorkerList>

const limit = Type.Optional(
  Type.Integer({ minimum: 1, maximum: 100, default: 20, description: 'Items a page, at most.' }),
)
const cursor = Type.Optional(
  Type.String({ minLength: 1, maxLength: 4096, description: '`next_cursor` of the page before.' }),
)

export const ListJobs = Type.Object({
  limit,
  cursor,
  state: Type.Optional(
    Type.Enum(['running', 'queued', 'held'], {
      description: 'Without it those running, then those queued, then those held.',
    }),
  ),
})

export const ListDeadLetters = Type.Object({ limit, cursor, fault: Type.Optional(Fault) })

export const JobParams = Type.Object({ job_id: Type.String({ minLength: 1, maxLength: 300 }) })
