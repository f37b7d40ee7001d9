import type { Clock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import type { Job } from '../media/jobs.ts'
import type { Log } from '../media/log.ts'
import type { Metadata } from '../metadata/port.ts'

/** Progress is told this often, when there is any. Milliseconds. */
const beatEvery = 1_000

export interface Lease {
  /** Aborts with `lease_lost` when the job is no longer ours. */
  signal: AbortSignal
  report(percent: number): void
  /** Ends the heartbeats; the lease stays until it is given up by a commit or runs out. */
  stop(): Promise<void>
}

export interface LeaseOptions {
  metadata: Pick<Metadata, 'renew'>
  clock: Clock
  leaseMs: number
  log: Log
  onRenewed?: () => void
}

/** Renews a job's lease at a third of its length, and with each step of progress, until stopped. */
export function keepLease(job: Job, { metadata, clock, leaseMs, log, onRenewed }: LeaseOptions): Lease {
  const lost = new AbortController()
  const stopped = new AbortController()
  let percent = job.progress
  let told = percent
  let leaseUntil = job.lease_until ?? 0

  async function renew(): Promise<void> {
    const lease_until = clock.now() + leaseMs
    const progress = percent
    const { job_id, token } = job
    const held = await metadata.renew({ job_id, token, lease_until, sweep_at: lease_until, progress })
    if (!held) return lost.abort(new MediaError('lease_lost', `job ${job_id} is no longer held under token ${token}`))
    leaseUntil = lease_until
    told = progress
    onRenewed?.()
  }

  /** An answer that does not come must not make the lease seem longer than it is. */
  async function renewInTime(): Promise<void> {
    const over = new AbortController()
    const runOut = clock.sleep(leaseUntil - clock.now(), AbortSignal.any([over.signal, stopped.signal])).then(() => {
      throw new MediaError('unavailable', 'no answer to a heartbeat')
    })
    await Promise.race([renew(), runOut]).finally(() => over.abort())
  }

  async function beat(): Promise<void> {
    while (!stopped.signal.aborted && !lost.signal.aborted) {
      await clock.sleep(Math.min(beatEvery, leaseMs / 3), stopped.signal)
      const fresh = clock.now() < leaseUntil - (leaseMs * 2) / 3
      if (fresh && percent === told) continue
      await renewInTime().catch((error) => {
        if (stopped.signal.aborted) return
        log.warn({ job_id: job.job_id, error }, 'heartbeat failed')
        if (clock.now() < leaseUntil) return
        lost.abort(new MediaError('lease_lost', `job ${job.job_id} could not be renewed in time`, { cause: error }))
      })
    }
  }

  const beating = beat().catch((error) => {
    if (!stopped.signal.aborted) throw error
  })
  return {
    signal: lost.signal,
    report: (value) => {
      percent = Math.max(percent, Math.min(100, Math.floor(value)))
    },
    stop: async () => {
      stopped.abort()
      await beating
    },
  }
}
