import type { LibraryPorts } from '../library/ports.ts'
import { freeAdmission } from '../media/admission.ts'
import { codeOf } from '../media/errors.ts'
import { type Job, nextSweep } from '../media/jobs.ts'
import { type ObjectRef, s3Url } from '../media/locations.ts'
import { newestCut } from '../media/segments.ts'
import type { Metadata } from '../metadata/port.ts'
import { isExpiring } from '../objects/port.ts'
import type { Lead } from './lead.ts'
import { letGo } from './segments.ts'

export interface SweeperOptions extends LibraryPorts {
  tempBucket: string
  tempDays: number
  /** How long an upload in pieces may take: until then its parts stay. */
  expirySeconds?: number
  /** Where several processes sweep: the others wait for the one that has the lead to die. */
  lead?: Lead
}

export interface Sweeper {
  stop(): Promise<void>
}

const wakeEvery = 1_000
const wakeBatch = 500
const expireEvery = 3_600_000
const day = 86_400_000

/** Wakes jobs never sent, due again, or whose worker died; and applies the temporary bucket's lifecycle where the engine has none. */
export function startSweeper(options: SweeperOptions): Sweeper {
  const { clock, log, lead } = options
  const stopped = new AbortController()

  async function every(ms: number, name: string, step: () => Promise<void>): Promise<void> {
    while (!stopped.signal.aborted) {
      await inTurn(step).catch((error) => log.warn({ error }, `${name} failed; it is tried again`))
      await clock.sleep(ms, stopped.signal).catch(() => {})
    }
  }

  async function inTurn(step: () => Promise<void>): Promise<void> {
    if (!lead || (await lead.isOurs())) await step()
  }

  const loops = [
    every(wakeEvery, 'waking jobs', () => wakeDueJobs(options)),
    every(expireEvery, 'expiring raw media', () => expireRaw(options)),
  ]
  return {
    stop: async () => {
      stopped.abort()
      await Promise.all(loops)
      await lead?.end().catch((error) => log.warn({ error }, 'the sweep is left until its lease runs out'))
    },
  }
}

/** Sends first, then notes it: a crash between the two sends once more, which does no harm. */
export async function wakeDueJobs(options: SweeperOptions): Promise<void> {
  const { metadata, queue, clock, log, admission } = options
  const now = clock.now()
  const due = await metadata.dueJobs(now, wakeBatch)
  const held = due.filter(({ state }) => state === 'held')
  for (const job of due) {
    if (job.state === 'held') continue
    await queue.send(job.lane, { job_id: job.job_id })
    await noteWake(metadata, job, now)
  }
  if (due.length > held.length) log.debug({ jobs: due.length - held.length }, 'woke jobs')
  // Whoever ends a job lets the next of its user go: these are for when he died before he did.
  for (const user_id of new Set(held.map((job) => job.user_id))) await (admission ?? freeAdmission).refill(user_id)
  for (const media_id of new Set(held.filter(({ kind }) => kind === 'segment').map((job) => job.media_id))) {
    const cut = newestCut(await metadata.jobsOf(media_id))
    if (cut) await letGo(cut, options)
  }
  for (const job of held) await noteWake(metadata, job, now)
}

async function noteWake(
  metadata: Metadata,
  { job_id, media_id, state, token, wakes }: Job,
  now: number,
): Promise<void> {
  const patch = { sweep_at: nextSweep(now, wakes), wakes: wakes + 1 }
  try {
    await metadata.commit({ media_id, expect: {}, jobs: [{ job_id, expect: { states: [state], token }, patch }] })
  } catch (error) {
    // Claimed meanwhile: then the claim has set it.
    if (codeOf(error) !== 'conflict') throw error
  }
}

/** Raw media go `tempDays` after they were processed; those never processed after ten times as long, and are told of before. */
export async function expireRaw(options: SweeperOptions): Promise<void> {
  const { objects, clock, tempBucket, tempDays, expirySeconds = 0 } = options
  if (!isExpiring(objects)) return
  const now = clock.now()
  // An upload's own job ends it first; a day later what has no record goes too.
  const longest = Math.max(10 * tempDays * day, expirySeconds * 1_000 + day)
  const rules = { doneBefore: now - tempDays * day, anyBefore: now - longest }
  for await (const ref of objects.expire(tempBucket, rules)) await forgetRaw(ref, options)
  await reportOverdue(options, rules.doneBefore)
}

/** Tells the operator of raw media that should long have been processed, before they expire. */
async function reportOverdue({ objects, metadata, log, tempBucket }: SweeperOptions, before: number): Promise<void> {
  const overdue: Record<string, number> = {}
  for await (const { ref, last_modified } of objects.list(tempBucket, '')) {
    if (last_modified >= before) continue
    const status = (await metadata.get(mediaIdOf(ref)))?.status ?? 'unknown'
    if (status !== 'processed' && status !== 'deleted') overdue[status] = (overdue[status] ?? 0) + 1
  }
  if (Object.keys(overdue).length > 0) log.warn({ overdue }, 'raw media older than TEMP_DAYS were never processed')
}

/** The record must not name bytes that are gone. */
async function forgetRaw(ref: ObjectRef, { metadata, log }: SweeperOptions): Promise<void> {
  const media_id = mediaIdOf(ref)
  const record = await metadata.get(media_id)
  if (record?.temp_s3_url !== s3Url(ref)) return
  await metadata
    .commit({ media_id, expect: { version: record.version }, patch: { temp_s3_url: null } })
    .catch((error) => log.warn({ media_id, error }, 'record still names raw media that expired'))
  if (record.status !== 'processed') log.warn({ media_id, status: record.status }, 'raw media expired unprocessed')
}

/** Raw media lie at `{media_id}.{extension}`. */
function mediaIdOf({ key }: ObjectRef): string {
  return key.split('.')[0] ?? ''
}
