import { MediaError } from '../../media/errors.ts'
import { containers, probedDecoders, stillCodecs } from './codecs.ts'
import type { Runner } from './run.ts'

/** What a file says of itself. Claims, not truths: durations and counts are checked against what decoding brings. */
export interface Facts {
  /** ffmpeg's name of the container: `mov,mp4,m4a,3gp,3g2,mj2`. */
  container: string
  /** Seconds; null when it makes no claim, or an absurd one. */
  duration: number | null
  /** Seconds at which it starts. */
  start: number
  /** The moving picture to process. */
  video: VideoFacts | null
  /** The sound to process: the track that is meant to be heard when nobody chooses. */
  audio: AudioFacts | null
  /** All tracks of sound, that one first. */
  sounds: AudioFacts[]
  subtitles: SubtitleFacts[]
  /** A picture that comes along. */
  cover: { index: number; codec: string } | null
}

export interface VideoFacts {
  index: number
  codec: string
  profile: string
  /** Pixels as coded. */
  width: number
  height: number
  /** Width of a pixel over its height. */
  pixelAspect: number
  /** Whether it is shown as coded, neither turned nor mirrored. */
  upright: boolean
  /** Whether it is shown turned by a quarter. */
  turned: boolean
  pixelFormat: string
  matrix: string | null
  transfer: string | null
  primaries: string | null
  interlaced: boolean
  /** Frames a second on average, and at the most; null when unknown. */
  rate: number | null
  peakRate: number | null
  /** From the container's index, where it has one. */
  frames: number | null
  /** Seconds at which it starts; null when unknown. */
  start: number | null
}

export interface AudioFacts {
  index: number
  codec: string
  profile: string
  channels: number
  sampleRate: number
  bitrate: number | null
  /** Seconds at which it starts; null when unknown. */
  start: number | null
  /** BCP 47: `en`; null when unknown. */
  language: string | null
}

export interface SubtitleFacts {
  index: number
  codec: string
  language: string | null
  /** Meant to be shown when nobody chooses. */
  isDefault: boolean
  /** Meant to be shown even to who wants none. */
  forced: boolean
}

/** Less than this is no sound and no picture: such a duration is made up. Bits per second. */
const leastBitrate = 800

/**
 * Looks into a file with ffprobe.
 * @throws MediaError `undecodable` when it is no container we know, or what `Runner.run` throws.
 */
export async function probe(given: {
  runner: Runner
  ffprobe: string
  folder: string
  path: string
  size: number
  signal: AbortSignal
}): Promise<Facts> {
  const { runner, ffprobe, folder, path, size, signal } = given
  const limits = { memory: 512 * 1024 ** 2, seconds: 60, fileBytes: 0, fewAddresses: true, niceness: 10 }
  const args = [...['-hide_banner', '-loglevel', 'error'], ...inputLists(probedDecoders)]
  const shown = ['-show_entries', entries, '-of', 'json=compact=1', '-i', `file:${path}`]
  const command = { program: ffprobe, args: [...args, ...shown], folder, reads: [path], limits, signal }
  const { exitCode, stdout, stderr } = await runner.run(command)
  if (exitCode !== 0) throw failureOf(stderr || `ended with ${exitCode}`)
  return factsFrom(JSON.parse(stdout.toString('utf8')), size)
}

/** A sound file in a format that we leave closed is not a damaged one. */
function failureOf(said: string): MediaError {
  const codec = /Codec \(([\w-]{1,40})\) not on whitelist/.exec(said)?.[1]
  if (codec === undefined) return new MediaError('undecodable', `ffprobe: ${said}`)
  const detail = `The file holds ${codec}, which is not supported. Convert it to a common format.`
  return new MediaError('unsupported_media', `no decoder for ${codec}`, { detail })
}

/** The three lists that keep ffmpeg and ffprobe within one file. */
export function inputLists(allowedDecoders: string): string[] {
  return [
    ...['-protocol_whitelist', 'file'],
    ...['-format_whitelist', containers],
    ...['-codec_whitelist', allowedDecoders],
  ]
}

const streamEntries = [
  ...['index', 'codec_type', 'codec_name', 'profile', 'width', 'height', 'pix_fmt', 'sample_aspect_ratio'],
  ...['field_order', 'color_space', 'color_transfer', 'color_primaries', 'avg_frame_rate', 'r_frame_rate'],
  ...['nb_frames', 'channels', 'sample_rate', 'bit_rate', 'side_data_list', 'start_time'],
].join(',')
const entries = [
  'format=format_name,duration,start_time',
  `stream=${streamEntries}`,
  'stream_disposition=default,attached_pic,timed_thumbnails,forced',
  'stream_tags=language',
  'stream_side_data=side_data_type,displaymatrix',
].join(':')

interface Probed {
  format?: Record<string, unknown>
  streams?: ProbedStream[]
}

interface ProbedStream {
  [name: string]: unknown
  disposition?: Record<string, unknown>
  tags?: Record<string, unknown>
  side_data_list?: Record<string, unknown>[]
}

