import { availableParallelism } from 'node:os'
import { integer, portOrOff, type SettingsOf } from '../media/setting.ts'

export const workerSettings = {
  concurrency: integer('WORKER_CONCURRENCY', {
    min: 0,
    max: 1024,
    default: String(availableParallelism()),
    shownDefault: 'the number of cores',
    summary:
      'Jobs done at a time by this process; half as many long ones (at least one) run beside them. 0 makes a process that takes uploads and processes nothing.',
  }),
  leaseSeconds: integer('WORKER_LEASE_SECONDS', {
    min: 3,
    max: 3600,
    unit: 'seconds',
    default: '30',
    summary: 'A job whose worker has not been heard of for so long is given to another.',
  }),
  maxAttempts: integer('WORKER_MAX_ATTEMPTS', {
    min: 1,
    max: 100,
    default: '5',
    summary: 'Times a job is tried, with growing pauses, before it is parked and its media `failed`.',
  }),
  stopSeconds: integer('WORKER_STOP_SECONDS', {
    min: 0,
    max: 3600,
    unit: 'seconds',
    default: '10',
    summary: 'How long running jobs may finish when the process is told to stop; then they are handed back.',
  }),
  port: portOrOff('WORKER_PORT', {
    summary:
      'Where a worker of its own answers `/healthz`, `/readyz` and `/metrics`, on `HOST`; they ask for no identity and name no media. The API answers them on `PORT`, metrics to operators.',
  }),
}
export type WorkerSettings = SettingsOf<typeof workerSettings>
