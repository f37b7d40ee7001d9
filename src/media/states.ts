import { MediaError } from './errors.ts'
import type { EventType, Status } from './record.ts'

/** What can happen to a media. */
export type Move = 'uploaded' | 'claimed' | 'processed' | 'failed' | 'retried' | 'aborted' | 'deleted'

const moves: Record<Move, { from: readonly Status[]; to: Status; event: EventType }> = {
  uploaded: { from: ['uploading'], to: 'uploaded', event: 'media.uploaded' },
  // A reclaimed job finds its record `processing` already.
  claimed: { from: ['uploaded', 'processing'], to: 'processing', event: 'media.processing' },
  processed: { from: ['processing'], to: 'processed', event: 'media.processed' },
  failed: { from: ['processing'], to: 'failed', event: 'media.failed' },
  retried: { from: ['failed'], to: 'uploaded', event: 'media.retried' },
  // An upload given up by its sender, or expired.
  aborted: { from: ['uploading'], to: 'deleted', event: 'media.aborted' },
  deleted: {
    from: ['uploading', 'uploaded', 'processing', 'processed', 'failed'],
    to: 'deleted',
    event: 'media.deleted',
  },
}

/** Statuses after which nothing more happens by itself. */
export const finalStatuses: readonly Status[] = ['processed', 'failed', 'deleted']

/** Statuses from which `move` is legal: the condition of the commit that makes it. */
export function legalFrom(move: Move): readonly Status[] {
  return moves[move].from
}

/**
 * The one table of legal moves, as a function.
 * @throws MediaError `wrong_state` when `move` is not legal from `status`.
 */
export function advance(status: Status, move: Move): { status: Status; event: EventType } {
  const { from, to, event } = moves[move]
  if (!from.includes(status)) {
    const detail = `The media is ${status}; only media that are ${from.join(' or ')} can be ${move}.`
    throw new MediaError('wrong_state', `cannot be ${move} while ${status}`, { detail })
  }
  return { status: to, event }
}
