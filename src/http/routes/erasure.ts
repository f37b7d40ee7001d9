import { Erasure } from '../../../contract/erasure.ts'
import { MediaParams } from '../../../contract/media.ts'
import type { App, AppDeps } from '../deps.ts'
import { refusals } from './schemas.ts'

/** What became of a deleted media, for its owner and for operators. */
export function erasureRoutes(app: App, { readLedger }: Pick<AppDeps, 'readLedger'>): void {
  app.get(
    '/api/media/:media_id/erasure',
    {
      schema: {
        tags: ['media'],
        operationId: 'getErasure',
        summary: 'What was removed of a deleted media, where and when',
        description: 'For its owner, and for operators. On DynamoDB it is kept for 30 days after the last removal.',
        params: MediaParams,
        response: { 200: Erasure, ...refusals('unauthenticated', 'not_found', 'wrong_state') },
      },
    },
    async ({ caller, params }): Promise<Erasure> => {
      const ledger = await readLedger(caller, params.media_id)
      return { ...ledger, state: ledger.erased_at === null ? 'erasing' : 'erased' }
    },
  )
}
