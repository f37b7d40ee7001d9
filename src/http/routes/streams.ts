import { pipeline, Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { StreamQuery } from '../../../contract/download.ts'
import { MediaParams } from '../../../contract/media.ts'
import type { StreamKind, Streams } from '../../delivery/streams.ts'
import type { App } from '../deps.ts'
import { openCorsHeaders } from '../origins.ts'
import { describeContent, refusals } from './schemas.ts'

const preflightHeaders = {
  ...openCorsHeaders,
  'access-control-allow-methods': 'GET, HEAD, OPTIONS',
  // Nothing is needed; pages that send it with all they ask are not turned away.
  'access-control-allow-headers': 'authorization, range, cache-control, pragma',
  'access-control-max-age': '86400',
}

/** Playlists and storyboards, to whoever has a signed address: players on any page, which send no headers. */
export function streamRoutes(app: App, streams: Streams): void {
  serve(app, streams, {
    kind: 'hls',
    url: '/api/media/:media_id/hls/:file',
    schema: {
      operationId: 'playlist',
      summary: 'A playlist of a stream',
      description:
        'HLS, master and media playlists; `GET /api/media/download/{media_id}?rendition=hls` gives the address.',
      params: Type.Object({ ...MediaParams.properties, file: Type.String({ description: 'As the stream names it.' }) }),
      response: { 200: describeContent('Every address in it plays.', 'application/vnd.apple.mpegurl', Type.String()) },
    },
  })
  serve(app, streams, {
    kind: 'storyboard',
    url: '/api/media/:media_id/storyboard.vtt',
    schema: {
      operationId: 'storyboard',
      summary: 'The storyboard of a video',
      description: 'WebVTT; `GET /api/media/download/{media_id}?rendition=storyboard.vtt` gives the address.',
      params: MediaParams,
      response: { 200: describeContent('Cues name parts of pictures.', 'text/vtt', Type.String()) },
    },
  })
}

interface Route {
  kind: StreamKind
  url: string
  schema: { response: Record<number, unknown> } & Record<string, unknown>
}

function serve(app: App, streams: Streams, { kind, url, schema }: Route): void {
  const common = { url, config: { signed: true } }
  app.route({
    ...common,
    method: 'GET',
    schema: {
      ...schema,
      tags: ['delivery'],
      security: [],
      querystring: StreamQuery,
      response: { ...schema.response, ...refusals('bad_signature', 'not_found') },
    },
    attachValidation: true,
    onRequest: async (_request, reply) => {
      reply.headers(openCorsHeaders)
    },
    handler: async (request, reply) => {
      const { content_type, body } = await streams.open(askedBy(request, kind))
      reply.headers({ 'content-type': content_type, vary: 'Accept-Encoding' })
      const text = Readable.from(body, { objectMode: false })
      if (!acceptsGzip(request.headers['accept-encoding'])) return await reply.send(text)
      reply.header('content-encoding', 'gzip')
      // What breaks on the way ends both, and the reply with them.
      return await reply.send(pipeline(text, createGzip({ level: 4 }), () => {}))
    },
  })
  app.route({
    ...common,
    method: 'OPTIONS',
    schema: { hide: true },
    handler: async (_request, reply) => await reply.code(204).headers(preflightHeaders).send(),
  })
}

/** The query as it came: what is signed is compared byte by byte. */
function askedBy({ params, url, ip }: FastifyRequest, kind: StreamKind) {
  const { media_id, file = 'storyboard.vtt' } = params as { media_id: string; file?: string }
  const question = url.indexOf('?')
  return { media_id, kind, file, query: question < 0 ? '' : url.slice(question + 1), ip }
}

/** https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3 */
export function acceptsGzip(header = ''): boolean {
  const weights = new Map(header.toLowerCase().split(',').map(weightOf))
  return (weights.get('gzip') ?? weights.get('*') ?? 0) > 0
}

function weightOf(listed: string): [string, number] {
  const [coding = '', weight = '1'] = listed.trim().split(/\s*;\s*q=/)
  return [coding, Number(weight)]
}
