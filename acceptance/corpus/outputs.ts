import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import sharp from 'sharp'

/** A rendition as the API tells it. */
export interface Rendition {
  name: string
  content_type: string
  file_size: number
  etag: string
  width: number | null
  height: number | null
  duration: number | null
}

/** Checks a downloaded rendition with the eyes of others: ffprobe, exiftool, sharp. */
export async function checkOutput(path: string, rendition: Rendition): Promise<void> {
  const bytes = await readFile(path)
  assert.equal(bytes.length, rendition.file_size, `${rendition.name}: its size`)
  assert.equal(createHash('md5').update(bytes).digest('hex'), rendition.etag, `${rendition.name}: its etag`)
  if (rendition.content_type === 'application/json') return
  await checkNothingOfTheSender(path, rendition.name)
  await checkByOthers(path, rendition.content_type)
  if (rendition.content_type === 'text/vtt') return assert.match(bytes.toString(), /^WEBVTT\n\n\d\d:/)
  if (rendition.content_type.startsWith('image/')) await checkPicture(path, rendition)
  else await checkMovie(path, bytes, rendition)
}

/** Programs that had no part in making them, and know when something is wrong. Each ends with 0 only when nothing is. */
const judges: Record<string, (path: string) => [program: string, ...args: string[]]> = {
  'video/mp4': remuxed,
  'audio/mp4': remuxed,
  'audio/ogg': remuxed,
  'image/png': (path) => ['pngcheck', '-q', path],
  'image/jpeg': (path) => ['jpeginfo', '--check', '--quiet', path],
  'image/webp': (path) => ['webpinfo', '-quiet', path],
  'image/avif': (path) => ['avifdec', '--info', path],
}

/** Each packet is read and put into another container. */
function remuxed(path: string): [string, ...string[]] {
  return ['mkvmerge', '--quiet', '--output', `${path}.mkv`, path]
}

export async function checkByOthers(path: string, content_type: string): Promise<void> {
  // Of subtitles there is none that Debian has.
  if (content_type === 'text/vtt') return
  const judge = judges[content_type] ?? assert.fail(`nobody judges ${content_type}`)
  const [program, ...args] = judge(path)
  const said = await run(program, args).finally(() => rm(`${path}.mkv`, { force: true }))
  assert.doesNotMatch(said, /warning|error|corrupt/i, `${program}: ${said}`)
}

/** Groups of metadata that a picture or film may carry: its own structure, and nothing that somebody wrote. */
const structural = [
  'File',
  'System',
  'ExifTool',
  'Composite',
  'RIFF',
  'PNG',
  'JFIF',
  'QuickTime',
  'Track\\d',
  'PNG-pHYs',
  'ICC-header',
  'Meta',
  'ItemList',
  'Opus',
  'Vorbis',
]
const personal =
  /GPS|Location|Artist|Author|Title|Comment|Copyright|Keyword|Creator|Software|Encoder|Serial|Unique|Owner|Orientation|Make|Model|Lens|Host|Subject|Description/i
/** When somebody made it: MP4 has places for that, which hold nothing. */
const dated = /[1-9]\d{3}:\d\d:\d\d/

export async function checkNothingOfTheSender(path: string, name: string): Promise<void> {
  const said = await run('exiftool', ['-a', '-G1', '-s', '-ee', path])
  for (const line of said.trim().split('\n')) {
    const [, group = '', tag = ''] = /^\[([^\]]+)\]\s+(\S+)/.exec(line) ?? []
    if (['System', 'ExifTool', 'Composite'].includes(group)) continue
    assert.match(group, new RegExp(`^(?:${structural.join('|')})$`), `${name} carries ${line}`)
    if (isWanted(line, name)) continue
    assert.doesNotMatch(line, dated, `${name} tells a date: ${line}`)
    // ffmpeg's own words of a track, not a camera's.
    if (tag === 'HandlerDescription') assert.match(line, /: (?:Video|Sound)Handler$/, `${name} carries ${line}`)
    else assert.doesNotMatch(tag, personal, `${name} carries ${line}`)
  }
}

/** What sound keeps of its sender's words; and which coder Opus is by, without its version. */
function isWanted(line: string, name: string): boolean {
  return /^(?:audio|opus)$/.test(name) && /\]\s+(?:(?:Title|Artist|Album)\s+: .|Encoder\s+: Lavc libopus$)/.test(line)
}

/** Of those whose name does not say it. */
const longestSides: Record<string, number> = {
  master: 4096,
  poster: 1280,
  thumbnail: 640,
  preview: 320,
  storyboard: 800,
  cover: 1600,
  'waveform-png': 1800,
}

