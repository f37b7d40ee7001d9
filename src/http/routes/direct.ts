import { Media, MediaParams } from '../../../contract/media.ts'
import {
  CompleteUpload,
  InitUpload,
  partLimit,
  SignedParts,
  SignParts,
  UploadPlan,
  UploadState,
} from '../../../contract/upload.ts'
import { MediaError } from '../../media/errors.ts'
import type { DirectDoor } from '../../uploads/direct.ts'
import { checkTitle } from '../../uploads/names.ts'
import type { App, AppDeps } from '../deps.ts'
import { answerOnce, IdempotencyHeaders, idempotencyCodes } from '../idempotency.ts'
import { wireOf } from '../projection.ts'
import { empty, refusals } from './schemas.ts'

const tags = ['uploads in parts']
/** Bytes of a list of parts, with room for blanks. */
const partsLimit = partLimit * 200

type Deps = Pick<AppDeps, 'idempotency' | 'library' | 'publicUrl'> & { direct: DirectDoor }

/** The direct door: the API says where the parts go, and what came; the bytes go straight to the object store. */
export function directRoutes(app: App, { direct, idempotency, library, publicUrl }: Deps): void {
  app.post(
    '/api/media/upload/init',
    {
      schema: {
        tags,
        operationId: 'initUpload',
        summary: 'Begin an upload in parts, of any size',
        description:
          'PUT the bytes of each part to its address, several at once if you like, and keep the ETags. ' +
          'A part may be sent again. What is not complete by `expires_at` is removed.',
        headers: IdempotencyHeaders,
        body: InitUpload,
        response: {
          201: UploadPlan,
          ...refusals(
            ...(['unauthenticated', 'malformed_request', 'invalid_request', 'title_missing', 'file_empty'] as const),
            ...(['too_large', 'unsupported_media', 'unknown_profile', 'storage_full', 'quota_exceeded'] as const),
            ...idempotencyCodes,
          ),
        },
      },
      preValidation: async ({ body }) => demandTitle(body),
    },
    async (request, reply) => {
      const { body, caller } = request
      const given = { ...body, title: checkTitle(body.title), user_id: caller.user_id }
      const { value: plan } = await answerOnce(idempotency, { request, reply, route: 'direct' }, async (keyed) =>
        direct.init({ ...given, keyed }),
      )
      reply.header('location', `/api/media/upload/${plan.media_id}`)
      return await reply.code(201).send(plan)
    },
  )

  app.post(
    '/api/media/upload/:media_id/parts',
    {
      schema: {
        tags,
        operationId: 'signParts',
        summary: 'Fresh addresses for parts',
        description: 'For parts whose address was not in the first answer, or has expired.',
        params: MediaParams,
        body: SignParts,
        response: {
          200: SignedParts,
          ...refusals(
            ...(['unauthenticated', 'not_found', 'wrong_state', 'malformed_request', 'invalid_request'] as const),
            ...(['invalid_parts', 'too_large', 'unsupported_media'] as const),
          ),
        },
      },
    },
    async ({ body, caller, params }) => ({
      parts: await direct.sign(caller.user_id, params.media_id, body.part_numbers),
    }),
  )

  app.get(
    '/api/media/upload/:media_id',
    {
      schema: {
        tags,
        operationId: 'getUpload',
        summary: 'What the store holds of an upload',
        description: 'To go on after a reload. An upload that is complete answers 409: it is a media now.',
        params: MediaParams,
        response: {
          200: UploadState,
          ...refusals('unauthenticated', 'not_found', 'wrong_state', 'size_mismatch', 'unsupported_media'),
        },
      },
    },
    async ({ caller, params }) => await direct.state(caller.user_id, params.media_id),
  )

  app.post(
    '/api/media/upload/:media_id/complete',
    {
      bodyLimit: partsLimit,
      schema: {
        tags,
        operationId: 'completeUpload',
        summary: 'Make a media of the parts',
        description:
          'Asked again, it answers the same media. When it refuses the parts, the upload goes on; when the bytes are no ' +
          'media (415), it is gone.',
        params: MediaParams,
        body: CompleteUpload,
        response: {
          200: Media,
          ...refusals(
            ...(['unauthenticated', 'not_found', 'wrong_state', 'conflict', 'malformed_request'] as const),
            ...(['invalid_request', 'invalid_parts', 'size_mismatch', 'too_large'] as const),
            ...(['unsupported_media', 'storage_full', 'quota_exceeded'] as const),
          ),
        },
      },
    },
    async ({ body, caller, params }) => {
      const record = await direct.complete(caller.user_id, params.media_id, body.parts)
      // Asked again, it may have gone on since.
      const fresh = record.status === 'uploaded'
      return wireOf(fresh ? { record, progress: 0 } : await library.get(caller.user_id, params.media_id), publicUrl())
    },
  )

  app.delete(
    '/api/media/upload/:media_id',
    {
      schema: {
        tags,
        operationId: 'abortUpload',
        summary: 'Give up an upload in parts',
        description: 'Its parts are removed. Asked again, it answers the same.',
        params: MediaParams,
        response: {
          204: empty('Gone.'),
          ...refusals('unauthenticated', 'not_found', 'wrong_state', 'conflict', 'storage_full'),
        },
      },
    },
    async ({ caller, params }, reply) => {
      await direct.abort(caller.user_id, params.media_id)
      return await reply.code(204).send()
    },
  )
}

/** Said as at every other door. @throws MediaError `title_missing` */
function demandTitle(body: unknown): void {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return
  const { title = '' } = body as { title?: unknown }
  if (typeof title === 'string' && title.trim() === '') throw new MediaError('title_missing', 'a body without a title')
}
