import { type Static, Type } from 'typebox'
import { nullable } from './nullable.ts'

/** The work, as operators see it. */

const Time = (description: string) => Type.String({ format: 'date-time', description })
const Lane = Type.Enum(['tasks', 'tasks-long'], {
  description: '`tasks-long` holds what takes long, so that nothing short waits behind it.',
})
const Percent = Type.Number({ minimum: 0, maximum: 100, description: 'Percent of it that is done.' })
const JobId = { description: 'Name of the job.' }
const Next = nullable(Type.String({ description: 'Give it back as `cursor` for the next page; null at the end.' }))
const Count = (description: string) => Type.Integer({ minimum: 0, description })

const LaneState = Type.Object(
  {
    depth: Count('Wake-ups not yet acknowledged.'),
    oldest_due_at: nullable(Time('Since when the oldest has been due; null when none waits.')),
    oldest_due_seconds: Type.Number({
      minimum: 0,
      description: 'How long the job has been due that has been due longest.',
    }),
  },
  { additionalProperties: false, description: 'What waits in this lane.' },
)

export const QueueState = Type.Object(
  {
    lanes: Type.Object(
      { tasks: LaneState, 'tasks-long': LaneState },
      { additionalProperties: false, description: 'Short work and long work, each in a lane of its own.' },
    ),
    jobs: Type.Object(
      {
        held: Count('Waiting until their user has room for them: see `QUOTA_JOBS`.'),
        queued: Count('Waiting for a worker, or for their time.'),
        running: Count('Being done.'),
        parked: Count('Dead letters: nobody tries them again by itself.'),
      },
      { additionalProperties: false, description: 'Jobs by what becomes of them now.' },
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
    job_id: Type.String(JobId),
    media_id: Type.String({ format: 'uuid', description: 'What it is done to.' }),
    user_id: Type.String({ description: 'Whose that is.' }),
    kind: Type.String({ description: '`process`, `purge`, `tidy`, `expire`…' }),
    lane: Lane,
    state: Type.Enum(['held', 'queued', 'running', 'done', 'parked'], {
      description: '`held` until its user has room, `queued` for a worker, `parked` when nobody tries it any more.',
    }),
    attempts: Count('Times it was begun since it was queued.'),
    progress: Percent,
    created_at: Time('When it was asked for.'),
    due_at: Type.String({ format: 'date-time', description: 'Not begun before.' }),
    lease_until: nullable(
      Type.String({ format: 'date-time', description: 'While it runs: when another may take it.' }),
    ),
    worker_id: nullable(Type.String({ description: 'Who does it, or did it last.' })),
    parked_at: nullable(Time('When it was given up; null while it is not.')),
    fault: nullable(Fault),
    reason: nullable(Type.String({ description: 'Why its last attempt failed: a code, and words for the operator.' })),
  },
  { title: 'Job', additionalProperties: false, description: 'A piece of work on a media.' },
)
export type Job = Static<typeof Job>

export const JobPage = Type.Object(
  { items: Type.Array(Job, { description: 'The jobs of this page.' }), next_cursor: Next },
  { title: 'JobPage', additionalProperties: false, description: 'A page may be short and still have a `next_cursor`.' },
)
export type JobPage = Static<typeof JobPage>

export const Worker = Type.Object(
  {
    worker_id: Type.String({ description: 'Machine and process.' }),
    started_at: Time('When it began.'),
    seen_at: Type.String({ format: 'date-time', description: 'When it was heard of last.' }),
    concurrency: Count('Jobs it does at a time; half as many long ones beside them.'),
    jobs: Type.Array(
      Type.Object(
        {
          job_id: Type.String(JobId),
          kind: Type.String({ description: 'As of the job.' }),
          progress: Percent,
          seconds: Type.Number({ minimum: 0, description: 'Since it was begun.' }),
        },
        { additionalProperties: false },
      ),
      { description: 'What it does now.' },
    ),
  },
  { title: 'Worker', additionalProperties: false },
)
export type Worker = Static<typeof Worker>

export const WorkerList = Type.Object(
  { items: Type.Array(Worker, { description: 'Those that live.' }) },
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

export const JobParams = Type.Object({
  job_id: Type.String({ minLength: 1, maxLength: 300, description: 'Name of the job, out of the dead letters.' }),
})
