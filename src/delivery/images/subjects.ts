import type { Clock } from '../../media/clock.ts'
import { MediaError } from '../../media/errors.ts'
import { type ObjectRef, parseS3Url } from '../../media/locations.ts'
import type { MediaRecord, Rendition } from '../../media/record.ts'
import type { Metadata } from '../../metadata/port.ts'
import { openLru } from '../lru.ts'
import { presenceLasts } from '../presence.ts'

/** What pictures of a media are made of. */
export interface Subject {
  media_id: string
  ref: ObjectRef
  /** Whether it may have several frames. */
  animated: boolean
}

export interface Subjects {
  /** At most a second old. @throws MediaError `not_found` when the media is deleted, or has nothing to show. */
  find(media_id: string): Promise<Subject>
  forget(media_id: string): void
}

/** The best first: the master, of an animation its WebP, of videos and sound what stands for them. */
const sources = ['master', 'webp-1600', 'jpeg-1600', 'png-1600', 'poster', 'thumbnail']

export function subjectOf(record: Pick<MediaRecord, 'renditions' | 'media_id'>): Subject | null {
  const { renditions, media_id } = record
  const named = (name: string) => renditions.find((one) => one.name === name)
  const found = sources.map(named).find((one): one is Rendition => one !== undefined)
  return found ? { media_id, ref: parseS3Url(found.s3_url), animated: found.name === 'webp-1600' } : null
}

const remembered = 20_000

export function openSubjects({ metadata, clock }: { metadata: Pick<Metadata, 'get'>; clock: Clock }): Subjects {
  const seen = openLru<{ subject: Subject; at: number }>(remembered)
  const asking = new Map<string, Promise<Subject>>()

  async function ask(media_id: string): Promise<Subject> {
    const at = clock.now()
    const record = await metadata.get(media_id)
    const subject = record && record.status !== 'deleted' ? subjectOf(record) : null
    if (!subject) throw new MediaError('not_found', `${media_id} has nothing to show`)
    seen.set(media_id, { subject, at }, 1)
    return subject
  }

  return {
    async find(media_id) {
      const known = seen.get(media_id)
      if (known && Math.abs(clock.now() - known.at) < presenceLasts) return known.subject
      const asked = asking.get(media_id) ?? ask(media_id).finally(() => asking.delete(media_id))
      asking.set(media_id, asked)
      return await asked
    },
    forget: (media_id) => seen.delete(media_id),
  }
}