async function checkPicture(path: string, { name, content_type, width, height }: Rendition): Promise<void> {
  const metadata = await sharp(path).metadata()
  const format = metadata.format === 'heif' && metadata.compression === 'av1' ? 'avif' : metadata.format
  assert.equal(`image/${format}`, content_type, `${name}: its format`)
  assert.deepEqual([metadata.width, metadata.height], [width, height], `${name}: its size`)
  assert.equal(metadata.space, 'srgb', `${name}: its colours`)
  assert.ok((metadata.orientation ?? 1) === 1, `${name} stands upright`)
  assert.deepEqual(
    [metadata.exif, metadata.xmp, metadata.icc],
    [undefined, undefined, undefined],
    `${name}: pixels only`,
  )
  assert.equal(metadata.depth, 'uchar', `${name}: 8 bits`)
  const longest = longestSides[name] ?? Number(/-(\d+)$/.exec(name)?.[1])
  assert.ok(Math.max(metadata.width, metadata.height) <= longest, `${name}: at most ${longest}`)
}

/** Two encodings of one picture show the same: the mean difference, of small copies of both on white. */
export async function checkLikeness(path: string, other: string, name: string): Promise<void> {
  const small = async (one: string) =>
    await sharp(one)
      .flatten({ background: '#fff' })
      .resize(32, 32, { fit: 'fill' })
      .removeAlpha()
      .toColourspace('srgb')
      .raw()
      .toBuffer()
  const [mine, yours] = await Promise.all([small(path), small(other)])
  const off = mine.reduce((sum, value, at) => sum + Math.abs(value - (yours[at] ?? 0)), 0) / mine.length
  assert.ok(off < 8, `${name} differs by ${off.toFixed(1)} of 255 from the others`)
}

async function checkMovie(path: string, bytes: Buffer, { name, width, height, duration }: Rendition): Promise<void> {
  const { streams, format } = await probe(path)
  const video = streams.filter((one) => one.codec_type === 'video')
  const audio = streams.filter((one) => one.codec_type === 'audio')
  assert.equal(streams.length, video.length + audio.length, `${name}: nothing but picture and sound`)
  assert.deepEqual(
    [video.length, audio.length <= 1],
    [name === 'audio' || name === 'opus' ? 0 : 1, true],
    `${name}: its streams`,
  )
  for (const one of video) {
    assert.deepEqual([one.codec_name, one.pix_fmt], ['h264', 'yuv420p'], name)
    assert.deepEqual([one.width, one.height], [width, height], `${name}: its size`)
    assert.deepEqual([Number(one.width) % 2, Number(one.height) % 2], [0, 0], `${name}: even`)
    assert.ok(Math.max(Number(one.width), Number(one.height)) <= 1280, `${name}: within its box`)
    assert.equal(one.side_data_list, undefined, `${name}: upright`)
    assert.ok(!['smpte2084', 'arib-std-b67'].includes(String(one.color_transfer)), `${name}: mapped to SDR`)
  }
  for (const one of audio) assert.equal(one.codec_name, name === 'opus' ? 'opus' : 'aac', name)
  assert.ok(
    Math.abs(Number(format.duration) - (duration ?? 0)) < 0.5,
    `${name}: ${format.duration} s told as ${duration}`,
  )
  const text = bytes.toString('latin1')
  assert.ok(name === 'opus' || text.indexOf('moov') < text.indexOf('mdat'), `${name}: index first`)
  // Whoever plays it decodes all of it, without a complaint.
  assert.equal(await run('ffmpeg', ['-nostdin', '-loglevel', 'error', '-i', path, '-f', 'null', '-']), '')
}

/** Pictures that come out of a film when it is decoded. */
export async function framesOf(path: string): Promise<number> {
  const counted = [
    '-count_frames',
    '-select_streams',
    'V:0',
    '-show_entries',
    'stream=nb_read_frames',
    '-of',
    'csv=p=0',
  ]
  const said = await run('ffprobe', ['-loglevel', 'quiet', ...counted, path])
  return Number.parseInt(said, 10)
}

interface Probed {
  streams: Record<string, unknown>[]
  format: Record<string, unknown>
}

export async function probe(path: string): Promise<Probed> {
  return JSON.parse(await run('ffprobe', ['-loglevel', 'error', '-show_streams', '-show_format', '-of', 'json', path]))
}

/** What a program prints, on either stream. */
export function run(program: string, args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = ''
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.on('data', (data) => (said += data))
    child.stderr.on('data', (data) => (said += data))
    child.on('error', reject)
    child.on('close', (code) => (code === 0 ? resolve(said) : reject(new Error(`${program}: ${said}`))))
  })
}
