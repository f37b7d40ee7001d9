import { ReadTimeline, Timeline } from '../../../contract/feed.ts'
import { ChangeMedia, ListMedia, Media, MediaPage, MediaParams } from '../../../contract/media.ts'
import type { App, AppDeps } from '../deps.ts'
import { wireOf } from '../projection.ts'
import { empty, refusals } from './schemas.ts'

const tags = ['media']
const pageSize = 20

/** The record: read, list, rename, remove, process again. */
export function mediaRoutes(app: App, { library, publicUrl }: Pick<AppDeps, 'library' | 'publicUrl'>): void {
  app.get(
    '/api/media',
    {
      schema: {
        tags,
        operationId: 'listMedia',
        summary: 'List your media, newest first',
        description: 'A page may be short and still have a `next_cursor`.',
        querystring: ListMedia,
        response: { 200: MediaPage, ...refusals('unauthenticated', 'invalid_request', 'invalid_cursor') },
      },
    },
    async (request) => {
      const page = await library.list({ limit: pageSize, ...request.query, user_id: request.caller.user_id })
      return { items: page.items.map((view) => wireOf(view, publicUrl())), next_cursor: page.next_cursor }
    },
  )

  app.get(
    '/api/media/:media_id',
    {
      schema: {
        tags,
        operationId: 'getMedia',
        summary: 'Read a record',
        description: 'Somebody else’s is 404, as one that never was.',
        params: MediaParams,
        response: { 200: Media, ...refusals('unauthenticated', 'not_found') },
      },
    },
    async ({ caller, params }) => wireOf(await library.get(caller.user_id, params.media_id), publicUrl()),
  )

  app.get(
    '/api/media/:media_id/log',
    {
      schema: {
        tags,
        operationId: 'readTimeline',
        summary: 'What happened to a media, and when',
        description: 'Out of the log that live events and webhooks are read from.',
        params: MediaParams,
        querystring: ReadTimeline,
        response: { 200: Timeline, ...refusals('unauthenticated', 'not_found', 'invalid_request') },
      },
    },
    async ({ caller, params, query: { after = 0, limit = 100 } }) => {
      const events = await library.timeline(caller.user_id, params.media_id, { after, limit })
      return { items: events.map(({ event_id, seq, type, at, data }) => ({ event_id, seq, type, at, data })) }
    },
  )

  app.patch(
    '/api/media/:media_id',
    {
      schema: {
        tags,
        operationId: 'changeMedia',
        summary: 'Change the title',
        description: 'The rest of a record is the service’s.',
        params: MediaParams,
        body: ChangeMedia,
        response: {
          200: Media,
          ...refusals(
            'unauthenticated',
            'not_found',
            'malformed_request',
            'invalid_request',
            'conflict',
            'too_large',
            'unsupported_media',
            'storage_full',
          ),
        },
      },
    },
    async ({ caller, params, body }) => {
      const view = await library.rename(caller.user_id, params.media_id, body.title.trim())
      return wireOf(view, publicUrl())
    },
  )

  app.delete(
    '/api/media/:media_id',
    {
      schema: {
        tags,
        operationId: 'removeMedia',
        summary: 'Remove a media with all its bytes',
        description: 'Gone for every reader at once. Removing it again is no error.',
        params: MediaParams,
        response: {
          204: empty('Gone.'),
          ...refusals('unauthenticated', 'not_found', 'conflict', 'storage_full'),
        },
      },
    },
    async ({ caller, params }, reply) => {
      await library.remove(caller.user_id, params.media_id)
      return await reply.code(204).send()
    },
  )

  app.post(
    '/api/media/:media_id/retry',
    {
      schema: {
        tags,
        operationId: 'retryMedia',
        summary: 'Process a failed media again',
        description: 'As long as its raw bytes are kept; under the profile it was uploaded with.',
        params: MediaParams,
        response: {
          202: Media,
          ...refusals('unauthenticated', 'not_found', 'wrong_state', 'raw_expired', 'conflict', 'storage_full'),
        },
      },
    },
    async ({ caller, params }, reply) => {
      const view = await library.retry(caller.user_id, params.media_id)
      return await reply.code(202).send(wireOf(view, publicUrl()))
    },
  )
}
