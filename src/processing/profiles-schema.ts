import { type TSchema, Type } from 'typebox'

/** What may stand in `PROFILES_FILE`; docs/profiles.md and docs/profiles.schema.json are made of it. */

export const nameForm = /^[a-z][a-z0-9_-]{0,39}$/

const open = { additionalProperties: false }
const whole = (minimum: number, maximum: number, description: string) => Type.Integer({ minimum, maximum, description })
const onOff = (description: string) => Type.Boolean({ description })
const optional = <T extends Record<string, TSchema>>(fields: T, description: string) =>
  Type.Object(Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, Type.Optional(field)])), {
    ...open,
    description,
  })
const orNull = (schema: TSchema, description: string) => Type.Union([schema, Type.Null()], { description })

const Rung = Type.Object(
  {
    name: Type.String({ pattern: '^[1-9][0-9]{2,3}p$', description: 'Of its playlist: `1080p`.' }),
    width: whole(16, 7680, 'Pixels of a picture that lies.'),
    height: whole(16, 4320, 'Pixels; a picture that stands has the two the other way round.'),
    crf: whole(0, 51, 'x264’s quality: less is better.'),
    max_bitrate: whole(50_000, 100_000_000, 'Bits per second of a full frame at 30 frames a second.'),
  },
  open,
)
const quality = whole(1, 100, 'Quality.')

const Video = optional(
  {
    rungs: Type.Array(Rung, {
      minItems: 1,
      maxItems: 8,
      description: 'Sizes of the stream. One is `720p` of 1280 × 720, which is also the MP4. A list replaces the list.',
    }),
    hls: onOff('The stream `hls`.'),
    storyboard: onOff('`storyboard` and `storyboard.vtt`.'),
    preview: onOff('`preview`, WebP that moves.'),
    audio: onOff('`audio`, the sound alone.'),
  },
  'Films.',
)

const Image = optional(
  {
    widths: Type.Array(whole(16, 4096, 'Pixels.'), {
      minItems: 1,
      maxItems: 8,
      uniqueItems: true,
      description: 'Pixels of the boxes that pictures fit into. A list replaces the list.',
    }),
    jpeg: optional({ quality }, 'JPEG.'),
    png: optional(
      { compression: whole(0, 9, 'zlib’s level.') },
      'PNG, in the place of JPEG where something shows through.',
    ),
    webp: optional({ quality, effort: whole(0, 6, 'More takes longer, for smaller files.') }, 'WebP.'),
    avif: orNull(
      optional(
        { quality, effort: whole(0, 9, 'More takes longer, for smaller files: 2 takes four times as long as 0.') },
        'AVIF.',
      ),
      '`null` makes none.',
    ),
    thumbnail: optional({ width: whole(16, 1280, 'Pixels of its side.'), quality }, 'The square `thumbnail`.'),
  },
  'Pictures, and the covers of sound.',
)

const Audio = optional(
  {
    loudness: orNull(
      Type.Number({ minimum: -31, maximum: -8 }),
      'LUFS (EBU R128) that all sound is brought to; `null` leaves it as loud as it is.',
    ),
    peak: Type.Number({ minimum: -9, maximum: 0, description: 'dBTP that no peak passes.' }),
    aac: optional({ bitrate: whole(32_000, 320_000, 'Bits per second of stereo.') }, 'AAC, of `audio`.'),
    opus: orNull(
      optional({ bitrate: whole(16_000, 320_000, 'Bits per second of stereo.') }, 'Opus.'),
      '`null` makes none.',
    ),
    waveform: onOff('`waveform` and `waveform-png`.'),
  },
  'Sound.',
)

/** One profile: what it does not say it has of `default`. */
export const ProfileSchema = optional({ video: Video, image: Image, audio: Audio }, 'A profile.')

/** The whole file, for editors. */
export const fileSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'PROFILES_FILE of the Media Service',
  type: 'object',
  properties: { $schema: { type: 'string' } },
  patternProperties: { [nameForm.source]: ProfileSchema },
  additionalProperties: false,
}

interface Node {
  type?: string
  description?: string
  minimum?: number
  maximum?: number
  pattern?: string
  properties?: Record<string, Node>
  items?: Node
  anyOf?: Node[]
}

const root = ProfileSchema as unknown as Node

/** What belongs at a path of a profile, `/video/rungs/0/crf`; null where nothing is known to. */
export function takesOf(path: string): string | null {
  let node: Node | undefined = root
  for (const part of path.split('/').slice(1)) {
    const within: Node | undefined = node?.anyOf?.[0] ?? node
    node = within?.properties?.[part] ?? (/^\d+$/.test(part) ? within?.items : undefined)
  }
  return node ? inWords(node) : null
}

/** Fields with what they take, in order: for the documentation. */
export function listFields(): { path: string; takes: string; description: string }[] {
  const below = (node: Node, path: string): { path: string; takes: string; description: string }[] => {
    const within = node.anyOf?.[0] ?? node
    const fields = Object.entries(within.properties ?? within.items?.properties ?? {})
    const mark = within.type === 'array' ? '[]' : ''
    const own = { path, takes: inWords(node), description: node.description ?? '' }
    return [
      ...(path !== '' && (fields.length === 0 || node.anyOf || mark) ? [own] : []),
      ...fields.flatMap(([name, field]) => below(field, `${path}${mark}${path ? '.' : ''}${name}`)),
    ]
  }
  return below(root, '')
}

function inWords(node: Node): string {
  const { type, minimum, maximum, pattern, anyOf, items } = node
  if (anyOf) return anyOf.map(inWords).join(' or ')
  if (type === 'integer') return `a whole number, ${minimum}–${maximum}`
  if (type === 'number') return `a number, ${minimum}–${maximum}`.replaceAll('-', '−')
  if (type === 'boolean') return '`true` or `false`'
  if (type === 'null') return '`null`'
  if (type === 'array')
    return items?.properties
      ? 'a list'
      : `a list of ${inWords(items ?? {})
          .replace(/^a whole/, 'whole')
          .replace('number,', 'numbers,')}`
  return type === 'object' ? 'an object' : pattern ? `text like \`${pattern}\`` : 'text'
}
