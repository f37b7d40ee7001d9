import type { FastifyReply, FastifyRequest } from 'fastify'
import { Media } from '../../../contract/media.ts'
import { UploadForm } from '../../../contract/upload.ts'
import { MediaError } from '../../media/errors.ts'
import { goneSignal } from '../bodies.ts'
import type { App, AppDeps } from '../deps.ts'
import { answerOnce, IdempotencyHeaders, idempotencyCodes } from '../idempotency.ts'
import { wireOf } from '../projection.ts'
import { refusals } from './schemas.ts'

/** Bytes of a form that are not its file. */
const formOverhead = 1024 * 1024

type Deps = Pick<AppDeps, 'formDoor' | 'formLimit' | 'idempotency' | 'library' | 'publicUrl'>

/** The form door: one request, one media. */
export async function uploadRoutes(app: App, deps: Deps): Promise<void> {
  const { formLimit } = deps
  takeForms(app)
  app.post('/api/media/upload', {
    schema: {
      tags: ['uploads'],
      operationId: 'uploadForm',
      summary: 'Upload a file by form',
      description: `The file may have ${formLimit} bytes. The answer comes when it is stored durably; processing follows.`,
      consumes: ['multipart/form-data'],
      headers: IdempotencyHeaders,
      body: UploadForm,
      response: {
        201: Media,
        ...refusals(
          'unauthenticated',
          'malformed_request',
          'upload_interrupted',
          'too_many_files',
          'too_large',
          'unsupported_media',
          'title_missing',
          'unknown_profile',
          'file_missing',
          'file_empty',
          'invalid_request',
          'storage_full',
          'quota_exceeded',
          ...idempotencyCodes,
        ),
      },
    },
    ...formRoute(deps, () => ({ route: 'form' })),
  })
}

/** Forms are read by the door, as they come: nothing of them is held here. */
export function takeForms(app: App): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('multipart/form-data', (_request, body, done) => done(null, body))
  app.addContentTypeParser('*', (_request, _body, done) => done(notAForm()))
}

/** How a route takes a form. @param scope of its idempotency; the key is the request's own when none is given. */
export function formRoute(deps: Deps, scope: (request: FastifyRequest) => { route: string; key?: string }) {
  const { formDoor, formLimit, idempotency, library, publicUrl } = deps
  return {
    // The body is a stream: the door checks what is in it.
    validatorCompiler: () => (value: unknown) => ({ value }),
    onRequest: async ({ headers }: FastifyRequest) => {
      if (Number(headers['content-length']) > formLimit + formOverhead) throw tooLarge(formLimit)
    },
    handler: async (request: FastifyRequest, reply: FastifyReply) => {
      const { raw, headers, caller } = request
      const given = { headers, body: raw, user_id: caller.user_id, signal: goneSignal(reply) }
      const made = await answerOnce(idempotency, { request, reply, ...scope(request) }, async (keyed) =>
        formDoor.receive({ ...given, keyed }),
      )
      const { media_id } = made.value
      reply.header('location', `/api/media/${media_id}`)
      const view = made.replayed ? await library.get(caller.user_id, media_id) : { record: made.value, progress: 0 }
      return await reply.code(201).send(wireOf(view, publicUrl()))
    },
  }
}

function notAForm(): MediaError {
  const detail = 'This address takes multipart/form-data, with the fields "title" and "file".'
  return new MediaError('unsupported_media', 'the body is no form', { detail })
}

function tooLarge(formLimit: number): MediaError {
  return new MediaError('too_large', 'the declared length is over the limit of forms', {
    detail: `A form takes files of up to ${formLimit} bytes. Send larger ones through POST /api/media/upload/init.`,
  })
}
