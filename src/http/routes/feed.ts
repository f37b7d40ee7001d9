import { Type } from 'typebox'
import { FeedQuery, FeedTicket } from '../../../contract/feed.ts'
import { MediaError } from '../../media/errors.ts'
import type { FeedNotice } from '../../notices/feed.ts'
import type { App, AppDeps } from '../deps.ts'
import type { Caller, Identify } from '../identity.ts'
import { wireOf } from '../projection.ts'
import { assertLive } from '../upload-tokens.ts'
import { sendEvents } from './events.ts'
import { describeContent, refusals } from './schemas.ts'

type Deps = Pick<AppDeps, 'feed' | 'uploadTokens' | 'publicUrl' | 'clock'>

const tags = ['events']
/** Milliseconds after which a stream ends, so that who may read it is asked again. */
const longest = 15 * 60_000

const stream = describeContent(
  'Server-sent events. `event: media`, `data:` the record; `event: gone`, `data: {"media_id"}`; `event: reset`: read the list ' +
    'again. An `id:` of its own names the place up to which all is told.',
  'text/event-stream',
  Type.String(),
)

/** All of the caller's media as they change: one stream, however many they are. */
export function feedRoutes(app: App, { feed, uploadTokens, publicUrl, clock }: Deps, identify: Identify): void {
  const open = new Set<AbortController>()
  app.addHook('preClose', async () => {
    for (const stop of open) stop.abort()
  })
  app.decorateRequest('caller')

  async function callerOf(authorization: string | undefined, ticket: string | undefined): Promise<Caller> {
    if (ticket === undefined) return await identify(authorization)
    const claims = uploadTokens.verify(ticket, 'events')
    assertLive(claims)
    return { user_id: claims.user_id, operator: false }
  }

  app.get(
    '/api/media/events',
    {
      exposeHeadRoute: false,
      schema: {
        tags,
        operationId: 'followMedia',
        summary: 'Follow all your media',
        description:
          'First the place it begins at: read the list then. It ends after a while; come back with `Last-Event-ID`, as browsers do.',
        querystring: FeedQuery,
        headers: Type.Object({
          'last-event-id': Type.Optional(Type.String({ description: 'The last `id` of an earlier stream.' })),
        }),
        response: { 200: stream, ...refusals('unauthenticated', 'slow_down', 'invalid_request') },
      },
    },
    async ({ headers, query }, reply) => {
      const { user_id } = await callerOf(headers.authorization, query.ticket)
      const stop = new AbortController()
      open.add(stop)
      void clock.sleep(longest, stop.signal).then(
        () => stop.abort(),
        () => {},
      )
      reply.raw.once('close', () => {
        stop.abort()
        open.delete(stop)
      })
      const cursor = headers['last-event-id']
      const notices = feed.follow(user_id, { cursor, signal: stop.signal })[Symbol.asyncIterator]()
      const first = await notices.next()
      if (first.done) throw new MediaError('unavailable', 'the feed has ended')
      const frameOf = (notice: FeedNotice) => frame(notice, publicUrl())
      return await sendEvents(reply, { first: first.value, notices, frameOf, clock, stop })
    },
  )

  app.post(
    '/api/media/events/ticket',
    {
      schema: {
        tags,
        operationId: 'issueFeedTicket',
        summary: 'A ticket for `EventSource`, which sends no header',
        description:
          'Give it as `?ticket=` to `GET /api/media/events`: it follows your media for an hour, and does nothing else.',
        response: { 201: FeedTicket, ...refusals('unauthenticated') },
      },
    },
    async ({ headers }, reply) => {
      const { user_id } = await identify(headers.authorization)
      return await reply.code(201).send(uploadTokens.issueTicket(user_id))
    },
  )
}

function frame(notice: FeedNotice, publicUrl: string): string {
  const event = (name: string, data: unknown) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
  if (notice.kind === 'media') return event('media', wireOf(notice.view, publicUrl))
  if (notice.kind === 'gone') return event('gone', { media_id: notice.media_id })
  if (notice.kind === 'reset') return event('reset', {})
  // Of what has no data, readers take the id and nothing else.
  return notice.cursor === null ? ': the beginning\n\n' : `id: ${notice.cursor}\n\n`
}
