import type { Job, Lane } from '../media/jobs.ts'

/** How an attempt ended: `lost` to another worker or to its media's deletion. */
export const jobOutcomes = ['done', 'retried', 'parked', 'handed_back', 'lost'] as const
export type JobOutcome = (typeof jobOutcomes)[number]

/** Is told what a worker does while it does it; for figures and the log, so it must not throw. */
export interface Watch {
  /** @param taken false when there was nothing to do for it: done, not due, or held by another. */
  wakeUp(lane: Lane, taken: boolean): void
  begin(job: Job): JobWatch
}

export interface JobWatch {
  /** Runs the work of the job, so that its steps are known to be of it. */
  within?<T>(work: () => Promise<T>): Promise<T>
  /** 0–100, rising. */
  progress(percent: number): void
  renewed(): void
  end(outcome: JobOutcome): void
}

export const noWatch: Watch = {
  wakeUp() {},
  begin: () => ({ progress() {}, renewed() {}, end() {} }),
}
