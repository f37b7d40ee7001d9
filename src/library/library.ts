import { isoTime } from '../media/clock.ts'
import { codeOf, MediaError } from '../media/errors.ts'
import { type Job, jobIdOf, jobStates, newJob, over } from '../media/jobs.ts'
import { type MediaEvent, type MediaRecord, type MediaView, tombstonePatch } from '../media/record.ts'
import { advance, legalFrom } from '../media/states.ts'
import { type Commit, type ListQuery, type Metadata, readView } from '../metadata/port.ts'
import { wake } from '../queue/port.ts'
import type { LibraryPorts } from './ports.ts'
import { retryMedia } from './replay.ts'

/** What an owner does with media that are there. Somebody else's media is `not_found`. */
export interface Library {
  get(user_id: string, media_id: string): Promise<MediaView>
  /** What happened to it after event `after`, in order. */
  timeline(user_id: string, media_id: string, page: { after: number; limit: number }): Promise<MediaEvent[]>
  list(query: ListQuery): Promise<{ items: MediaView[]; next_cursor: string | null }>
  rename(user_id: string, media_id: string, title: string): Promise<MediaView>
  /** Gone for every reader when it resolves; the bytes follow by the purge job. Removing it again changes nothing. */
  remove(user_id: string, media_id: string): Promise<void>
  /** @throws MediaError `wrong_state` unless failed, `raw_expired` when the raw bytes are gone. */
  retry(user_id: string, media_id: string): Promise<MediaView>
}

/** A commit that lost a race is tried again on what it finds; more often than this is somebody hammering. */
const raceLimit = 8

const purgeLane = 'tasks'

export function openLibrary(ports: LibraryPorts): Library {
  const { metadata, queue, clock, log } = ports

  const view = (record: MediaRecord): Promise<MediaView> => readView(metadata, record)

  return {
    get: async (user_id, media_id) => await view(await findOwn(metadata, user_id, media_id)),

    timeline: async (user_id, media_id, { after, limit }) => {
      await findOwn(metadata, user_id, media_id)
      return await metadata.timeline(media_id, after, limit)
    },

    list: async (query) => {
      const { items, next_cursor } = await metadata.list(query)
      return { items: await Promise.all(items.map(view)), next_cursor }
    },

    rename: async (user_id, media_id, title) => {
      const { record } = await commitOn(metadata, user_id, media_id, async () => ({
        media_id,
        expect: { status: legalFrom('deleted') },
        patch: { title },
        events: [{ type: 'media.updated', at: isoTime(clock.now()), data: { title } }],
      }))
      return await view(record)
    },

    remove: async (user_id, media_id) => {
      if (await isRemoved(metadata, user_id, media_id)) return
      try {
        await commitOn(metadata, user_id, media_id, async (record) =>
          tombstone(record, await metadata.jobsOf(media_id), clock.now()),
        )
      } catch (error) {
        // Somebody removed it in the meantime.
        if (codeOf(error) === 'not_found' && (await isRemoved(metadata, user_id, media_id))) return
        throw error
      }
      log.info({ audit: 'media.deleted', media_id, user_id }, 'audit: a media was deleted by its owner')
      await wake(queue, { job_id: jobIdOf(media_id, 'purge'), lane: purgeLane }, log)
      await ports.admission?.refill(user_id)
    },

    retry: async (user_id, media_id) => {
      const found = await findOwn(metadata, user_id, media_id)
      return await view(await retryMedia(found, ports))
    },
  }
}

/** @throws MediaError `not_found` for an unknown, deleted or foreign media. */
async function findOwn(metadata: Metadata, user_id: string, media_id: string): Promise<MediaRecord> {
  const record = await metadata.get(media_id)
  if (!record || record.user_id !== user_id || record.status === 'deleted') {
    throw new MediaError('not_found', `no media ${media_id} of ${user_id}`)
  }
  return record
}

async function isRemoved(metadata: Metadata, user_id: string, media_id: string): Promise<boolean> {
  const found = await metadata.get(media_id)
  return found?.user_id === user_id && found.status === 'deleted'
}

/** Reads, decides, commits; again when somebody else was faster. */
async function commitOn(
  metadata: Metadata,
  user_id: string,
  media_id: string,
  decide: (record: MediaRecord) => Promise<Commit>,
) {
  for (let tries = 1; ; tries++) {
    const record = await findOwn(metadata, user_id, media_id)
    try {
      return await metadata.commit(await decide(record))
    } catch (error) {
      if (codeOf(error) !== 'conflict' || tries === raceLimit) throw error
    }
  }
}

/** Ends the media's jobs under tokens of their own: whoever still works on one learns that it was not his commit that ended it. */
function tombstone(record: MediaRecord, jobs: readonly Job[], now: number): Commit {
  const { media_id, user_id } = record
  advance(record.status, 'deleted')
  return {
    media_id,
    expect: { status: legalFrom('deleted') },
    patch: tombstonePatch(record, isoTime(now)),
    jobs: [
      ...jobs.map(({ job_id, token }) => ({
        job_id,
        expect: { states: jobStates, token },
        patch: { ...over, token: token + 1 },
      })),
      { create: newJob({ media_id, user_id, kind: 'purge', lane: purgeLane, now }) },
    ],
    events: [{ type: 'media.deleted', at: isoTime(now) }],
  }
}
