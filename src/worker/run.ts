import type { Admission } from '../media/admission.ts'
import { MediaError } from '../media/errors.ts'
import type { Claim } from './claim.ts'
import { keepLease } from './lease.ts'
import { performers } from './perform.ts'
import type { Performing } from './performing.ts'
import { refuseEndless, type Settling, settle, settleFailure } from './settle.ts'
import { type JobOutcome, noWatch, type Watch } from './watch.ts'

/** What doing jobs takes, for a worker's loops and for Lambda. */
export interface Doing extends Settling, Performing {
  watch?: Watch
  /** How much one user may have in flight; without it everything. */
  admission?: Admission
}

/**
 * Does one claimed job to its end, whatever that is.
 * @param cut aborts with `interrupted` when time is up: then the job is handed back
 */
export async function runClaim(claim: Claim, doing: Doing, cut: AbortSignal): Promise<JobOutcome> {
  const { job } = claim
  const watch = (doing.watch ?? noWatch).begin(job)
  const lease = keepLease(job, { ...doing, onRenewed: watch.renewed })
  const signal = AbortSignal.any([lease.signal, cut])
  let mayStand = false
  let published = false
  let outcome: JobOutcome = 'lost'
  try {
    refuseEndless(job, doing.maxAttempts)
    const onProgress = (percent: number) => {
      lease.report(percent)
      watch.progress(percent)
    }
    const onPublishing = (mayStand: boolean) => {
      published = mayStand
    }
    const perform = () => performers[job.kind](claim, doing, { signal, onProgress, onPublishing })
    const ending = await (watch.within?.(perform) ?? perform())
    mayStand = true
    mayStand = await settle(claim, ending, doing, lease.signal)
    if (!mayStand) throw new MediaError('lease_lost', `job ${job.job_id} passed to another before its commit`)
    doing.log.info({ job_id: job.job_id, token: job.token, attempt: job.attempts }, 'job done')
    outcome = 'done'
  } catch (error) {
    // A tool that was killed by the signal throws what it likes: the signal knows why.
    outcome = await settleFailure(claim, signal.aborted ? signal.reason : error, doing, { mayStand, published })
  } finally {
    watch.end(outcome)
    await lease.stop()
    if (job.kind === 'process') await doing.admission?.refill(job.user_id)
  }
  return outcome
}
