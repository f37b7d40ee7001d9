import { type Static, Type } from 'typebox'

/** Following all media at once. */

export const FeedQuery = Type.Object({
  ticket: Type.Optional(
    Type.String({
      maxLength: 1024,
      description: 'Of `POST /api/media/events/ticket`, instead of the `Authorization` header.',
    }),
  ),
})
export type FeedQuery = Static<typeof FeedQuery>

export const FeedTicket = Type.Object(
  {
    ticket: Type.String({ description: 'Goes into the query of `GET /api/media/events`, and opens nothing else.' }),
    expires_at: Type.String({ format: 'date-time', description: 'Until when it opens the events.' }),
  },
  { title: 'FeedTicket', additionalProperties: false },
)
export type FeedTicket = Static<typeof FeedTicket>

export const MediaEvent = Type.Object(
  {
    event_id: Type.String({ description: '`{media_id}.{seq}`: the same for the same fact, everywhere.' }),
    seq: Type.Integer({ minimum: 1, description: '1, 2, 3… within the media.' }),
    type: Type.String({ description: '`media.created`, `media.uploaded`, `media.processing`, `media.playable`…' }),
    at: Type.String({ format: 'date-time', description: 'When it happened.' }),
    data: Type.Record(Type.String(), Type.Unknown(), { description: 'What else is known of it.' }),
  },
  { title: 'MediaEvent', additionalProperties: false, description: 'What happened to a media.' },
)
export type MediaEvent = Static<typeof MediaEvent>

export const Timeline = Type.Object(
  { items: Type.Array(MediaEvent, { description: 'What happened, each fact once.' }) },
  { title: 'Timeline', additionalProperties: false, description: 'Oldest first.' },
)
export type Timeline = Static<typeof Timeline>

export const ReadTimeline = Type.Object({
  after: Type.Optional(Type.Integer({ minimum: 0, default: 0, description: 'The `seq` of the last that is known.' })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 100, description: 'Events, at most.' })),
})
