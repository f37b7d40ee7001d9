import { type ReactNode, useEffect, useState } from 'react'
import { noteError } from '../api/session.ts'
import { library } from '../library/library.ts'
import { useStore } from '../store.ts'
import { Button } from '../ui/button.tsx'
import { Icon } from '../ui/icons.tsx'
import { Link } from '../ui/link.tsx'
import { Empty, Progress, Spinner } from '../ui/parts.tsx'
import { explain, sizeOf, spanOf } from '../words.ts'
import { DeadLetters } from './dead-letters.tsx'
import { type Fault, type Figures, type Readiness, readFigures, type Worker } from './figures.ts'
import '../styles/media.css'
import '../styles/operations.css'

const every = 3_000

/** How the service does, for who runs it. */
export function OperationsPage() {
  const [figures, setFigures] = useState<Figures | null>(null)
  const [problem, setProblem] = useState<string | null>(null)
  const [asked, setAsked] = useState(0)
  const [fault, setFault] = useState<Fault>('service')

  useEffect(() => {
    document.title = 'Operations · Media'
    const stop = new AbortController()
    let timer: ReturnType<typeof setTimeout>
    const look = async () => {
      if (!document.hidden) {
        try {
          setFigures(await readFigures(stop.signal, fault))
          setProblem(null)
        } catch (error) {
          if (stop.signal.aborted) return
          noteError(error)
          setProblem(explain(error))
        }
      }
      if (!stop.signal.aborted) timer = setTimeout(look, every)
    }
    void look()
    return () => {
      stop.abort()
      clearTimeout(timer)
    }
  }, [asked, fault])

  if (!figures) {
    if (!problem) return <Spinner label="Loading" />
    return (
      <Empty whole icon="pulse" title="Operations cannot be shown">
        <p>{problem}</p>
        <Button icon="retry" onClick={() => setAsked(asked + 1)}>
          Try again
        </Button>
      </Empty>
    )
  }
  return (
    <div className="operations">
      <div className="operations-head">
        <h1>Operations</h1>
        <span className="muted">{problem ?? 'As it is now, looked at every three seconds'}</span>
      </div>
      <Health readiness={figures.readiness} />
      <Tiles figures={figures} />
      {figures.workers && <Workers workers={figures.workers} />}
      {figures.dead && (
        <DeadLetters {...figures.dead} fault={fault} onFault={setFault} onChange={() => setAsked(asked + 1)} />
      )}
    </div>
  )
}

const rooms: Record<string, string> = {
  metadata: 'Metadata',
  queue: 'Queue',
  objects: 'Object store',
  cdn: 'Delivery',
  sandbox: 'Sandbox',
}

function Health({ readiness: { ready, checks, drivers } }: { readiness: Readiness }) {
  const names = [...new Set([...Object.keys(checks), ...Object.keys(drivers)])]
  return (
    <section className="box health" aria-labelledby="health">
      <h2 id="health">
        <span className={`status ${ready ? 'processed' : 'failed'}`}>
          <span className="dot" aria-hidden="true" />
          {ready ? 'Ready' : 'Not ready'}
        </span>
        {ready ? 'Uploads are taken' : 'Uploads are refused until this is mended'}
      </h2>
      <ul>
        {names.map((name) => {
          const check = checks[name]
          const bad = check !== undefined && check !== 'ok'
          return (
            <li key={name} className={bad ? 'bad' : ''}>
              <Icon name={bad ? 'alert' : 'check'} size={18} />
              <span>
                <strong>{rooms[name] ?? name}</strong>
                <span className="muted">
                  {drivers[name] ?? ''}
                  {bad ? ` · ${check === 'timed_out' ? 'does not answer in time' : 'fails'}` : ''}
                </span>
              </span>
            </li>
          )
        })}
      </ul>
    </section>
  )
}

function Tiles({ figures: { queue, metrics } }: { figures: Figures }) {
  const of = (name: string) => metrics?.get(name)
  const depth = queue ? queue.lanes.tasks.depth + queue.lanes['tasks-long'].depth : of('media_queue_depth')
  const oldest = queue && Math.max(queue.lanes.tasks.oldest_due_seconds, queue.lanes['tasks-long'].oldest_due_seconds)
  const running = queue?.jobs.running ?? of('media_jobs_running')
  const memory = of('process_resident_memory_bytes')
  const lag = of('nodejs_eventloop_lag_p99_seconds')
  return (
    <dl className="tiles">
      <Tile
        name="Waiting"
        value={depth}
        note={oldest ? `the oldest for ${spanOf(oldest * 1_000)}` : 'nothing is late'}
      />
      <Tile name="Being done" value={running} note={queue ? `${queue.jobs.held} held back for their user` : null} />
      <Tile name="Dead letters" value={queue?.jobs.parked} note="those of bad files with them" />
      <Tile name="Memory" value={memory === undefined ? undefined : sizeOf(memory)} note="of this process" />
      <Tile name="Delay" value={lag === undefined ? undefined : spanOf(lag * 1_000)} note="of its event loop, p99" />
    </dl>
  )
}

function Tile({
  name,
  value,
  note,
  bad = false,
}: {
  name: string
  value: ReactNode
  note: string | null
  bad?: boolean
}) {
  if (value === undefined) return null
  return (
    <div className={`tile ${bad ? 'bad' : ''}`}>
      <dt>{name}</dt>
      <dd className="figure">{value}</dd>
      {note && <dd className="muted">{note}</dd>}
    </div>
  )
}

/** Of the operator's own media the title, of others the name. */
function JobMedia({ job_id }: { job_id: string }) {
  const media_id = job_id.slice(0, 36)
  const title = useStore(library, ({ media }) => media.get(media_id)?.title)
  if (title === undefined) return <span className="muted">{job_id}</span>
  return <Link href={`/media/${media_id}`}>{title}</Link>
}

function Workers({ workers }: { workers: Worker[] }) {
  return (
    <section className="box" aria-labelledby="workers">
      <h2 id="workers">Workers</h2>
      {workers.length === 0 && (
        <p className="problem">No worker was heard of in the last twenty seconds: nothing is processed.</p>
      )}
      <ul className="workers">
        {workers.map(({ worker_id, concurrency, jobs }) => (
          <li key={worker_id}>
            <div className="worker-head">
              <code>{worker_id}</code>
              <span className="muted">
                {jobs.length} of {concurrency} places taken
              </span>
            </div>
            {jobs.map((job) => (
              <div key={job.job_id} className="job">
                <span className="job-name">
                  <code>{job.kind}</code> <JobMedia job_id={job.job_id} />
                </span>
                <Progress value={job.progress / 100} label={job.job_id} />
                <span className="muted">{spanOf(job.seconds * 1_000)}</span>
              </div>
            ))}
          </li>
        ))}
      </ul>
    </section>
  )
}
