import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Clock } from '../media/clock.ts'
import { type Job, jobKinds, type Lane, lanes } from '../media/jobs.ts'
import type { Log } from '../media/log.ts'
import type { RunningJob } from '../media/workers.ts'
import type { Queue } from '../queue/port.ts'
import { addBacklogFigures, addObserved, type BacklogOptions, type Observed } from './figures.ts'
import type { JobOutcome, Watch } from './watch.ts'

export interface Metrics {
  watch: Watch
  observed: Observed
  /** A webhook was tried. */
  countWebhook(endpoint: string, outcome: string): void
  /** Jobs being done now. */
  running(): RunningJob[]
  /** In the text format of Prometheus. */
  text(): Promise<string>
  contentType: string
  /** Ends the heartbeat in the log. */
  stop(): Promise<void>
}

interface Held {
  job: Job
  progress: number
  since: number
}

export interface MetricsOptions {
  queue: Pick<Queue, 'depth'>
  /** Without it nothing is told of the jobs of all processes. */
  metadata?: BacklogOptions['metadata']
  clock: Clock
  log: Log
}

/** Milliseconds between two lines that tell what is being done. */
const heartbeatEvery = 30_000
/** Milliseconds that asking for the queue's depth may take: a scrape must not hang with the queue. */
const depthTime = 2_000

/** Figures of one process, and a line in the log now and then while it works. They name kinds and lanes, never media. */
export function openMetrics(options: MetricsOptions): Metrics {
  const { clock, log } = options
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const held = new Set<Held>()
  const running = () =>
    [...held].map(({ job: { job_id, kind }, progress, since }) => {
      return { job_id, kind, progress, seconds: Math.round((clock.now() - since) / 1_000) }
    })
  addQueueFigures(registry, options)
  addRunningFigures(registry, running)
  const { metadata } = options
  if (metadata) addBacklogFigures(registry, { metadata, clock, log, timeMs: depthTime })
  const observed = addObserved(registry)
  const watch = watchWith(registry, held, clock)
  const webhooks = new Counter({
    name: 'media_webhook_tries_total',
    help: 'Tries to deliver a webhook, by endpoint and how they ended.',
    labelNames: ['endpoint', 'outcome'],
    registers: [registry],
  })
  const stopped = new AbortController()
  const beating = (async () => {
    while (!stopped.signal.aborted) {
      await clock.sleep(heartbeatEvery, stopped.signal).catch(() => {})
      const jobs = stopped.signal.aborted ? [] : running()
      if (jobs.length > 0) log.info({ jobs }, 'working')
    }
  })()
  return {
    watch,
    observed,
    countWebhook: (endpoint, outcome) => webhooks.inc({ endpoint, outcome }),
    running,
    text: () => registry.metrics(),
    contentType: registry.contentType,
    stop: async () => {
      stopped.abort()
      await beating
    },
  }
}

function watchWith(registry: Registry, held: Set<Held>, clock: Clock): Watch {
  const registers = [registry]
  const jobs = counter<'kind' | 'outcome'>('media_jobs_total', 'Attempts that ended, by how.', ['kind', 'outcome'])
  const renewals = counter('media_lease_renewals_total', 'Leases renewed while a job was being done.')
  const losses = counter('media_lease_losses_total', 'Attempts whose job passed to another before they ended.')
  const wakeUps = counter<'lane' | 'use'>('media_wake_ups_total', 'Wake-ups: taken, or ignored as moot.', [
    'lane',
    'use',
  ])
  const seconds = new Histogram({
    name: 'media_job_seconds',
    help: 'How long attempts took.',
    labelNames: ['kind'],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 10_800],
    registers,
  })

  function counter<L extends string = never>(name: string, help: string, labelNames: L[] = []): Counter<L> {
    return new Counter({ name, help, labelNames, registers })
  }

  function end(one: Held, outcome: JobOutcome): void {
    const { kind } = one.job
    held.delete(one)
    jobs.inc({ kind, outcome })
    seconds.observe({ kind }, (clock.now() - one.since) / 1_000)
    if (outcome === 'lost') losses.inc()
  }

  return {
    wakeUp: (lane, taken) => wakeUps.inc({ lane, use: taken ? 'taken' : 'ignored' }),
    begin: (job) => {
      const one = { job, progress: 0, since: clock.now() }
      held.add(one)
      return {
        progress: (percent) => {
          one.progress = Math.max(one.progress, Math.floor(percent))
        },
        renewed: () => renewals.inc(),
        end: (outcome) => end(one, outcome),
      }
    },
  }
}

function addRunningFigures(registry: Registry, running: () => RunningJob[]): void {
  const registers = [registry]
  const labelNames = ['kind'] as const
  new Gauge({
    name: 'media_jobs_running',
    help: 'Jobs being done now.',
    labelNames,
    registers,
    collect() {
      for (const kind of jobKinds) this.set({ kind }, running().filter((job) => job.kind === kind).length)
    },
  })
  new Gauge({
    name: 'media_job_progress',
    help: 'Progress of the jobs being done now, 0–100, on average.',
    labelNames,
    registers,
    collect() {
      this.reset()
      const jobs = running()
      for (const kind of new Set(jobs.map((job) => job.kind))) {
        const ofKind = jobs.filter((job) => job.kind === kind)
        this.set({ kind }, ofKind.reduce((sum, { progress }) => sum + progress, 0) / ofKind.length)
      }
    },
  })
}

/** Without a figure while the queue does not answer: an old one would mislead. */
function addQueueFigures(registry: Registry, { queue, clock, log }: MetricsOptions): void {
  new Gauge({
    name: 'media_queue_depth',
    help: 'Wake-ups not yet acknowledged, of all processes.',
    labelNames: ['lane'],
    registers: [registry],
    async collect() {
      this.reset()
      const depth = await depthInTime(queue, clock).catch((error) => log.warn({ error }, 'depth of the queue unknown'))
      if (depth) for (const lane of lanes) this.set({ lane }, depth[lane])
    },
  })
}

async function depthInTime(queue: Pick<Queue, 'depth'>, clock: Clock): Promise<Record<Lane, number>> {
  const over = new AbortController()
  const late = clock.sleep(depthTime, over.signal).then(() => {
    throw new Error(`the queue did not tell its depth within ${depthTime} ms`)
  })
  try {
    return await Promise.race([queue.depth(), late])
  } finally {
    over.abort()
  }
}