/** Facts from ffprobe's JSON; exported for its test. */
export function factsFrom(probed: Probed, size: number): Facts {
  const { format = {}, streams = [] } = probed
  const container = text(format.format_name)
  const moving = streams.filter((stream) => stream.codec_type === 'video' && isMoving(stream, container))
  const covers = streams.filter((stream) => stream.codec_type === 'video' && !isMoving(stream, container))
  const sounds = streams.filter((stream) => stream.codec_type === 'audio')
  // A film of a single JPEG is one all the same, when there is nothing else.
  const lone = sounds.length === 0 ? covers.find((stream) => stream.disposition?.attached_pic !== 1) : undefined
  const video = moving.find(isDefault) ?? moving[0] ?? lone
  const audible = sounds.filter((stream) => number(stream.channels) > 0)
  const audio = audible.find(isDefault) ?? audible[0] ?? sounds[0]
  const cover = covers.find((stream) => stream.disposition?.attached_pic === 1) ?? covers[0]
  return {
    container,
    duration: saneDuration(number(format.duration), size),
    start: number(format.start_time),
    video: video ? videoFrom(video) : null,
    audio: audio ? audioFrom(audio) : null,
    sounds: [...(audio ? [audio] : []), ...audible.filter((stream) => stream !== audio)].map(audioFrom),
    subtitles: streams.filter((stream) => stream.codec_type === 'subtitle').map(subtitleFrom),
    cover: cover ? { index: number(cover.index), codec: text(cover.codec_name) } : null,
  }
}

/** Covers show as video streams: by their mark, in a sound's container, or as a single still. */
function isMoving(stream: ProbedStream, container: string): boolean {
  const { attached_pic, timed_thumbnails } = stream.disposition ?? {}
  if (attached_pic === 1 || timed_thumbnails === 1) return false
  const codec = text(stream.codec_name)
  const soundOnly = ['mp3', 'flac', 'wav', 'aac', 'aiff', 'ape', 'wv', 'tta'].includes(container)
  const isStill = codec === 'mjpeg' || stillCodecs.includes(codec)
  return !(isStill && (soundOnly || number(stream.nb_frames) === 1))
}

/** A file may claim to last for days: what its bytes cannot fill is no claim. */
function saneDuration(seconds: number, size: number): number | null {
  if (!(seconds > 0) || (size * 8) / seconds < leastBitrate) return null
  return seconds
}

function videoFrom(stream: ProbedStream): VideoFacts {
  return {
    index: number(stream.index),
    codec: text(stream.codec_name),
    profile: text(stream.profile),
    width: number(stream.width),
    height: number(stream.height),
    pixelAspect: ratio(stream.sample_aspect_ratio, ':') ?? 1,
    ...orientationOf(stream),
    pixelFormat: text(stream.pix_fmt),
    matrix: known(stream.color_space),
    transfer: known(stream.color_transfer),
    primaries: known(stream.color_primaries),
    interlaced: ['tt', 'bb', 'tb', 'bt'].includes(text(stream.field_order)),
    rate: ratio(stream.avg_frame_rate, '/'),
    peakRate: ratio(stream.r_frame_rate, '/'),
    frames: number(stream.nb_frames) || null,
    start: startOf(stream),
  }
}

/** From the display matrix: `00000000: 0 65536 0`, three rows of which the upper left four numbers turn. */
function orientationOf(stream: ProbedStream): { upright: boolean; turned: boolean } {
  const matrix = stream.side_data_list?.map((one) => text(one.displaymatrix)).find((one) => one !== '')
  const rows = (matrix ?? '')
    .trim()
    .split('\n')
    .map((row) =>
      row
        .replace(/^\s*\d+:/, '')
        .trim()
        .split(/\s+/)
        .map(Number),
    )
  const [a = 0, b = 0, c = 0, d = 0] = [rows[0]?.[0], rows[0]?.[1], rows[1]?.[0], rows[1]?.[1]]
  if (!matrix || rows.length < 2) return { upright: true, turned: false }
  return {
    upright: a > 0 && d > 0 && b === 0 && c === 0,
    turned: Math.abs(b) > Math.abs(a) && Math.abs(c) > Math.abs(d),
  }
}

function audioFrom(stream: ProbedStream): AudioFacts {
  return {
    index: number(stream.index),
    codec: text(stream.codec_name),
    profile: text(stream.profile),
    channels: number(stream.channels),
    sampleRate: number(stream.sample_rate),
    bitrate: number(stream.bit_rate) || null,
    start: startOf(stream),
    language: languageOf(stream),
  }
}

function subtitleFrom(stream: ProbedStream): SubtitleFacts {
  return {
    index: number(stream.index),
    codec: text(stream.codec_name),
    language: languageOf(stream),
    isDefault: isDefault(stream),
    forced: stream.disposition?.forced === 1,
  }
}

function isDefault(stream: ProbedStream): boolean {
  return stream.disposition?.default === 1
}

function startOf(stream: ProbedStream): number | null {
  return stream.start_time === undefined ? null : number(stream.start_time)
}

/** Containers write `eng` where the web says `en`; what is no language is none. */
function languageOf({ tags }: ProbedStream): string | null {
  const said = text(tags?.language).toLowerCase()
  if (!/^[a-z]{2,3}$/.test(said) || ['und', 'mis', 'mul', 'zxx'].includes(said)) return null
  return Intl.getCanonicalLocales(said)[0] ?? null
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function known(value: unknown): string | null {
  const name = text(value)
  return name === '' || name === 'unknown' || name === 'reserved' || name === 'unspecified' ? null : name
}

function number(value: unknown): number {
  const parsed = Number(value ?? 0)
  return Number.isFinite(parsed) ? parsed : 0
}

function ratio(value: unknown, sign: ':' | '/'): number | null {
  const [over, under] = text(value).split(sign).map(Number)
  return over && under && over > 0 && under > 0 ? over / under : null
}
