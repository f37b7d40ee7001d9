import type { WakeUp } from '../media/jobs.ts'

/** A wake-up as a queue between processes carries it: JSON, of which fields that are not known are passed over. */
export function writeWakeUp({ job_id }: WakeUp): string {
  return JSON.stringify({ job_id })
}

/** Null for what is no wake-up. */
export function readWakeUp(text: string): WakeUp | null {
  try {
    const job_id = (JSON.parse(text) as { job_id?: unknown } | null)?.job_id
    return typeof job_id === 'string' && job_id !== '' ? { job_id } : null
  } catch {
    return null
  }
}
