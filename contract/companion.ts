import { type Static, Type } from 'typebox'
import { partLimit } from './upload.ts'

/** The paths of Uppy's companion for S3, in its words and S3's: @uppy/aws-s3 works with `companionEndpoint` alone. */

const Filename = Type.String({ minLength: 1, maxLength: 1024, description: 'As the file is called.' })
const FileType = Type.String({ maxLength: 200, description: 'As the browser takes it to be; the bytes decide.' })

/** Beside these, `metadata[…]` for each field that the page tells of the file. */
export const CompanionForm = Type.Object({ filename: Filename, type: Type.Optional(FileType) })
export type CompanionForm = Static<typeof CompanionForm>

export const CompanionUpload = Type.Object(
  {
    filename: Filename,
    type: Type.Optional(FileType),
    metadata: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description: 'What the page tells of the file: `title`, `profile`.',
      }),
    ),
  },
  { title: 'CompanionUpload' },
)
export type CompanionUpload = Static<typeof CompanionUpload>

const MediaId = Type.String({ format: 'uuid', description: 'The media_id.' })
const PartUrl = Type.String({ format: 'uri', description: 'Takes the bytes of the part by PUT, and answers its ETag.' })
const Seconds = Type.Integer({ minimum: 1, description: 'Seconds that the address is good for.' })

export const CompanionFormAnswer = Type.Object(
  {
    method: Type.Literal('POST', { description: 'How the form is sent.' }),
    url: Type.String({ format: 'uri', description: 'Takes one form, whose last field is `file`.' }),
    fields: Type.Object(
      {
        key: MediaId,
        title: Type.String({ description: 'As the page told it, else of the filename.' }),
        profile: Type.Optional(Type.String({ description: 'As the page told it.' })),
      },
      { additionalProperties: false, description: 'Fields of the form, before the file.' },
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
    {
      PartNumber: Type.Integer({ description: '1 is the first.' }),
      Size: Type.Integer({ description: 'Bytes.' }),
      ETag: Type.String({ description: 'MD5 of its bytes.' }),
    },
    { additionalProperties: false },
  ),
  { description: 'What the store holds, by number. Of a complete upload each part has the ETag of the whole.' },
)

export const CompanionCompleteAnswer = Type.Object(
  {
    location: Type.String({ format: 'uri', description: 'Of the record.' }),
    bucket: Type.String({ description: 'Where the raw bytes lie.' }),
    key: MediaId,
  },
  { title: 'CompanionCompleteAnswer', additionalProperties: false },
)

const UploadId = Type.String({ format: 'uuid', description: 'As the beginning of the upload answered it.' })
export const CompanionUploadParams = Type.Object({ uploadId: UploadId })

export const CompanionPartParams = Type.Object({
  uploadId: UploadId,
  partNumber: Type.Integer({ minimum: 1, maximum: partLimit, description: '1 is the first.' }),
})

export const CompanionComplete = Type.Object(
  {
    parts: Type.Array(
      Type.Object({
        PartNumber: Type.Integer({ minimum: 1, maximum: partLimit, description: '1 is the first.' }),
        ETag: Type.String({ minLength: 1, maxLength: 100, description: 'As the store answered it.' }),
      }),
      { minItems: 1, maxItems: partLimit, description: 'All parts, by number.' },
    ),
  },
  { title: 'CompanionComplete' },
)
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
