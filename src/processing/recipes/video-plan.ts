import { boxFor, fitEven, fitInside, type Size } from '../geometry.ts'
import { placeholderBox } from '../placeholder.ts'
import { anonymous } from '../tools/ffmpeg.ts'
import type { AudioFacts, Facts, VideoFacts } from '../tools/probe.ts'
import { type Colour, colourOf } from './colour.ts'

/** What is to be made of a video; pure, from its facts. */
export interface VideoPlan {
  /** `remux` copies the picture as it is, `encode` makes it anew. */
  how: 'remux' | 'encode'
  video: VideoFacts
  /** Null when it has none, or none that can be read. */
  audio: AudioFacts | null
  /** Seconds it claims to last. */
  duration: number | null
  /** Upright, with square pixels. */
  source: Size
  target: Size
  thumbnail: Size
  placeholder: Size
  colour: Colour
  toneMap: boolean
  /** Frames closer than this are dropped; null when none can be. Seconds. */
  closest: number | null
}

export const videoFile = '720p.mp4'
export const thumbnailFile = 'thumbnail.jpg'
export const placeholderFile = 'placeholder.raw'

const fastest = 60
/** Bits per second above which a source that fits is made smaller all the same. */
const remuxBitrate = 6_000_000
const thumbnailBox = { width: 640, height: 640 }
const profiles = ['Baseline', 'Constrained Baseline', 'Main', 'High']

export function planVideo(facts: Facts, video: VideoFacts, given: { size: number; canToneMap: boolean }): VideoPlan {
  const colour = colourOf(video)
  const shown = { width: Math.max(1, Math.round(video.width * video.pixelAspect)), height: video.height }
  const source = video.turned ? { width: shown.height, height: shown.width } : shown
  const target = fitEven(source, boxFor(source, 1280, 720))
  const thumbnail = fitEven(target, thumbnailBox)
  const tooFast = [video.rate, video.peakRate].some((rate) => rate !== null && rate > fastest + 1)
  return {
    how: fits(facts, video, source, given.size) ? 'remux' : 'encode',
    video,
    audio: facts.audio,
    duration: facts.duration,
    source,
    target,
    thumbnail,
    placeholder: fitInside(thumbnail, placeholderBox),
    colour,
    toneMap: colour.hdr && given.canToneMap,
    closest: tooFast ? 1 / (fastest + 1) : null,
  }
}

/** Whether the source is already what we would make of it. */
function fits({ container, duration, start }: Facts, video: VideoFacts, source: Size, size: number): boolean {
  const box = boxFor(source, 1280, 720)
  return (
    (container.startsWith('mov') || container.startsWith('matroska')) &&
    video.codec === 'h264' &&
    profiles.includes(video.profile) &&
    video.pixelFormat === 'yuv420p' &&
    video.upright &&
    video.pixelAspect === 1 &&
    !video.interlaced &&
    video.width % 2 === 0 &&
    video.height % 2 === 0 &&
    source.width <= box.width &&
    source.height <= box.height &&
    (video.peakRate ?? 0) <= fastest + 1 &&
    Math.abs(start) < 0.1 &&
    duration !== null &&
    (size * 8) / duration <= remuxBitrate
  )
}

/** Everything behind the source on ffmpeg's command line: one decode, three outputs. */
export function videoOutputs(
  plan: VideoPlan,
  given: { preset: string; threads: number; maxSeconds: number },
): string[] {
  const { how, audio } = plan
  const picture = how === 'remux' ? copied(plan) : encoded(plan, given)
  const filters = how === 'remux' ? stillFilters(plan, `0:${plan.video.index}`) : mainFilters(plan)
  const limit = ['-t', String(given.maxSeconds)]
  const still = ['-frames:v', '1', '-fps_mode', 'passthrough', ...anonymous]
  return [
    ...['-filter_complex', filters],
    ...[...picture, ...audioOptions(audio, { copy: how === 'remux' }), ...anonymous, ...limit],
    ...['-movflags', '+faststart', '-f', 'mp4', `file:${videoFile}`],
    ...['-map', '[thumbnail]', ...still, '-c:v', 'mjpeg', '-q:v', '3', '-f', 'image2', '-update', '1'],
    `file:${thumbnailFile}`,
    ...['-map', '[placeholder]', ...still, '-c:v', 'rawvideo', '-f', 'rawvideo', `file:${placeholderFile}`],
  ]
}

/** What stands in the bitstream beside the picture is dropped: cameras note places and names there. */
function copied({ video }: VideoPlan): string[] {
  return ['-map', `0:${video.index}`, '-c:v', 'copy', '-bsf:v', 'filter_units=remove_types=6']
}

