import { type Static, Type } from 'typebox'
import { Title } from './media.ts'
import { nullable } from './nullable.ts'

const Profile = Type.String({
  maxLength: 200,
  description: 'How it is to be made: one of the profiles that the operator offers, `default` when not given.',
})

/** The form, as `multipart/form-data`; its fields may come in any order. */
export const UploadForm = Type.Object({
  title: Title,
  profile: Type.Optional(Profile),
  file: Type.String({ format: 'binary', description: 'The media; its type is read from the bytes.' }),
})
export type UploadForm = Static<typeof UploadForm>

/** Bytes of a file, at most: 5 TiB, what S3 takes. */
export const fileLimit = 5 * 1024 ** 4
/** Parts of an upload, at most. */
export const partLimit = 10_000

const ContentType = Type.String({
  minLength: 3,
  maxLength: 200,
  pattern: '^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+ *(;.*)?$',
  description: 'Of the file, as the sender knows it; the bytes decide.',
  examples: ['video/mp4'],
})
const Filename = Type.String({ minLength: 1, maxLength: 1024, description: 'For showing.' })
const PartNumber = Type.Integer({ minimum: 1, maximum: partLimit, description: '1 is the first.' })
const PartETag = Type.String({
  minLength: 1,
  maxLength: 100,
  description: 'As the store answered it; quotes may stay.',
})

export const InitUpload = Type.Object(
  {
    title: Title,
    filename: Filename,
    content_type: ContentType,
    file_size: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'Bytes.' }),
    profile: Type.Optional(Profile),
    checksum: Type.Optional(
      Type.String({
        pattern: '^sha256:[0-9a-f]{64}$',
        description: 'SHA-256 of the file, when the sender knows it: media whose bytes have another fail.',
        examples: [`sha256:${'0123456789abcdef'.repeat(4)}`],
      }),
    ),
  },
  { title: 'InitUpload', additionalProperties: false },
)
export type InitUpload = Static<typeof InitUpload>

export const SignedPart = Type.Object(
  {
    part_number: PartNumber,
    url: Type.String({ format: 'uri', description: 'Takes the bytes of the part by PUT, and answers its ETag.' }),
  },
  { additionalProperties: false },
)
export type SignedPart = Static<typeof SignedPart>

export const StoredPart = Type.Object(
  {
    part_number: PartNumber,
    etag: Type.String({ description: 'MD5 of its bytes.' }),
    size: Type.Integer({ minimum: 0, description: 'Bytes.' }),
  },
  { additionalProperties: false },
)
export type StoredPart = Static<typeof StoredPart>

const plan = {
  media_id: Type.String({ format: 'uuid', description: 'Name of the media, and of its upload.' }),
  part_size: Type.Integer({ minimum: 1, description: 'Bytes of each part but the last.' }),
  part_count: Type.Integer({ minimum: 1, maximum: partLimit, description: 'Parts in all.' }),
  expires_at: Type.String({ format: 'date-time', description: 'What is not complete then is removed.' }),
}

export const UploadPlan = Type.Object(
  { ...plan, parts: Type.Array(SignedPart, { description: 'The first parts, signed; ask for the others as you go.' }) },
  { title: 'UploadPlan', additionalProperties: false },
)
export type UploadPlan = Static<typeof UploadPlan>

export const SignParts = Type.Object(
  {
    part_numbers: Type.Array(PartNumber, {
      ...{ minItems: 1, maxItems: 1000, uniqueItems: true },
      description: 'Parts that an address is wanted for.',
    }),
  },
  { title: 'SignParts', additionalProperties: false },
)
export type SignParts = Static<typeof SignParts>

export const SignedParts = Type.Object(
  { parts: Type.Array(SignedPart, { description: 'In the order that was asked for.' }) },
  { title: 'SignedParts', additionalProperties: false },
)
export type SignedParts = Static<typeof SignedParts>

/** An upload as the store has it, to go on after a reload. */
export const UploadState = Type.Object(
  {
    media_id: plan.media_id,
    part_size: nullable(plan.part_size),
    part_count: nullable(plan.part_count),
    expires_at: plan.expires_at,
    file_size: nullable(Type.Integer({ minimum: 0, description: 'Bytes, as declared.' })),
    stored_bytes: Type.Integer({ minimum: 0, description: 'Bytes of the parts that are stored.' }),
    parts: Type.Array(StoredPart, { description: 'What the store holds, by number.' }),
  },
  { title: 'UploadState', additionalProperties: false },
)
export type UploadState = Static<typeof UploadState>

export const CompleteUpload = Type.Object(
  {
    parts: Type.Array(Type.Object({ part_number: PartNumber, etag: PartETag }, { additionalProperties: false }), {
      minItems: 1,
      maxItems: partLimit,
      description: 'All parts, by number.',
    }),
  },
  { title: 'CompleteUpload', additionalProperties: false },
)
export type CompleteUpload = Static<typeof CompleteUpload>

/** The raw door's query. */
export const UploadRaw = Type.Object(
  {
    title: Type.Optional(Title),
    filename: Type.Optional(Filename),
    profile: Type.Optional(Profile),
  },
  { title: 'UploadRaw', description: 'Without a title, the filename without its ending is taken.' },
)
export type UploadRaw = Static<typeof UploadRaw>
