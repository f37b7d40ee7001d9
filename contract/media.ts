import { type Static, Type } from 'typebox'
import { nullable } from './nullable.ts'

/** What the API says of a media. Field names are the product's, from here to the table. */

export const MediaType = Type.Enum(['image', 'video', 'audio'], { description: 'Kind of media.' })
export type MediaType = Static<typeof MediaType>

export const Status = Type.Enum(['uploading', 'uploaded', 'processing', 'processed', 'failed', 'deleted'], {
  description:
    'uploading → uploaded → processing → processed | failed; any of them → deleted; failed → uploaded on retry.',
})
export type Status = Static<typeof Status>

const S3Url = Type.String({
  pattern: '^s3://[^/]+/.+$',
  description: 'Logical address `s3://bucket/key`, the same on every engine.',
})
const Pixels = nullable(Type.Integer({ minimum: 1, description: 'Pixels, upright.' }))
const Seconds = nullable(Type.Number({ minimum: 0, description: 'Seconds.' }))
const MediaId = Type.String({ format: 'uuid', description: 'Name of the media.' })

export const Rendition = Type.Object(
  {
    name: Type.String({ description: '`720p`, `thumbnail`, `audio`, `jpeg-1600`, `webp-1600`…' }),
    s3_url: S3Url,
    content_type: Type.String({ description: 'Its media type, as it is delivered.' }),
    file_size: Type.Integer({ minimum: 0, description: 'Bytes.' }),
    etag: Type.String({ description: 'Of its bytes, as the store gives it.' }),
    width: Pixels,
    height: Pixels,
    bitrate: nullable(Type.Integer({ minimum: 0, description: 'Bits per second; null for pictures.' })),
    duration: Seconds,
  },
  { title: 'Rendition', additionalProperties: false, description: 'An output that can be asked for by name.' },
)
export type Rendition = Static<typeof Rendition>

export const Failure = Type.Object(
  {
    code: Type.String({ description: 'Stable code.' }),
    message: Type.String({ description: 'What happened and what to do, for the owner of the media.' }),
  },
  { additionalProperties: false, description: 'Why it failed; null otherwise.' },
)
export type Failure = Static<typeof Failure>

export const Media = Type.Object(
  {
    media_id: MediaId,
    user_id: Type.String({ description: 'The owner.' }),
    title: Type.String({ description: 'What its owner calls it.' }),
    media_type: nullable(MediaType),
    upload_time: Type.String({ format: 'date-time', description: 'When it was created; it never changes.' }),
    status: Status,
    temp_s3_url: nullable(S3Url),
    processed_s3_url: nullable(S3Url),
    thumbnail_s3_url: nullable(S3Url),
    etag: nullable(
      Type.String({ description: 'Of the raw upload, as S3 computes it: MD5, or `md5(md5s)-N` of N parts.' }),
    ),
    file_size: nullable(Type.Integer({ minimum: 0, description: 'Bytes of the raw upload.' })),
    media_url: Type.String({
      format: 'uri',
      description: 'Stable address of the download; it redirects to a signed one.',
    }),
    filename: nullable(Type.String({ description: 'As the sender named it.' })),
    content_type: nullable(Type.String({ description: 'Read from the bytes, not believed.' })),
    progress: Type.Number({ minimum: 0, maximum: 100, description: 'Percent of the processing.' }),
    error: nullable(Failure),
    attempts: Type.Integer({
      minimum: 0,
      description: 'Times processing has started since the upload or the last retry.',
    }),
    version: Type.Integer({ minimum: 1, description: 'Rises with each change of the record.' }),
    playable: Type.Boolean({ description: 'True as soon as one rendition can be played or shown.' }),
    width: Pixels,
    height: Pixels,
    duration: Seconds,
    placeholder: nullable(Type.String({ description: 'ThumbHash, base64.' })),
    dominant_color: nullable(
      Type.String({
        pattern: '^#[0-9a-f]{6}$',
        description: 'The colour that most of a picture or of a film’s poster has, `#rrggbb`.',
      }),
    ),
    profile: nullable(Type.String({ description: 'The profile it was uploaded with; null is the default.' })),
    warnings: Type.Array(Type.String(), {
      description: 'What was left out, though the media is processed: `hls_skipped`…',
    }),
    renditions: Type.Array(Rendition, { description: 'What there is to download.' }),
    checksum: nullable(Type.String({ description: '`sha256:…` of the raw upload.' })),
  },
  { title: 'Media', additionalProperties: false, description: 'The media record.' },
)
export type Media = Static<typeof Media>

export const MediaPage = Type.Object(
  {
    items: Type.Array(Media, { description: 'The media of this page.' }),
    next_cursor: nullable(Type.String({ description: 'Give it back as `cursor` for the next page; null at the end.' })),
  },
  { title: 'MediaPage', additionalProperties: false, description: 'Newest first.' },
)
export type MediaPage = Static<typeof MediaPage>

export const MediaParams = Type.Object({ media_id: MediaId })

export const ListMedia = Type.Object({
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 20, description: 'Items a page, at most.' })),
  cursor: Type.Optional(
    Type.String({ minLength: 1, maxLength: 2048, description: '`next_cursor` of the page before.' }),
  ),
  status: Type.Optional(
    Type.Enum(['uploading', 'uploaded', 'processing', 'processed', 'failed'], {
      description: 'Only those of this status.',
    }),
  ),
  media_type: Type.Optional(MediaType),
  q: Type.Optional(
    Type.String({ minLength: 1, maxLength: 200, description: 'The title contains it, whatever the case.' }),
  ),
})
export type ListMedia = Static<typeof ListMedia>

/** Characters of a title, at most. */
export const titleLimit = 500

export const Title = Type.String({
  minLength: 1,
  maxLength: titleLimit,
  // Linear, whatever is sent.
  pattern: '^(?!\\s*$)[^\\p{Cc}\\p{Cs}\\ufffd]+$',
  description: 'Not blank, no control characters.',
})

export const ChangeMedia = Type.Object({ title: Title }, { title: 'ChangeMedia', additionalProperties: false })
export type ChangeMedia = Static<typeof ChangeMedia>
