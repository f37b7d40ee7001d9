import { type Static, Type } from 'typebox'
import { nullable } from './nullable.ts'

const Time = (description: string) => Type.String({ format: 'date-time', description })

export const ErasureEntry = Type.Object(
  {
    at: Time('When it was done.'),
    what: Type.Enum(['record', 'parts', 'raw', 'outputs', 'cache', 'cdn'], {
      description:
        '`record`: title, filename and what else came from the sender; `parts` of an upload; `raw` bytes; `outputs`; `cache`: copies of our own edges; `cdn`: copies of a CDN elsewhere.',
    }),
    where: Type.String({
      description: 'An address `s3://bucket/key`, the beginning of addresses, or the name of a place.',
    }),
    how: Type.Enum(['removed', 'refused', 'ordered'], {
      description: '`refused`: no edge serves it any more; `ordered`: the CDN has taken the order to forget it.',
    }),
    objects: nullable(Type.Integer({ minimum: 0, description: 'How many there were; null where nobody counts.' })),
  },
  { title: 'ErasureEntry', additionalProperties: false },
)

export const Erasure = Type.Object(
  {
    media_id: Type.String({ format: 'uuid', description: 'Name of the media that was.' }),
    reason: Type.String({
      description: '`deleted` by its owner, or why its upload was given up: `sender`, `expired`, `unsupported_media`.',
    }),
    deleted_at: Time('Since when nobody gets it.'),
    state: Type.Enum(['erasing', 'erased'], {
      description: '`erased` after the second time, when no worker can write any more.',
    }),
    erased_at: nullable(Time('When the last removal ended; null before.')),
    left: nullable(
      Type.Integer({
        minimum: 0,
        description: 'Objects found after the last removal; null before the first. 0 is as it should be.',
      }),
    ),
    entries: Type.Array(ErasureEntry, { description: 'Each removal, oldest first.' }),
  },
  {
    title: 'Erasure',
    additionalProperties: false,
    description: 'What was removed of a deleted media, where and when, out of the log that each removal writes.',
  },
)
export type Erasure = Static<typeof Erasure>
