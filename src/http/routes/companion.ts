import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import {
  CompanionComplete,
  CompanionCompleteAnswer,
  CompanionForm,
  CompanionFormAnswer,
  CompanionPartAnswer,
  CompanionPartParams,
  CompanionParts,
  CompanionUpload,
  CompanionUploadAnswer,
  CompanionUploadParams,
  UploadToken,
} from '../../../contract/companion.ts'
import { partLimit } from '../../../contract/upload.ts'
import { parseS3Url } from '../../media/locations.ts'
import { type CompanionDoor, titleSaid } from '../../uploads/companion.ts'
import { mediaIdOf } from '../../uploads/idempotency.ts'
import type { App, AppDeps } from '../deps.ts'
import { answerOnce, IdempotencyHeaders, idempotencyCodes } from '../idempotency.ts'
import { assertLive, refused, type UploadTokens } from '../upload-tokens.ts'
import { refusals } from './schemas.ts'
import { formRoute, takeForms } from './upload.ts'

type Deps = Pick<AppDeps, 'formDoor' | 'formLimit' | 'idempotency' | 'library' | 'publicUrl' | 'chance'> & {
  companion: CompanionDoor
  uploadTokens: UploadTokens
}

/** Bytes of a list of parts, with room for blanks. */
const partsLimit = partLimit * 200
/** The key of the form that a page was sent to: however often it posts it, it is one media. */
const formScope = 'companion form'

/** The paths of Uppy's companion for S3, for callers who send their identity as everywhere. */
export function companionRoutes(app: App, deps: Deps): void {
  companionPaths(app, '/s3', deps)

  app.post(
    '/api/media/upload/token',
    {
      schema: {
        tags: ['Uppy'],
        operationId: 'issueUploadToken',
        summary: 'A token for pages that can send no header',
        description:
          'For an unmodified `@uppy/aws-s3`: give it `companion_endpoint`. Whoever has the token can upload in your name ' +
          'for an hour, and do nothing else. Without identity configured, the address of the service itself is an endpoint.',
        response: { 200: UploadToken, ...refusals('unauthenticated') },
      },
    },
    async ({ caller }) => {
      const issued = deps.uploadTokens.issue(caller.user_id)
      return { ...issued, companion_endpoint: `${deps.publicUrl()}/companion/${issued.token}` }
    },
  )
}

/** The same paths below a token, for Uppy can send no header. */
export function companionTokenRoutes(app: App, deps: Deps): void {
  const { library, uploadTokens } = deps
  app.decorateRequest('caller')
  app.addHook('onRequest', async (request) => {
    const { token, uploadId } = request.params as { token: string; uploadId?: string }
    const claims = uploadTokens.verify(token, 'companion')
    request.caller = { user_id: claims.user_id, operator: false }
    if (!claims.expired) return
    if (uploadId === undefined) return assertLive(claims)
    // A large file takes longer than the token lives; Uppy cannot take another in the midst of it.
    const { record } = await library.get(claims.user_id, uploadId)
    const begun = Date.parse(record.upload_time)
    if (begun < claims.from || begun > claims.until) throw refused('has expired')
  })
  companionPaths(app, '/companion/:token/s3', deps)
}

/** Where Uppy posts small files: the form door, below a token that is good for one form. */
export function companionFormRoutes(app: App, deps: Deps): void {
  const claimsOf = ({ query }: FastifyRequest) => {
    const { upload_token } = query as { upload_token?: unknown }
    return deps.uploadTokens.verify(typeof upload_token === 'string' ? upload_token : '', 'form')
  }
  app.decorateRequest('caller')
  app.addHook('onRequest', async (request) => {
    const claims = claimsOf(request)
    assertLive(claims)
    request.caller = { user_id: claims.user_id, operator: false }
  })
  takeForms(app)
  // Uppy takes the address without its query, with a slash and the key behind it, for that of the media: so it is.
  app.post('/api/media', {
    schema: { hide: true },
    ...formRoute(deps, (request) => ({ route: formScope, key: claimsOf(request).form })),
  })
}

