import { type Static, Type } from 'typebox'
import { partLimit } from './upload.ts'

/** The paths of Uppy's companion for S3, in its words and S3's: @uppy/aws-s3 works with `companionEndpoint` alone. */

const Filename = Type.String({ minLength: 1, maxLength: 1024 })
const FileType = Type.String({ maxLength: 200 })

/** Beside these, `metadata[…]` for each field that the page tells of the file. */
export const CompanionForm = Type.Object({ filename: Filename, type: Type.Optional(FileType) })
export type CompanionForm = Static<typeof CompanionForm>

export const CompanionUpload = Type.Object({
  filename: Filename,
  type: Type.Optional(FileType),
  metadata: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
})
export type CompanionUpload = Static<typeof CompanionUpload>

const MediaId = Type.String({ format: 'uuid', description: 'The media_id.' })
const PartUrl = Type.String({ format: 'uri', description: 'Takes the bytes of the part by PUT, and answers its ETag.' })
const Seconds = Type.Integer({ minimum: 1, description: 'Seconds that the address is good for.' })

export const CompanionFormAnswer = Type.Object(
  {
    method: Type.Literal('POST'),
    url: Type.String({ format: 'uri', description: 'Takes one form, whose last field is `file`.' }),
    fields: Type.Object(
      { key: MediaId, title: Type.String(), profile: Type.Optional(Type.String()) },
      { additionalProperties: false },
    ),
    expires: Seconds,
  },
  { title: 'CompanionFormAnswer', additionalProperties: false },
)

export const CompanionUploadAnswer = Type.Object(
  { key: MediaId, uploadId: MediaId },
  { title: 'CompanionUploadAnswer', additionalProperties: false },
)

export const CompanionPartAnswer = Type.Object(
  { url: PartUrl, expires: Seconds },
  { title: 'CompanionPartAnswer', additionalProperties: false },
)

export const CompanionParts = Type.Array(
  Type.Object(
    { PartNumber: Type.Integer(), Size: Type.Integer({ description: 'Bytes.' }), ETag: Type.String() },
    { additionalProperties: false },
  ),
  { description: 'What the store holds, by number. Of a complete upload each part has the ETag of the whole.' },
)

export const CompanionCompleteAnswer = Type.Object(
  {
    location: Type.String({ format: 'uri', description: 'Of the record.' }),
    bucket: Type.String(),
    key: MediaId,
  },
  { title: 'CompanionCompleteAnswer', additionalProperties: false },
)

export const CompanionUploadParams = Type.Object({ uploadId: Type.String({ format: 'uuid' }) })

export const CompanionPartParams = Type.Object({
  uploadId: Type.String({ format: 'uuid' }),
  partNumber: Type.Integer({ minimum: 1, maximum: partLimit }),
})

export const CompanionComplete = Type.Object({
  parts: Type.Array(
    Type.Object({
      PartNumber: Type.Integer({ minimum: 1, maximum: partLimit }),
      ETag: Type.String({ minLength: 1, maxLength: 100 }),
    }),
    { minItems: 1, maxItems: partLimit },
  ),
})
export type CompanionComplete = Static<typeof CompanionComplete>

export const UploadToken = Type.Object(
  {
    token: Type.String({ description: 'Opens uploads in the caller’s name, and nothing else.' }),
    expires_at: Type.String({
      format: 'date-time',
      description: 'No upload can be begun with it after; those begun before can be finished.',
    }),
    companion_endpoint: Type.String({ format: 'uri', description: 'For the `companionEndpoint` of @uppy/aws-s3.' }),
  },
  { title: 'UploadToken', additionalProperties: false },
)
export type UploadToken = Static<typeof UploadToken>
