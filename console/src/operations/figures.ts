import { MediaServiceError } from '../../../client/src/index.ts'
import { ask } from '../api/session.ts'

/** What the service tells operators. What a version of it does not tell is null. */

export interface Readiness {
  ready: boolean
  checks: Record<string, string>
  drivers: Record<string, string>
}

interface Lane {
  depth: number
  oldest_due_seconds: number
}

export interface QueueState {
  lanes: Record<'tasks' | 'tasks-long', Lane>
  jobs: { held: number; queued: number; running: number; parked: number }
}

export interface Worker {
  worker_id: string
  started_at: string
  concurrency: number
  jobs: { job_id: string; kind: string; progress: number; seconds: number }[]
}

export type Fault = 'service' | 'file'

export interface DeadLetter {
  job_id: string
  media_id: string
  user_id: string
  kind: string
  attempts: number
  parked_at: string | null
  fault: Fault | null
  reason: string | null
}

export interface Figures {
  readiness: Readiness
  metrics: Map<string, number> | null
  queue: QueueState | null
  workers: Worker[] | null
  dead: { items: DeadLetter[]; more: boolean } | null
  at: number
}

/** @param fault whose dead letters are shown: the service's, or those of files that are bad */
export async function readFigures(signal: AbortSignal, fault: Fault): Promise<Figures> {
  const get = async <T>(path: string) => (untold.has(path) ? null : await maybe(path, ask<T>(path, { signal })))
  const [readiness, metrics, queue, workers, dead] = await Promise.all([
    readReadiness(signal),
    get<string>('/metrics'),
    get<QueueState>('/api/operations/queue'),
    get<{ items: Worker[] }>('/api/operations/workers'),
    get<{ items: DeadLetter[]; next_cursor: string | null }>(`/api/operations/dead-letters?limit=50&fault=${fault}`),
  ])
  return {
    readiness,
    metrics: metrics === null ? null : parseMetrics(metrics),
    queue,
    workers: workers?.items ?? null,
    dead: dead && { items: dead.items, more: dead.next_cursor !== null },
    at: Date.now(),
  }
}

export async function replay(job_id: string): Promise<void> {
  await ask(`/api/operations/dead-letters/${encodeURIComponent(job_id)}/replay`, { method: 'POST' })
}

/** Its 503 is an answer too. */
async function readReadiness(signal: AbortSignal): Promise<Readiness> {
  const answer = await fetch('/readyz', { signal })
  const { checks = {}, drivers = {} } = (await answer.json()) as Partial<Readiness>
  return { ready: answer.ok, checks, drivers }
}

/** Addresses that this service does not have: not asked for again. */
const untold = new Set<string>()

async function maybe<T>(path: string, asked: Promise<T>): Promise<T | null> {
  try {
    return await asked
  } catch (error) {
    if (!(error instanceof MediaServiceError) || error.status !== 404) throw error
    untold.add(path)
    return null
  }
}

/** Names without labels, sums of those with: enough for a page. */
function parseMetrics(text: string): Map<string, number> {
  const sums = new Map<string, number>()
  for (const line of text.split('\n')) {
    const [, name = '', value] = /^([a-z0-9_:]+)(?:\{[^}]*\})? (\S+)$/i.exec(line) ?? []
    if (name) sums.set(name, (sums.get(name) ?? 0) + Number(value))
  }
  return sums
}
