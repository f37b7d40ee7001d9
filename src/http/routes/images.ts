import { Type } from 'typebox'
import { StreamQuery } from '../../../contract/download.ts'
import { MediaParams } from '../../../contract/media.ts'
import type { App, EdgeHandler } from '../deps.ts'
import { describeContent, refusals } from './schemas.ts'

const types = ['image/avif', 'image/webp', 'image/jpeg', 'image/png']

/** Pictures made on the fly, for who has their signed address: delivery speaks HTTP by itself. */
export function imageRoutes(app: App, images: EdgeHandler): void {
  const common = { url: '/i/:media_id/:options', config: { signed: true } }
  const params = Type.Object({
    ...MediaParams.properties,
    options: Type.String({ description: '`width=400,height=300,fit=cover,gravity=auto,format=auto`' }),
  })
  const { Policy: _, ...query } = StreamQuery.properties
  app.route({
    ...common,
    method: 'GET',
    exposeHeadRoute: false,
    attachValidation: true,
    schema: {
      tags: ['delivery'],
      security: [],
      operationId: 'image',
      summary: 'A picture made on the fly',
      description: '`GET /api/media/download/{media_id}?image={options}` gives the address.',
      params,
      querystring: Type.Object({ Expires: query.Signature, ...query }),
      response: {
        200: describeContent('The picture.', types, Type.String({ format: 'binary' })),
        ...refusals('bad_signature', 'not_found', 'invalid_request', 'slow_down'),
      },
    },
    handler: async (request, reply) => {
      reply.hijack()
      await images(request.raw, reply.raw)
    },
  })
  app.route({
    ...common,
    method: ['HEAD', 'OPTIONS'],
    schema: { hide: true },
    handler: async (request, reply) => {
      reply.hijack()
      await images(request.raw, reply.raw)
    },
  })
}
