import type { Job } from './jobs.ts'

/** What a worker tells of itself while it lives. */
export interface WorkerNote {
  worker_id: string
  started_at: number
  seen_at: number
  /** Not heard of again by then, it is held for dead. */
  expires_at: number
  /** Jobs it does at a time. */
  concurrency: number
  jobs: RunningJob[]
}

/** A job being done now. */
export interface RunningJob {
  job_id: string
  kind: Job['kind']
  /** 0–100 */
  progress: number
  /** Since it was begun. */
  seconds: number
}
