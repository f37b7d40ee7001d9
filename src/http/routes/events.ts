import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { MediaParams } from '../../../contract/media.ts'
import type { Clock } from '../../media/clock.ts'
import { Closing } from '../../media/errors.ts'
import { finalStatuses } from '../../media/states.ts'
import type { Notice } from '../../notices/live.ts'
import type { App, AppDeps } from '../deps.ts'
import { wireOf } from '../projection.ts'
import { describeContent, empty, refusals } from './schemas.ts'

/** Milliseconds between signs of life on a silent stream. */
const heartbeat = 15_000
/** Milliseconds after which a browser comes back. */
const comeBack = 1_000

type Deps = Pick<AppDeps, 'library' | 'live' | 'publicUrl' | 'clock'>

const stream = describeContent(
  'Server-sent events: `event: media`, `id: {media_id}.{seq}`, `data:` the record, at once and at each change. Ends at a final status.',
  'text/event-stream',
  Type.String(),
)

/** A media as it changes, as server-sent events. */
export function eventRoutes(app: App, { library, live, publicUrl, clock }: Deps): void {
  const open = new Set<AbortController>()
  app.addHook('preClose', async () => {
    for (const stop of open) stop.abort()
  })

  app.get(
    '/api/media/:media_id/events',
    {
      exposeHeadRoute: false,
      schema: {
        tags: ['events'],
        operationId: 'watchMedia',
        summary: 'Watch a media change',
        description: 'The record now, then at each change, as `event: media`. The stream ends at a final status.',
        params: MediaParams,
        headers: Type.Object({
          'last-event-id': Type.Optional(
            Type.String({ description: 'Where an earlier stream ended; browsers send it.' }),
          ),
        }),
        response: {
          200: stream,
          204: empty('Nothing more will come after `Last-Event-ID`: do not come back.'),
          ...refusals('unauthenticated', 'not_found', 'slow_down'),
        },
      },
    },
    async ({ caller, params, headers }, reply) => {
      const { media_id } = params
      await library.get(caller.user_id, media_id)
      const stop = new AbortController()
      open.add(stop)
      reply.raw.once('close', () => {
        stop.abort()
        open.delete(stop)
      })
      const notices = live.watch(media_id, { signal: stop.signal })[Symbol.asyncIterator]()
      const first = await notices.next()
      if (first.done) throw new Closing()
      if (isOver(first.value, headers['last-event-id'])) {
        stop.abort()
        return await reply.code(204).send()
      }
      const frameOf = (notice: Notice) => frame(notice, publicUrl())
      return await sendEvents(reply, { first: first.value, notices, frameOf, clock, stop })
    },
  )
}

/** A browser that has seen the end comes back all the same; 204 is how the standard sends it away. */
function isOver({ event_id, view }: Notice, lastEventId: string | undefined): boolean {
  return event_id === lastEventId && finalStatuses.includes(view.record.status)
}

function frame({ event_id, view }: Notice, publicUrl: string): string {
  return `event: media\nid: ${event_id}\ndata: ${JSON.stringify(wireOf(view, publicUrl))}\n\n`
}

export interface Frames<N> {
  first: N
  notices: AsyncIterator<N>
  frameOf: (notice: N) => string
  clock: Clock
  /** Ends the stream; aborted when it is over. */
  stop: AbortController
}

/** Answers with a stream of server-sent events, each as it comes. */
export async function sendEvents<N>(reply: FastifyReply, frames: Frames<N>) {
  reply.headers({ 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
  return await reply.send(Readable.from(toFrames(frames), { objectMode: false, highWaterMark: 1 }))
}

async function* toFrames<N>({ first, notices, frameOf, clock, stop }: Frames<N>): AsyncIterable<Buffer> {
  try {
    yield Buffer.from(`retry: ${comeBack}\n\n${frameOf(first)}`)
    let next = notices.next()
    while (!stop.signal.aborted) {
      const result = await withinHeartbeat(next, clock)
      if (result === 'silence') {
        yield Buffer.from(': still here\n\n')
      } else if (result.done) {
        return
      } else {
        yield Buffer.from(frameOf(result.value))
        next = notices.next()
      }
    }
  } finally {
    stop.abort()
  }
}

async function withinHeartbeat<T>(next: Promise<T>, clock: Clock): Promise<T | 'silence'> {
  const waiting = new AbortController()
  const silence = clock.sleep(heartbeat, waiting.signal).then(
    () => 'silence' as const,
    () => 'silence' as const,
  )
  try {
    return await Promise.race([next, silence])
  } finally {
    waiting.abort()
  }
}
