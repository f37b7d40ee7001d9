import { type Static, Type } from 'typebox'
import { nullable } from './nullable.ts'

export const DownloadQuery = Type.Object({
  rendition: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$',
      description: 'A name out of `renditions`; without it, that of `processed_s3_url`.',
    }),
  ),
  expires_in: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 604_800, description: 'Seconds that the signed address lives.' }),
  ),
  disposition: Type.Optional(Type.Enum(['inline', 'attachment'], { description: 'Show it, or save it to a file.' })),
})
export type DownloadQuery = Static<typeof DownloadQuery>

export const Download = Type.Object(
  {
    url: Type.String({ format: 'uri', description: 'Signed as CloudFront signs; needs no header.' }),
    expires_at: Type.String({ format: 'date-time' }),
    content_type: Type.String(),
    file_size: nullable(Type.Integer({ minimum: 0, description: 'Bytes.' })),
    filename: Type.String(),
  },
  { title: 'Download', additionalProperties: false, description: 'A signed address of one rendition.' },
)
export type Download = Static<typeof Download>
