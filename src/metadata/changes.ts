import { MediaError } from '../media/errors.ts'
import type { Job, JobPatch } from '../media/jobs.ts'
import type { MediaPatch, MediaRecord, Status } from '../media/record.ts'
import type { Commit } from './port.ts'

/** What the caller of a commit has promised; every driver holds him to it. */

/** The new record of a commit that expects none. */
export function requireCreate({ media_id, create, patch }: Commit): MediaRecord {
  if (!create || patch || create.media_id !== media_id) {
    throw new MediaError('internal', 'a commit that expects no record must create that record, and nothing else of it')
  }
  for (const id of [media_id, create.user_id]) requireStorable(id)
  return create
}

/** What a commit to a record that is there expects of it. */
export function requireExpected({ create, expect }: Commit): { version?: number; status?: readonly Status[] } {
  if (create || expect.absent) throw new MediaError('internal', 'only a commit that expects no record creates one')
  return expect
}

const fixedFields = ['schema', 'media_id', 'user_id', 'upload_time', 'version']

/** The fields a patch sets. */
export function patchedFields(patch: MediaPatch): [string, unknown][] {
  const fields = Object.entries(patch).filter(([, value]) => value !== undefined)
  for (const [name] of fields) {
    if (fixedFields.includes(name) || !/^[a-z0-9_]+$/.test(name)) {
      throw new MediaError('internal', `a patch cannot set ${JSON.stringify(name)}`)
    }
  }
  return fields
}

export const jobFields: readonly string[] = [
  ...['job_id', 'media_id', 'user_id', 'kind', 'lane', 'state', 'due_at', 'sweep_at', 'wakes', 'lease_until', 'token'],
  ...['attempts', 'progress', 'last_error', 'created_at', 'worker', 'parked_at', 'trace'],
]
const fixedJobFields = ['job_id', 'media_id', 'user_id', 'kind', 'created_at', 'trace']

/** The fields a job's patch sets. */
export function patchedJobFields(patch: JobPatch): [string, Exclude<Job[keyof JobPatch], undefined>][] {
  const fields = Object.entries(patch).filter(([, value]) => value !== undefined)
  const wrong = fields.find(([name]) => fixedJobFields.includes(name) || !jobFields.includes(name))
  if (wrong) throw new MediaError('internal', `a job patch cannot set ${JSON.stringify(wrong[0])}`)
  return fields
}

/** Ill-formed Unicode would be stored as U+FFFD, and two names would become one. */
export function requireStorable(id: string): void {
  if (!id.isWellFormed()) throw new MediaError('invalid_request', `not well-formed Unicode: ${JSON.stringify(id)}`)
}
