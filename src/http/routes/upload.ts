import { Media } from '../../../contract/media.ts'
import { UploadForm } from '../../../contract/upload.ts'
import { MediaError } from '../../media/errors.ts'
import type { App, AppDeps } from '../deps.ts'
import { wireOf } from '../projection.ts'
import { refusals } from './schemas.ts'

/** Bytes of a form that are not its file. */
const formOverhead = 1024 * 1024

type Deps = Pick<AppDeps, 'formDoor' | 'formLimit' | 'publicUrl'>

/** The form door: one request, one media. */
export async function uploadRoutes(app: App, { formDoor, formLimit, publicUrl }: Deps): Promise<void> {
  // The door reads the stream itself: nothing of it is held here.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('multipart/form-data', (_request, body, done) => done(null, body))
  app.addContentTypeParser('*', (_request, _body, done) => done(notAForm()))

  app.post(
    '/api/media/upload',
    {
      schema: {
        tags: ['uploads'],
        operationId: 'uploadForm',
        summary: 'Upload a file by form',
        description: `The file may have ${formLimit} bytes. The answer comes when it is stored durably; processing follows.`,
        consumes: ['multipart/form-data'],
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
            'file_missing',
            'file_empty',
            'invalid_request',
            'storage_full',
          ),
        },
      },
      // The body is a stream: the door checks what is in it.
      validatorCompiler: () => (value: unknown) => ({ value }),
      onRequest: async ({ headers }) => {
        if (Number(headers['content-length']) > formLimit + formOverhead) throw tooLarge(formLimit)
      },
    },
    async ({ raw, headers, caller }, reply) => {
      const gone = new AbortController()
      reply.raw.once('close', () => {
        if (!reply.raw.writableFinished) gone.abort(new MediaError('upload_interrupted', 'the client went away'))
      })
      const { user_id } = caller
      const record = await formDoor.receive({ headers, body: raw, user_id, signal: gone.signal })
      reply.header('location', `/api/media/${record.media_id}`)
      return await reply.code(201).send(wireOf({ record, progress: 0 }, publicUrl()))
    },
  )
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
