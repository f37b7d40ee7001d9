import type { App, EdgeHandler } from '../deps.ts'

/** The embedded CDN in the same process: it speaks HTTP by itself. */
export function edgeRoutes(app: App, edge: EdgeHandler): void {
  app.route({
    method: ['GET', 'HEAD', 'OPTIONS'],
    url: '/cdn/*',
    schema: { hide: true },
    config: { signed: true },
    handler: async (request, reply) => {
      reply.hijack()
      await edge(request.raw, reply.raw)
    },
  })
}
