import type { JobPatch } from '../media/jobs.ts'
import type { Commit } from '../metadata/port.ts'

/** How a job ends: what becomes of it and of its media in one commit, and what may follow when that has held. */
export interface Ending {
  job: JobPatch
  media: Omit<Commit, 'media_id'>
  after?: () => Promise<void>
}

/** One attempt at a job. */
export interface Attempt {
  signal: AbortSignal
  onProgress: (percent: number) => void
  /** Called before the record is told of outputs while the attempt goes on: from then on they may be played; and when it refused. */
  onPublishing: (mayStand: boolean) => void
}
