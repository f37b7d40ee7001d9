import { anonymous } from '../tools/ffmpeg.ts'
import type { RungPlan } from './ladder.ts'
import { rungLabel, videoFilters } from './video-filters.ts'
import { aac, isPlainAac, rateOf, type VideoPlan } from './video-plan.ts'

export const mp4File = '720p.mp4'
export const posterFile = 'poster.jpg'
export const thumbnailFile = 'thumbnail.jpg'
export const placeholderFile = 'placeholder.raw'
export const soundFile = 'audio.m4a'
/** The preview's pictures as they are, to be made small by a run of its own: an encoder of WebP that is given none fails. */
export const clipFile = 'clip.mkv'
export const sheetForm = /^sheet-\d{3}\.jpg$/
/** Sheets at the most, for a film that is longer than it says. */
const sheetLimit = 99
/** Seconds. */
const segmentLength = 4

/** The stream of a track of sound: `audio`, `audio-2`… */
export function soundName(at: number): string {
  return at === 0 ? 'audio' : `audio-${at + 1}`
}

export interface Given {
  preset: string
  threads: number
  maxSeconds: number
}

/** A file of ffmpeg's, and the sizes whose streams are written beside it. */
interface Target {
  args: string[]
  /** Names of the streams whose pictures it holds. */
  rungs: string[]
}

/** Everything behind the source on ffmpeg's command line. */
export function videoOutputs(plan: VideoPlan, given: Given): string[] {
  return ['-filter_complex', videoFilters(plan), ...targetsOf(plan, given).flatMap(({ args }) => args)]
}

/** The number of ffmpeg's output that holds a size. */
export function outputOf(plan: VideoPlan, name: string): number {
  const given = { preset: '', threads: 1, maxSeconds: 1 }
  return targetsOf(plan, given).findIndex(({ rungs }) => rungs.includes(name))
}

function targetsOf(plan: VideoPlan, given: Given): Target[] {
  const main = plan.copied ?? plan.rungs.find(({ isMain }) => isMain)
  const shared = plan.how === 'encode' || plan.copied ? main : undefined
  const others = plan.mp4 ? plan.rungs.filter((rung) => rung !== shared) : plan.rungs
  return [
    ...(plan.mp4 ? [mp4Target(plan, shared ?? null, given)] : []),
    ...others.map((rung) => ({
      args: [...encoded(plan, rung, given), '-an', ...ending(given), ...streamArgs(rung.name)],
      rungs: [rung.name],
    })),
    ...[...(plan.mp4 ? stills() : []), ...extras(plan)].map((args) => ({ args, rungs: [] })),
  ]
}

/** The MP4 and, encoded only once, the streams of its picture and of all sound, and the sound alone. */
function mp4Target(plan: VideoPlan, shared: RungPlan | null, given: Given): Target {
  const picture = plan.how === 'remux' || !shared ? copied(plan) : encoded(plan, shared, given)
  const head = [...picture, ...soundArgs(plan), ...ending(given)]
  return { args: teed(head, plan, shared), rungs: shared ? [shared.name] : [] }
}

/** What has been encoded or copied once goes into all files that want it. */
export function teed(head: string[], { sounds, hls, audio }: VideoPlan, shared: RungPlan | null): string[] {
  const indexFirst = 'movflags=+faststart:fflags=+bitexact'
  const slaves = [
    `[select=${sounds.length > 0 ? '0,1' : '0'}:f=mp4:${indexFirst}]${mp4File}`,
    ...(hls && shared ? [`[select=0:${streamOptions(shared.name)}]${shared.name}.m3u8`] : []),
    ...(hls ? sounds.map((_, at) => `[select=${at + 1}:${streamOptions(soundName(at))}]${soundName(at)}.m3u8`) : []),
    ...(audio && sounds.length > 0 ? [`[select=1:f=ipod:${indexFirst}]${soundFile}`] : []),
  ]
  const headers = ['-flags:v', '+bitexact+global_header', '-flags:a', '+bitexact+global_header']
  return [...head, ...headers, '-f', 'tee', slaves.join('|')]
}

export function ending({ maxSeconds }: Given): string[] {
  return [...anonymous, '-t', String(maxSeconds)]
}

/** What stands in the bitstream beside the picture is dropped: cameras note places and names there. */
function copied({ video }: VideoPlan): string[] {
  return ['-map', `0:${video.index}`, '-c:v', 'copy', '-bsf:v', 'filter_units=remove_types=6']
}

