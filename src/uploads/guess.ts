import { audio, image, type Sniffed, video } from './sniffed.ts'

/** Types by the ending of a name, for uploads whose bytes are still to come. */
const endings: Record<string, Sniffed> = {
  avif: image('image/avif', 'avif'),
  gif: image('image/gif', 'gif'),
  heic: image('image/heic', 'heic'),
  heif: image('image/heif', 'heif'),
  jpeg: image('image/jpeg', 'jpg'),
  jpg: image('image/jpeg', 'jpg'),
  png: image('image/png', 'png'),
  svg: image('image/svg+xml', 'svg'),
  tif: image('image/tiff', 'tiff'),
  tiff: image('image/tiff', 'tiff'),
  webp: image('image/webp', 'webp'),
  '3gp': video('video/3gpp', '3gp'),
  avi: video('video/x-msvideo', 'avi'),
  flv: video('video/x-flv', 'flv'),
  m4v: video('video/x-m4v', 'm4v'),
  mkv: video('video/x-matroska', 'mkv'),
  mov: video('video/quicktime', 'mov'),
  mp4: video('video/mp4', 'mp4'),
  mpeg: video('video/mpeg', 'mpg'),
  mpg: video('video/mpeg', 'mpg'),
  mts: video('video/mp2t', 'ts'),
  mxf: video('application/mxf', 'mxf'),
  ogv: video('video/ogg', 'ogv'),
  ts: video('video/mp2t', 'ts'),
  webm: video('video/webm', 'webm'),
  wmv: video('video/x-ms-wmv', 'wmv'),
  aac: audio('audio/aac', 'aac'),
  aif: audio('audio/aiff', 'aiff'),
  aiff: audio('audio/aiff', 'aiff'),
  amr: audio('audio/amr', 'amr'),
  flac: audio('audio/flac', 'flac'),
  m4a: audio('audio/mp4', 'm4a'),
  mp3: audio('audio/mpeg', 'mp3'),
  oga: audio('audio/ogg', 'ogg'),
  ogg: audio('audio/ogg', 'ogg'),
  opus: audio('audio/ogg', 'opus'),
  wav: audio('audio/wav', 'wav'),
}

const byContentType = new Map(Object.values(endings).map((type) => [type.content_type, type]))

/** Said by those who do not know. */
const unknownTypes = ['', 'application/octet-stream', 'binary/octet-stream', 'application/x-binary']

/**
 * What an upload will be, as far as its sender says: null when nobody can tell, `refused` when he says something that
 * is no media. The bytes have the last word.
 */
export function guessType(said: { content_type: string | null; filename: string | null }): Sniffed | 'refused' | null {
  const ending = /\.([A-Za-z0-9]{1,8})$/.exec(said.filename ?? '')?.[1]?.toLowerCase() ?? ''
  const byName = endings[ending] ?? null
  const content_type = (said.content_type ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
  if (unknownTypes.includes(content_type)) return byName
  const known = byContentType.get(content_type)
  if (known) return known
  const family = content_type.split('/')[0]
  if (byName && (byName.media_type === family || family === 'application')) return byName
  const kinds = { image, video, audio }
  const make = kinds[family as keyof typeof kinds]
  return make ? make('application/octet-stream', 'bin') : 'refused'
}
