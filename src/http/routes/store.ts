import type { FastifyRequest } from 'fastify'
import { MediaError } from '../../media/errors.ts'
import type { ObjectStore, PresignedDoor, PresignedPart } from '../../objects/port.ts'
import { wholeOf } from '../../uploads/chunks.ts'
import { goneSignal, lengthOf } from '../bodies.ts'
import type { App } from '../deps.ts'
import { openCorsHeaders, openPreflightHeaders } from '../origins.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What the signed address allows, on the store's own addresses. */
    part: PresignedPart
  }
}

/**
 * The addresses that an object store without a server of its own has signed. The signature is the credential, so any
 * page may send to them, and no identity is asked.
 */
export function storeRoutes(app: App, store: Pick<ObjectStore, 'putPart'> & Pick<PresignedDoor, 'admitPart'>): void {
  // The bytes are the body, whatever their type is said to be.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, body, done) => done(null, body))
  app.decorateRequest('part')
  const common = { url: '/store/:bucket/*', schema: { hide: true }, config: { signed: true } }

  app.route({
    ...common,
    method: 'PUT',
    onRequest: async (request, reply) => {
      reply.headers(openCorsHeaders)
      request.part = admit(store, request)
      checkLength(lengthOf(request), request.part)
    },
    handler: async (request, reply) => {
      const { upload, part_number } = request.part
      const { etag } = await store.putPart(upload, {
        part_number,
        source: wholeOf(request.raw),
        size: lengthOf(request) ?? 0,
        signal: goneSignal(reply),
      })
      return await reply.header('etag', `"${etag}"`).send()
    },
  })

  app.route({
    ...common,
    method: 'OPTIONS',
    handler: async (_request, reply) => await reply.code(204).headers(openPreflightHeaders).send(),
  })
}

/** @throws MediaError `bad_signature` */
function admit(store: Pick<PresignedDoor, 'admitPart'>, { params, url }: FastifyRequest): PresignedPart {
  const { bucket, '*': key } = params as { bucket: string; '*': string }
  const query = new URLSearchParams(url.split('?').slice(1).join('?'))
  return store.admitPart({ path: `/${bucket}/${key}`, query })
}

/** @throws MediaError `length_required`, `size_mismatch` */
function checkLength(length: number | null, { size, part_number }: PresignedPart): void {
  if (length === null) throw new MediaError('length_required', 'a part without Content-Length')
  if (size === null || length === size) return
  throw new MediaError('size_mismatch', `part ${part_number} of ${length} bytes, signed for ${size}`, {
    detail: `Part ${part_number} has ${size} bytes, and ${length} are announced.`,
  })
}
