import { type Static, Type } from 'typebox'
import { nullable } from './nullable.ts'

export const DownloadQuery = Type.Object({
  rendition: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$',
      description: 'A name out of `renditions`; without it, that of `processed_s3_url`.',
    }),
  ),
  image: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 300,
      description:
        'A picture made on the fly, instead of a rendition: `width=400,height=300,fit=cover,gravity=auto,format=auto`, or `preset=…`.',
    }),
  ),
  expires_in: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 604_800,
      description:
        'Seconds that the signed address lives. Without it an hour (`CDN_URL_SECONDS`); that of `hls` and `storyboard.vtt` at least twice the duration and an hour.',
    }),
  ),
  disposition: Type.Optional(Type.Enum(['inline', 'attachment'], { description: 'Show it, or save it to a file.' })),
  cookies: Type.Optional(
    Type.Enum(['true', 'false'], {
      description:
        'For `hls` and `storyboard.vtt`: answers the plain address of the CDN, and sets signed cookies (`CloudFront-…`) for all that lies there.',
    }),
  ),
})
export type DownloadQuery = Static<typeof DownloadQuery>

export const Download = Type.Object(
  {
    url: Type.String({ format: 'uri', description: 'Signed as CloudFront signs; needs no header.' }),
    expires_at: Type.String({ format: 'date-time', description: 'Until when it can be fetched.' }),
    content_type: Type.String({ description: '`image/*` of a picture whose format depends on who reads it.' }),
    file_size: nullable(
      Type.Integer({ minimum: 0, description: 'Bytes; null where they are made when they are asked for.' }),
    ),
    filename: Type.String({ description: 'What a browser saves it as.' }),
  },
  { title: 'Download', additionalProperties: false, description: 'A signed address of one rendition.' },
)
export type Download = Static<typeof Download>

/** The query of a signed address: named for a reader, checked by its signature and not by its form. */
const Signing = (description: string) => Type.Optional(Type.Unsafe<unknown>({ type: 'string', description }))

export const StreamQuery = Type.Object({
  Policy: Signing('What the address allows, as CloudFront writes it.'),
  'Key-Pair-Id': Signing('Whose signature it is.'),
  Signature: Signing('Of the policy.'),
  'Hash-Algorithm': Signing('`SHA256`, where it is not SHA-1.'),
})
