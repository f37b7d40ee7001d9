import { isFileFault } from '../media/errors.ts'
import { type Job, type JobState, type Lane, lanes } from '../media/jobs.ts'
import type { WorkerNote } from '../media/workers.ts'
import type { JobPage, Metadata } from '../metadata/port.ts'
import type { LibraryPorts } from './ports.ts'
import { replayJob } from './replay.ts'

/** What operators see of the work, and do about what got stuck. */
export interface Operations {
  queue(): Promise<QueueReport>
  /** Jobs not over: those running, then those queued, then those held; or of one state. @throws MediaError `invalid_cursor` */
  jobs(query: { state?: LiveState | undefined; limit: number; cursor?: string | undefined }): Promise<JobPage>
  /** Workers that have been heard of lately. */
  workers(): Promise<WorkerNote[]>
  /** Parked jobs, those parked last first; or those of one fault. @throws MediaError `invalid_cursor` */
  deadLetters(query: { fault?: Fault | undefined; limit: number; cursor?: string | undefined }): Promise<JobPage>
  /**
   * Has a parked job tried again.
   * @throws MediaError `not_found`; `wrong_state` when it is not parked, `raw_expired` when its raw bytes are gone
   */
  replay(job_id: string): Promise<Job>
}

export const liveStates = ['running', 'queued', 'held'] as const satisfies readonly JobState[]
export type LiveState = (typeof liveStates)[number]

/** Whose it is that a job is parked. */
export type Fault = 'service' | 'file'

export function faultOf({ last_error }: Pick<Job, 'last_error'>): Fault {
  return isFileFault(last_error) ? 'file' : 'service'
}

export interface LaneReport {
  /** Wake-ups not yet acknowledged. */
  depth: number
  /** Since when the job has been due that has been due longest; null when none is. */
  oldest_due_at: number | null
}

export interface QueueReport {
  lanes: Record<Lane, LaneReport>
  jobs: Omit<Record<JobState, number>, 'done'>
}

const mostWorkers = 1_000

export function openOperations(ports: LibraryPorts): Operations {
  const { metadata, queue, clock } = ports

  return {
    queue: async () => {
      const [depth, { done: _, ...jobs }, oldest] = await Promise.all([
        queue.depth(),
        metadata.countJobs(),
        Promise.all(lanes.map((lane) => metadata.oldestDue(lane))),
      ])
      const now = clock.now()
      const reports = lanes.map((lane, index) => {
        const due = oldest[index] ?? null
        return [lane, { depth: depth[lane], oldest_due_at: due !== null && due <= now ? due : null }]
      })
      return { lanes: Object.fromEntries(reports) as Record<Lane, LaneReport>, jobs }
    },

    jobs: async ({ state, limit, cursor }) => {
      if (state) return await metadata.listJobs({ state, limit, cursor })
      return await allLive(metadata, { limit, cursor })
    },

    workers: async () => await metadata.listWorkers(clock.now(), mostWorkers),
    deadLetters: async ({ fault, ...query }) => {
      const page = await metadata.listJobs({ state: 'parked', ...query })
      return fault ? { ...page, items: page.items.filter((job) => faultOf(job) === fault) } : page
    },
    replay: async (job_id) => await replayJob(job_id, ports),
  }
}

/** A cursor says which of the lists it goes on with. */
async function allLive(
  metadata: Pick<Metadata, 'listJobs'>,
  { limit, cursor = `${liveStates[0]}.` }: { limit: number; cursor?: string | undefined },
): Promise<JobPage> {
  const state = liveStates.find((one) => cursor.startsWith(`${one}.`))
  // A cursor without its list goes to the driver whole, which refuses what it did not make.
  const inner = state ? cursor.slice(state.length + 1) : cursor
  const page = await metadata.listJobs({ state: state ?? liveStates[0], limit, cursor: inner || undefined })
  const after = liveStates[liveStates.indexOf(state ?? liveStates[0]) + 1]
  if (page.next_cursor !== null) return { ...page, next_cursor: `${state}.${page.next_cursor}` }
  return { ...page, next_cursor: after ? `${after}.` : null }
}