function encoded(
  { video, target, colour }: VideoPlan,
  { preset, threads }: { preset: string; threads: number },
): string[] {
  const rate = Math.min(fastest, Math.max(1, video.rate ?? 30))
  const ceiling = Math.round(bitrateFor(target, rate))
  return [
    ...['-map', '[main]', '-c:v', 'libx264', '-profile:v', 'high', '-preset', preset, '-threads', String(threads)],
    ...['-crf', '23', '-maxrate', String(ceiling), '-bufsize', String(ceiling * 2)],
    // Frames keep their own times; a base of 1/90000 s holds any rate, and x264 is told the real one.
    ...['-fps_mode', 'vfr', '-enc_time_base', '1:90000', '-x264-params', `fps=${rate.toFixed(3)}`],
    ...['-force_key_frames', 'expr:gte(t,n_forced*2)', '-pix_fmt', 'yuv420p', ...colour.tags],
  ]
}

/** 4 Mbit/s for 720p at 30 frames a second, in proportion for others. */
function bitrateFor({ width, height }: Size, rate: number): number {
  return Math.max(300_000, 4_000_000 * ((width * height) / (1280 * 720)) * Math.max(1, Math.sqrt(rate / 30)))
}

function audioOptions(audio: AudioFacts | null, { copy }: { copy: boolean }): string[] {
  if (!audio) return ['-an']
  const map = ['-map', `0:${audio.index}`]
  if (copy && isPlainAac(audio)) return [...map, '-c:a', 'copy']
  return [...map, ...aac(audio, 128), '-af', 'aresample=async=1']
}

/** Whether sound can go into an MP4 as it is. */
export function isPlainAac({ codec, profile, channels, bitrate }: AudioFacts): boolean {
  return codec === 'aac' && profile === 'LC' && channels <= 2 && (bitrate ?? 0) <= 256_000
}

/** Stereo from anything with more channels; mono stays mono at a little over half the rate. */
export function aac({ channels, sampleRate }: AudioFacts, kilobits: number): string[] {
  const rate = sampleRate >= 8_000 && sampleRate <= 48_000 ? sampleRate : 48_000
  const mono = channels === 1
  const bitrate = mono ? Math.round(kilobits * 0.6) : kilobits
  return ['-c:a', 'aac', '-b:a', `${bitrate}k`, '-ac', mono ? '1' : '2', '-ar', String(rate)]
}

function mainFilters(plan: VideoPlan): string {
  const { video, closest } = plan
  const steps = [
    ...(video.interlaced ? ['bwdif=mode=send_frame:deint=interlaced'] : []),
    ...(closest === null ? [] : [`select='${apart(closest)}'`]),
    ...(plan.toneMap ? toneMapped(plan) : scaled(plan)),
    ...['setsar=1', 'format=yuv420p'],
  ]
  return [
    `[0:${video.index}]${steps.join(',')},split=3[main][stills][passed]`,
    stillFilters(plan, 'stills'),
    // ffmpeg's own report begins when every output has, and the still comes late: this one tells of each second.
    `[passed]select='${apart(1)}',showinfo=checksum=0,nullsink`,
  ].join(';')
}

function scaled({ target, colour }: VideoPlan): string[] {
  const { matrixIn, matrixOut } = colour
  const matrices = `${matrixIn === 'auto' ? '' : `:in_color_matrix=${matrixIn}`}:out_color_matrix=${matrixOut}`
  return [`scale=${target.width}:${target.height}:flags=bicubic${matrices}:out_range=tv`]
}

/** Linear light, narrower colours, fewer lights, and back; on the scaled picture, as it costs most. */
function toneMapped({ video, target }: VideoPlan): string[] {
  const read = `tin=${video.transfer}:pin=bt2020:min=bt2020nc`
  return [
    // What the frames leave open is what the curve implies; zscale finds no way from an unknown.
    'setparams=color_primaries=bt2020:colorspace=bt2020nc',
    `zscale=w=${target.width}:h=${target.height}:${read}:t=linear:npl=100`,
    ...['format=gbrpf32le', 'zscale=p=bt709', 'tonemap=tonemap=hable:desat=0'],
    'zscale=t=bt709:m=bt709:r=tv',
  ]
}

/** The most typical of twenty frames of the first half, as a JPEG and as the placeholder's pixels. */
function stillFilters({ how, duration, thumbnail, placeholder, colour }: VideoPlan, input: string): string {
  const step = Math.min(30, Math.max(0.2, (duration ?? 10) * 0.025))
  const matrix = how === 'remux' || colour.matrixOut === 'auto' ? '' : `:in_color_matrix=${colour.matrixOut}`
  const to = ({ width, height }: Size) => `scale=${width}:${height}:flags=bicubic${matrix}`
  return [
    `[${input}]select='${apart(step)}',thumbnail=n=20,split=2[large][small]`,
    `[large]${to(thumbnail)}:out_color_matrix=smpte170m:out_range=pc,setsar=1,format=yuvj420p[thumbnail]`,
    `[small]${to(placeholder)},format=rgba[placeholder]`,
  ].join(';')
}

function apart(seconds: number): string {
  return `isnan(prev_selected_t)+gte(t-prev_selected_t,${seconds.toFixed(6)})`
}