function companionPaths(app: App, prefix: string, deps: Deps): void {
  const { companion, publicUrl } = deps
  // Below a token they are the same.
  const about = { tags: ['Uppy'], hide: prefix !== '/s3' }

  app.get(
    `${prefix}/params`,
    { exposeHeadRoute: false, schema: { ...about, ...schemas.params } },
    async ({ caller, query }) => {
      const { user_id } = caller
      const metadata = metadataIn(query)
      const title = titleSaid({ filename: query.filename, metadata })
      const profile = companion.profile(metadata)
      const form = deps.chance.uuid()
      const { token, expires } = deps.uploadTokens.issueForm(user_id, form)
      const key = mediaIdOf({ user_id, route: formScope, key: form }, 0)
      const url = `${publicUrl()}/api/media?upload_token=${token}`
      const fields = { key, title, ...(profile !== null && { profile }) }
      return { method: 'POST' as const, url, fields, expires }
    },
  )

  app.post(`${prefix}/multipart`, { schema: { ...about, ...schemas.create } }, async (request, reply) => {
    const { filename, type, metadata = {} } = request.body
    const said = { filename, type: type || null, metadata }
    const { value } = await answerOnce(deps.idempotency, { request, reply, route: 'companion' }, async (keyed) =>
      companion.begin(request.caller.user_id, said, keyed),
    )
    return { key: value.media_id, uploadId: value.media_id }
  })

  app.get(
    `${prefix}/multipart/:uploadId`,
    { exposeHeadRoute: false, schema: { ...about, ...schemas.list } },
    async ({ caller, params }) => {
      const parts = await companion.list(caller.user_id, params.uploadId)
      return parts.map(({ part_number, size, etag }) => ({ PartNumber: part_number, Size: size, ETag: `"${etag}"` }))
    },
  )

  app.get(
    `${prefix}/multipart/:uploadId/:partNumber`,
    { exposeHeadRoute: false, schema: { ...about, ...schemas.sign } },
    async ({ caller, params }) => await companion.sign(caller.user_id, params.uploadId, params.partNumber),
  )

  app.post(
    `${prefix}/multipart/:uploadId/complete`,
    { bodyLimit: partsLimit, schema: { ...about, ...schemas.complete } },
    async ({ body, caller, params }) => {
      const parts = body.parts.map(({ PartNumber, ETag }) => ({ part_number: PartNumber, etag: ETag }))
      const { media_id, upload } = await companion.complete(caller.user_id, params.uploadId, parts)
      const bucket = upload ? parseS3Url(upload.s3_url).bucket : ''
      return { location: `${publicUrl()}/api/media/${media_id}`, bucket, key: media_id }
    },
  )

  app.delete(
    `${prefix}/multipart/:uploadId`,
    { schema: { ...about, ...schemas.abort } },
    async ({ caller, params }) => {
      await companion.abort(caller.user_id, params.uploadId)
      return {}
    },
  )
}

const missing = ['unauthenticated', 'not_found'] as const
const broken = [
  'malformed_request',
  'invalid_request',
  'unsupported_media',
  'too_large',
  'storage_full',
  'quota_exceeded',
] as const

const schemas = {
  params: {
    operationId: 'companionForm',
    summary: 'Where a small file is posted',
    description:
      'A form with a token of its own, good for one file: `fields`, then `file`. Other words of the page are `metadata[…]`.',
    querystring: CompanionForm,
    response: {
      200: CompanionFormAnswer,
      ...refusals('unauthenticated', 'invalid_request', 'title_missing', 'unknown_profile'),
    },
  },
  create: {
    operationId: 'companionCreate',
    summary: 'Begin an upload in parts of Uppy’s',
    description: 'Its size is known at the end only; no part may lie beyond `UPLOAD_MAX_BYTES`.',
    headers: IdempotencyHeaders,
    body: CompanionUpload,
    response: {
      200: CompanionUploadAnswer,
      ...refusals('unauthenticated', 'title_missing', 'unknown_profile', ...broken, ...idempotencyCodes),
    },
  },
  list: {
    operationId: 'companionList',
    summary: 'The parts that are stored',
    description: 'Where Uppy goes on after a reload.',
    params: CompanionUploadParams,
    response: { 200: CompanionParts, ...refusals(...missing) },
  },
  sign: {
    operationId: 'companionSign',
    summary: 'Where a part is put',
    description: 'The address leads straight to the store, and expires.',
    params: CompanionPartParams,
    response: { 200: CompanionPartAnswer, ...refusals(...missing, 'wrong_state', 'too_large') },
  },
  complete: {
    operationId: 'companionComplete',
    summary: 'Make a media of Uppy’s parts',
    description: 'Completing again, with parts that were listed since, answers the same media.',
    params: CompanionUploadParams,
    body: CompanionComplete,
    response: {
      200: CompanionCompleteAnswer,
      ...refusals(...missing, 'wrong_state', 'conflict', 'invalid_parts', 'size_mismatch', ...broken),
    },
  },
  abort: {
    operationId: 'companionAbort',
    summary: 'Give up an upload of Uppy’s',
    description: 'Its parts are removed.',
    params: CompanionUploadParams,
    response: { 200: Type.Object({}), ...refusals(...missing, 'wrong_state', 'conflict', 'storage_full') },
  },
}

/** What the page tells of the file: `metadata[title]=…`. */
function metadataIn(query: object): Record<string, unknown> {
  const fields = Object.entries(query).flatMap(([name, value]) => {
    const field = /^metadata\[(.+)\]$/.exec(name)?.[1]
    return field === undefined ? [] : [[field, value] as const]
  })
  return Object.fromEntries(fields)
}