export function encoded(plan: VideoPlan, rung: RungPlan, { preset, threads }: Given): string[] {
  const { video, colour, keyFrames } = plan
  // All sizes have their key frames at the same frames: the first of each two seconds, or where the copied one has them.
  const ownKeys = ['-force_key_frames', 'expr:isnan(prev_forced_t)+gt(floor(t/2),floor(prev_forced_t/2))']
  const sourceKeys = ['-force_key_frames', 'source', '-g', '100000', '-sc_threshold', '0']
  return [
    ...['-map', rungLabel(rung), '-c:v', 'libx264', '-profile:v', 'high', '-preset', preset],
    ...['-threads', String(threads)],
    ...['-crf', String(rung.crf), '-maxrate', String(rung.ceiling), '-bufsize', String(rung.ceiling * 2)],
    // Frames keep their own times; a base of 1/90000 s holds any rate, and x264 is told the real one.
    ...['-fps_mode', 'vfr', '-enc_time_base', '1:90000', '-x264-params', `fps=${rateOf(video).toFixed(3)}`],
    ...(keyFrames === 'source' ? sourceKeys : ownKeys),
    ...['-pix_fmt', 'yuv420p', ...colour.tags],
  ]
}

export function soundArgs(plan: VideoPlan): string[] {
  if (plan.sounds.length === 0) return ['-an']
  return plan.sounds.flatMap((sound, at) => [
    ...['-map', `0:${sound.index}`],
    ...(plan.how === 'remux' && isPlainAac(sound) && Math.abs(sound.start ?? 1) < 0.1
      ? [`-c:a:${at}`, 'copy']
      : [
          ...ofStream(aac(sound, 128), at),
          // Sound begins with the picture, as players of streams take it; what comes late is silence before.
          ...[`-filter:a:${at}`, 'aresample=async=1:first_pts=0'],
        ]),
  ])
}

/** Options of a file's sound, as those of one of its tracks. */
function ofStream(options: string[], at: number): string[] {
  return options.map((one) => (one.startsWith('-') ? `${one.replace(/:a$/, '')}:a:${at}` : one))
}

/** Times stay as they are, so that streams that are written apart are played together. */
function streamSettings(name: string): [string, string][] {
  return [
    ['avoid_negative_ts', 'disabled'],
    ['hls_time', String(segmentLength)],
    ['hls_playlist_type', 'vod'],
    ['hls_segment_type', 'fmp4'],
    ['start_number', '1'],
    ['hls_fmp4_init_filename', `${name}-init.mp4`],
    ['hls_segment_filename', `${name}-%05d.m4s`],
  ]
}

function streamOptions(name: string): string {
  return ['f=hls', ...streamSettings(name).map(([key, value]) => `${key}=${value}`)].join(':')
}

function streamArgs(name: string): string[] {
  return ['-f', 'hls', ...streamSettings(name).flatMap(([key, value]) => [`-${key}`, value]), `file:${name}.m3u8`]
}

export function stills(): string[][] {
  const still = ['-frames:v', '1', '-fps_mode', 'passthrough', ...anonymous]
  const jpeg = [...still, '-c:v', 'mjpeg', '-q:v', '3', '-f', 'image2', '-update', '1']
  return [
    ['-map', '[poster]', ...jpeg, `file:${posterFile}`],
    ['-map', '[thumbnail]', ...jpeg, `file:${thumbnailFile}`],
    ['-map', '[placeholder]', ...still, '-c:v', 'rawvideo', '-f', 'rawvideo', `file:${placeholderFile}`],
  ]
}

export function extras({ storyboard, preview }: VideoPlan): string[][] {
  const sheets = [
    '-frames:v',
    String(sheetLimit),
    '-fps_mode',
    'passthrough',
    ...anonymous,
    '-c:v',
    'mjpeg',
    '-q:v',
    '5',
  ]
  const clip = ['-fps_mode', 'passthrough', ...anonymous, '-c:v', 'ffv1', '-f', 'matroska', `file:${clipFile}`]
  return [
    ...(storyboard
      ? [['-map', '[sheets]', ...sheets, '-start_number', '1', '-f', 'image2', 'file:sheet-%03d.jpg']]
      : []),
    ...(preview ? [['-map', '[preview]', ...clip]] : []),
  ]
}
