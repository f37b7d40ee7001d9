import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { Media, MediaParams } from '../../../contract/media.ts'
import { codeOf, MediaError } from '../../media/errors.ts'
import type { Resumable } from '../../uploads/resumable.ts'
import { limitsOf, speaksDraft } from '../../uploads/resumable-draft.ts'
import { openTusDoor, type TusRequest, tusDiscovery, tusVersion } from '../../uploads/tus.ts'
import type { App, AppDeps } from '../deps.ts'
import { problemOf } from '../errors.ts'
import { answerOnce, IdempotencyHeaders } from '../idempotency.ts'
import { sendProblem } from '../refusals.ts'
import { type DraftDoor, openDraftDoor, problemOfDraft, sendRecord } from './resumable.ts'
import { empty, refusals } from './schemas.ts'

const base = '/api/media/upload/tus'
const tags = ['resumable uploads']

type Deps = Pick<AppDeps, 'clock' | 'idempotency' | 'library' | 'publicUrl' | 'settings'> & { resumable: Resumable }

/** Uploads that go on where they were interrupted: tus 1.0 and the IETF's draft at one address, told apart by headers. */
export function tusRoutes(app: App, deps: Deps): void {
  const { resumable, settings, publicUrl } = deps
  // Below PUBLIC_URL where one is set; else beside the request, by whatever name the service was reached.
  const urlOf = (media_id: string) => `${settings.publicUrl ? publicUrl() : ''}${base}/${media_id}`
  const draft = openDraftDoor({ ...deps, urlOf })
  const answerTus = openTusAnswers({ ...deps, urlOf })

  // The doors read the stream themselves, of whatever type.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, body, done) => done(null, body))
  app.setErrorHandler((error, request, reply) => refuse(error, request, reply))

  const answer = async (request: FastifyRequest, reply: FastifyReply) => {
    const method = methodOf(request)
    if (speaksDraft(method, request.headers)) return await draft[draftVerbs[method]](request, reply)
    return await answerTus(method, request, reply)
  }
  const about = { tags, params: MediaParams }

  app.post(base, { schema: { ...schemas.create, tags } }, answer)
  const documented = { swagger: { exposeHeadRoute: true } }
  app.head(`${base}/:media_id`, { config: documented, schema: { ...schemas.head, ...about } }, answer)
  app.patch(`${base}/:media_id`, { schema: { ...schemas.append, ...about } }, answer)
  app.delete(`${base}/:media_id`, { schema: { ...schemas.cancel, ...about } }, answer)
  // For clients that can send neither PATCH nor DELETE.
  app.post(`${base}/:media_id`, { schema: { hide: true, params: MediaParams } }, answer)

  const discovery = {
    ...tusDiscovery(resumable),
    'accept-patch': 'application/partial-upload, application/offset+octet-stream',
    'upload-limit': limitsOf(resumable),
  }
  for (const url of [base, `${base}/:media_id`]) {
    app.options(
      url,
      { schema: { hide: true } },
      async (_request, reply) => await reply.code(204).headers(discovery).send(),
    )
  }
}

type Verb = TusRequest['method']
const draftVerbs = { POST: 'create', HEAD: 'head', PATCH: 'append', DELETE: 'cancel' } as const satisfies Record<
  Verb,
  keyof DraftDoor
>

/**
 * "The X-HTTP-Method-Override request header MUST be a string which MUST be interpreted as the request's method by the
 * Server, if the header is presented." (tus 1.0)
 */
function methodOf({ method, headers, params }: FastifyRequest): Verb {
  const asked = method === 'POST' ? (headers['x-http-method-override'] ?? 'POST') : method
  const made = (params as { media_id?: string }).media_id === undefined
  const known = ['HEAD', 'PATCH', 'DELETE'].find((one) => one === String(asked).toUpperCase())
  if (known && !made) return known as Verb
  if (made && (known ?? 'POST') === 'POST') return 'POST'
  throw new MediaError('method_not_allowed', `${method} as ${asked}`)
}

