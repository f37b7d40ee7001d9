import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Clock } from '../media/clock.ts'
import { type Lane, lanes } from '../media/jobs.ts'
import type { Log } from '../media/log.ts'
import type { Measured, ServedFrom } from '../media/measured.ts'
import type { MediaRecord } from '../media/record.ts'
import type { Metadata } from '../metadata/port.ts'

/** Is told what happens outside of jobs, or within them; for figures, so it must not throw. */
export interface Observed {
  uploaded(record: Pick<MediaRecord, 'media_type' | 'file_size' | 'upload'>): void
  made(measured: Measured): void
  served(from: ServedFrom): void
  /** @param status of the answer */
  answered(route: string, status: number, seconds: number): void
}

const stepBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 10_800]

export function addObserved(registry: Registry): Observed {
  const registers = [registry]
  const counter = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Counter({ name, help, labelNames, registers })
  const histogram = <L extends string>(name: string, help: string, labelNames: L[], buckets: number[]) =>
    new Histogram({ name, help, labelNames, buckets, registers })
  const uploads = counter('media_uploads_total', 'Media taken in, by door and type.', ['door', 'type'])
  const uploadBytes = counter('media_upload_bytes_total', 'Bytes of media taken in, by type.', ['type'])
  const outputBytes = counter('media_output_bytes_total', 'Bytes of renditions made, by type.', ['type'])
  const played = counter('media_played_seconds_total', 'Seconds of film and sound processed, by type.', ['type'])
  const steps = histogram('media_step_seconds', 'How long steps of processing took.', ['step', 'type'], stepBuckets)
  const speed = histogram(
    'media_encode_speed',
    'Seconds of film or sound made in a second of the step `make`: above 1 it is faster than it plays.',
    ['type'],
    [0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128],
  )
  const served = counter('media_edge_replies_total', 'Replies of the embedded edge, by where it had them from.', [
    'from',
  ])
  const answers = histogram(
    'media_request_seconds',
    'How long answers of the API took, by route and class of status; the body of an upload included.',
    ['route', 'status'],
    [0.005, 0.025, 0.1, 0.5, 1, 5, 30, 300],
  )
  return {
    uploaded: ({ media_type, file_size, upload }) => {
      const type = media_type ?? 'unknown'
      uploads.inc({ door: upload?.door ?? 'whole', type })
      uploadBytes.inc({ type }, file_size ?? 0)
    },
    made: ({ media_type: type, steps: took, duration, bytes }) => {
      for (const [step, seconds] of Object.entries(took)) steps.observe({ step, type }, seconds)
      outputBytes.inc({ type }, bytes)
      if (duration === null) return
      played.inc({ type }, duration)
      if (took.make > 0) speed.observe({ type }, duration / took.make)
    },
    served: (from) => served.inc({ from }),
    answered: (route, status, seconds) => {
      answers.observe({ route, status: `${Math.floor(status / 100)}xx` }, seconds)
    },
  }
}

export interface BacklogOptions {
  metadata: Pick<Metadata, 'countJobs' | 'oldestDue' | 'listWorkers'>
  clock: Clock
  log: Log
  /** Milliseconds that asking may take: a scrape must not hang with the metadata. */
  timeMs: number
}

const mostWorkers = 1_000

/** What the metadata know of all processes; no figure while they do not answer: an old one would mislead. */
export function addBacklogFigures(registry: Registry, { metadata, clock, log, timeMs }: BacklogOptions): void {
  function gauge<L extends string>(name: string, help: string, labelNames: L[], read: (set: Set<L>) => Promise<void>) {
    new Gauge({
      ...{ name, help, labelNames, registers: [registry] },
      async collect() {
        this.reset()
        const set = (labels: Partial<Record<L, string>>, value: number) => this.set(labels, value)
        await within(clock, timeMs, read(set)).catch((error) =>
          log.warn({ error, metric: name }, 'a figure is unknown'),
        )
      },
    })
  }

  gauge(
    'media_jobs',
    'Jobs that are not done, of all processes, by state; those parked are dead letters.',
    ['state'],
    async (set) => {
      const { done: _, ...counts } = await metadata.countJobs()
      for (const [state, count] of Object.entries(counts)) set({ state }, count)
    },
  )
  const lane = ['lane'] as 'lane'[]
  gauge(
    'media_queue_oldest_seconds',
    'How long the job has been due that has been due longest; 0 when none is.',
    lane,
    async (set) => {
      const waits = await Promise.all(
        lanes.map(async (one): Promise<[Lane, number | null]> => [one, await metadata.oldestDue(one)]),
      )
      for (const [one, due] of waits) set({ lane: one }, due === null ? 0 : Math.max(0, (clock.now() - due) / 1_000))
    },
  )
  gauge('media_workers', 'Workers that live.', [], async (set) => {
    set({}, (await metadata.listWorkers(clock.now(), mostWorkers)).length)
  })
}

type Set<L extends string> = (labels: Partial<Record<L, string>>, value: number) => void

async function within<T>(clock: Clock, ms: number, work: Promise<T>): Promise<T> {
  const over = new AbortController()
  const late = clock.sleep(ms, over.signal).then(() => {
    throw new Error(`no answer within ${ms} ms`)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    over.abort()
    late.catch(() => {})
  }
}
