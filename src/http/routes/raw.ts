import type { FastifyReply, FastifyRequest } from 'fastify'
import { Media } from '../../../contract/media.ts'
import { UploadRaw } from '../../../contract/upload.ts'
import type { RawWords } from '../../uploads/raw.ts'
import { goneSignal, lengthOf } from '../bodies.ts'
import type { App, AppDeps } from '../deps.ts'
import { answerOnce, IdempotencyHeaders, idempotencyCodes } from '../idempotency.ts'
import { wireOf } from '../projection.ts'
import { refusals } from './schemas.ts'

type Deps = Pick<AppDeps, 'rawDoor' | 'idempotency' | 'library' | 'publicUrl'>

/** The raw door: the body is the file, as `curl -T` sends it. */
export function rawRoutes(app: App, { rawDoor, idempotency, library, publicUrl }: Deps): void {
  // What type the body is said to be does not matter: its bytes are looked at.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, body, done) => done(null, body))

  /** Before the body is asked for: who waits for `100 Continue` has sent none of it. */
  const check = async (request: FastifyRequest) => rawDoor.check({ ...wordsOf(request), length: lengthOf(request) })

  const receive = async (request: FastifyRequest, reply: FastifyReply) => {
    const { raw, caller } = request
    const given = { ...wordsOf(request), body: raw, user_id: caller.user_id, signal: goneSignal(reply) }
    const made = await answerOnce(idempotency, { request, reply, route: 'raw' }, async (keyed) =>
      rawDoor.receive({ ...given, keyed }),
    )
    const { media_id } = made.value
    reply.header('location', `/api/media/${media_id}`)
    const view = made.replayed ? await library.get(caller.user_id, media_id) : { record: made.value, progress: 0 }
    return await reply.code(201).send(wireOf(view, publicUrl()))
  }

  app.put(
    '/api/media/upload',
    {
      schema: {
        tags: ['uploads'],
        operationId: 'uploadRaw',
        summary: 'Upload a file as the body, of any length',
        description:
          `The file may have ${rawDoor.maxBytes} bytes; the length may be left open. What the Content-Type says is not ` +
          'believed. `PUT /api/media/upload/{filename}` does the same, so that `curl -T clip.mp4 …/api/media/upload/` works.',
        consumes: ['application/octet-stream'],
        headers: IdempotencyHeaders,
        querystring: UploadRaw,
        response: {
          201: Media,
          ...refusals(
            ...([
              'unauthenticated',
              'malformed_request',
              'upload_interrupted',
              'too_large',
              'unsupported_media',
            ] as const),
            ...([
              'title_missing',
              'unknown_profile',
              'file_empty',
              'invalid_request',
              'storage_full',
              'quota_exceeded',
            ] as const),
            ...idempotencyCodes,
          ),
        },
      },
      onRequest: check,
    },
    receive,
  )

  // Named as the addresses of uploads are, that those two are one to the router; here it is a file's name.
  app.put('/api/media/upload/:media_id', { schema: { hide: true, querystring: UploadRaw }, onRequest: check }, receive)
}

function wordsOf({ params, query }: FastifyRequest): RawWords {
  const { media_id: name } = params as { media_id?: string }
  const { title, filename, profile } = query as Record<string, unknown>
  return { title: oneOf(title), filename: oneOf(filename) ?? name, profile: oneOf(profile) }
}

/** Of a word that is given twice the schema says what is wrong. */
function oneOf(value: unknown): string | undefined {
  return value === undefined || typeof value === 'string' ? value : String(value)
}
