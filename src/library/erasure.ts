import type { Erased, ErasureNote } from '../media/erasure.ts'
import { MediaError } from '../media/errors.ts'
import type { MediaEvent } from '../media/record.ts'
import type { Metadata } from '../metadata/port.ts'

/** What became of a deleted media, out of its log. */
export interface Ledger {
  media_id: string
  /** `deleted`, or why its upload was given up. */
  reason: string
  /** ISO 8601. */
  deleted_at: string
  /** ISO 8601; null while something may still come. */
  erased_at: string | null
  /** Objects found after the last removal; null before the first. */
  left: number | null
  entries: (Erased & { at: string })[]
}

export type ReadLedger = (caller: { user_id: string; operator: boolean }, media_id: string) => Promise<Ledger>

const longestLog = 1_000

/** Reads the ledger of the caller's own media; an operator, anybody's. @throws MediaError `not_found`, `wrong_state` */
export function openLedger({ metadata }: { metadata: Pick<Metadata, 'get' | 'timeline'> }): ReadLedger {
  return async ({ user_id, operator }, media_id) => {
    const record = await metadata.get(media_id)
    if (!record || (record.user_id !== user_id && !operator)) throw new MediaError('not_found', `no media ${media_id}`)
    if (record.status !== 'deleted' || record.deleted_at === null) {
      const detail = 'The media is there. What is removed of it is told once it is deleted.'
      throw new MediaError('wrong_state', `${media_id} is ${record.status}`, { detail })
    }
    return ledgerOf(media_id, record.deleted_at, await lastEvents(metadata, media_id))
  }
}

async function lastEvents(metadata: Pick<Metadata, 'timeline'>, media_id: string): Promise<MediaEvent[]> {
  const found: MediaEvent[] = []
  for (let after = 0; ; ) {
    const page = await metadata.timeline(media_id, after, longestLog)
    found.push(...page.filter(({ type }) => telling.includes(type)))
    after = page.at(-1)?.seq ?? after
    if (page.length < longestLog) return found
  }
}

const telling: readonly string[] = ['media.deleted', 'media.aborted', 'media.erased', 'media.purged']

function ledgerOf(media_id: string, deleted_at: string, events: readonly MediaEvent[]): Ledger {
  const end = events.find(({ type }) => type === 'media.deleted' || type === 'media.aborted')
  const removals = events.filter(({ type }) => type === 'media.erased' || type === 'media.purged')
  const emptied = { what: 'record', where: 'metadata', how: 'removed', objects: null } as const
  const notes = removals.map(({ at, data }) => ({ at, ...(data as Partial<ErasureNote>) }))
  return {
    media_id,
    reason: end?.type === 'media.aborted' ? String(end.data.reason ?? 'sender') : 'deleted',
    deleted_at,
    erased_at: removals.find(({ type }) => type === 'media.purged')?.at ?? null,
    left: notes.at(-1)?.left ?? null,
    entries: [
      { at: deleted_at, ...emptied },
      // Of a purge that an earlier release did, no more is known than when.
      ...notes.flatMap(({ at, removed = [] }) => removed.map((one) => ({ at, ...one }))),
    ],
  }
}
