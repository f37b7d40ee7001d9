import type { Admission } from '../media/admission.ts'
import type { Clock } from '../media/clock.ts'
import { codeOf } from '../media/errors.ts'
import { released } from '../media/jobs.ts'
import type { Log } from '../media/log.ts'
import type { Metadata } from '../metadata/port.ts'
import { type Queue, wake } from '../queue/port.ts'

export interface AdmissionOptions {
  metadata: Pick<Metadata, 'userJobs' | 'getJob' | 'commit' | 'listWorkers'>
  queue: Queue
  clock: Clock
  log: Log
  /** Jobs of one user in flight; null: as many as the workers that live do at a time. */
  jobs: number | null
  /** Jobs that a worker of this process does at a time: what is known when no worker is seen. */
  concurrency: number
}

/** Milliseconds for which a count of the workers stands. */
const countedFor = 10_000
const mostWorkers = 1_000

/** Both lanes of a worker together. */
function widthOf(concurrency: number): number {
  return concurrency + Math.ceil(concurrency / 2)
}

/**
 * Counts by the metadata, and what this process is letting in at the moment besides. Several processes that admit at the
 * same moment, and an index that lags, may let a few more in: it is a share, not a lock.
 */
export function openAdmission(options: AdmissionOptions): Admission {
  const { metadata, queue, clock, log, jobs, concurrency } = options
  /** Jobs of a user that this process is letting in. */
  const lettingIn = new Map<string, number>()
  const inTurn = openTurns()
  let counted = { cap: 0, until: Number.NEGATIVE_INFINITY }

  async function capNow(): Promise<number> {
    if (jobs !== null) return jobs
    if (clock.now() >= counted.until) {
      const workers = await metadata.listWorkers(clock.now(), mostWorkers)
      const all = workers.reduce((sum, worker) => sum + widthOf(worker.concurrency), 0)
      counted = { cap: Math.max(all, widthOf(Math.max(1, concurrency))), until: clock.now() + countedFor }
    }
    return counted.cap
  }

  /** How many more he may have. What is being let in counts twice while the metadata come to know of it: never too few. */
  async function roomOf(user_id: string): Promise<number> {
    const making = lettingIn.get(user_id) ?? 0
    const cap = await capNow()
    const live = await metadata.userJobs(user_id, { held: false, limit: cap })
    return cap - live.length - making
  }

  /** Whether he has room for one more, which then counts until `leave`. */
  async function enter(user_id: string): Promise<boolean> {
    if ((await roomOf(user_id)) <= 0) return false
    lettingIn.set(user_id, (lettingIn.get(user_id) ?? 0) + 1)
    return true
  }

  function leave(user_id: string): void {
    const left = (lettingIn.get(user_id) ?? 1) - 1
    if (left === 0) lettingIn.delete(user_id)
    else lettingIn.set(user_id, left)
  }

  async function refill(user_id: string): Promise<void> {
    const waiting = await metadata.userJobs(user_id, { held: true, limit: 1 })
    const room = waiting.length > 0 ? await roomOf(user_id) : 0
    if (room <= 0) return
    for (const job_id of await metadata.userJobs(user_id, { held: true, limit: room })) await release(job_id)
  }

  async function release(job_id: string): Promise<void> {
    const job = await metadata.getJob(job_id)
    if (job?.state !== 'held') return
    const { media_id, token, lane } = job
    const change = { job_id, expect: { states: ['held'], token } as const, patch: released(clock.now()) }
    try {
      await metadata.commit({ media_id, expect: {}, jobs: [change] })
    } catch (error) {
      // Another has let it go, or its media is gone.
      if (codeOf(error) === 'conflict') return
      throw error
    }
    await wake(queue, { job_id, lane }, log)
  }

  /** What is held is looked at again by the sweeper, so a failure here costs time and nothing else. */
  async function refillOrLater(user_id: string): Promise<void> {
    await inTurn(user_id, () => refill(user_id)).catch((error) =>
      log.warn({ user_id, error }, 'held jobs wait for the sweeper'),
    )
  }

  return {
    admit: async (user_id, make) => {
      if (await inTurn(user_id, () => enter(user_id))) {
        return await make(false).finally(() => leave(user_id))
      }
      const held = await make(true)
      // The last of those in flight may have ended before this one was there to be let go.
      await refillOrLater(user_id)
      return held
    },
    refill: refillOrLater,
    segmentsOf: async (user_id) => {
      const cap = await capNow()
      const live = await metadata.userJobs(user_id, { held: false, limit: cap })
      return Math.max(1, Math.floor(cap / Math.max(1, live.length)))
    },
  }
}

/** One count of a user at a time: two at once would both find the same room. */
function openTurns() {
  const last = new Map<string, Promise<unknown>>()
  return async <T>(user_id: string, step: () => Promise<T>): Promise<T> => {
    const before = last.get(user_id) ?? Promise.resolve()
    const mine = before.then(step)
    const settled = mine.catch(() => {})
    last.set(user_id, settled)
    void settled.then(() => {
      if (last.get(user_id) === settled) last.delete(user_id)
    })
    return await mine
  }
}