function openTusAnswers(deps: Deps & { urlOf: (media_id: string) => string }) {
  const { resumable, idempotency, urlOf } = deps
  const door = openTusDoor(resumable)
  return async (method: Verb, request: FastifyRequest, reply: FastifyReply) => {
    const { raw, caller, headers } = request
    const { media_id = null } = request.params as { media_id?: string }
    // "The Tus-Resumable header MUST be included in every request and response except for OPTIONS".
    reply.header('tus-resumable', tusVersion)
    if (headers['tus-resumable'] !== tusVersion) reply.header('tus-version', tusVersion)
    const once: TusRequest['once'] = async (make) => {
      const { value } = await answerOnce(idempotency, { request, reply, route: 'resumable uploads' }, make)
      return value
    }
    const { user_id } = caller
    const answer = await door.answer({ method, media_id, headers, body: raw, user_id, urlOf, once })
    reply.code(answer.status).headers(answer.headers)
    return answer.record ? await sendRecord(deps, reply, answer.record) : await reply.send()
  }
}

/** A few refusals have a status of their own in these protocols; the rest are refused as everywhere. */
function refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (speaksDraft(request.method, request.headers) && codeOf(error) === 'size_mismatch') {
    return sendProblem(reply, problemOfDraft(error, request.id))
  }
  // "460 Checksum Mismatch" (tus 1.0)
  if (codeOf(error) === 'checksum_mismatch') {
    return sendProblem(reply, { ...problemOf(error, request.id), status: 460 })
  }
  throw error
}

const common = ['unauthenticated', 'malformed_request', 'precondition_failed', 'too_large', 'conflict'] as const
const received = ['upload_interrupted', 'unsupported_media', 'storage_full', 'quota_exceeded', 'size_mismatch'] as const

/** Described here, and judged by the protocols' own rules. */
const said = (description: string) => Type.Optional(Type.String({ description }))
const spoken = {
  'tus-resumable': said('tus: `1.0.0`.'),
  'upload-complete': said('The draft: `?1` when the upload is complete with this request, `?0` when more will follow.'),
}
const CreateHeaders = Type.Object({
  ...spoken,
  'upload-length': said('Bytes of the whole.'),
  'upload-metadata': said('tus: `title`, `filename`, `filetype`, `profile`, each with its value in base64.'),
  ...IdempotencyHeaders.properties,
})
const AppendHeaders = Type.Object({
  ...spoken,
  'upload-offset': said('Where these bytes belong: what `HEAD` answered.'),
  'upload-checksum': said('tus: the algorithm, as `sha256`, and the checksum in base64.'),
})

const schemas = {
  create: {
    operationId: 'createResumableUpload',
    summary: 'Begin an upload that can go on after interruptions',
    description:
      'tus 1.0 (`Tus-Resumable: 1.0.0`; `Upload-Metadata` with `title` or `filename`), and the IETF draft of resumable ' +
      'uploads (`Upload-Complete`, interop version 6; `?title=` or `?filename=`, or a filename in `Content-Disposition`). ' +
      '`Location` says where to go on, `Media-Id` which media it will be.',
    headers: CreateHeaders,
    response: {
      201: Media,
      ...refusals(...common, ...received, 'title_missing', 'unknown_profile', 'file_empty', 'invalid_request'),
    },
  },
  head: {
    operationId: 'headResumableUpload',
    summary: 'How far an upload is',
    description: '`Upload-Offset` bytes are stored durably. Whoever is sending to it is sent away.',
    response: { 200: empty('To tus.'), 204: empty('To the draft.'), ...refusals('unauthenticated', 'not_found') },
  },
  append: {
    operationId: 'appendToUpload',
    summary: 'Go on with an upload',
    description: 'The answer to the last bytes comes when the media is made of them.',
    headers: AppendHeaders,
    response: {
      200: Media,
      204: empty('Stored; to tus, complete as well when `Upload-Offset` is the length.'),
      ...refusals(...common, ...received, 'not_found', 'wrong_offset', 'wrong_state'),
    },
  },
  cancel: {
    operationId: 'cancelResumableUpload',
    summary: 'Give up a resumable upload',
    description: 'What was stored is removed.',
    response: { 204: empty('Gone.'), ...refusals('unauthenticated', 'not_found', 'wrong_state', 'conflict') },
  },
}
