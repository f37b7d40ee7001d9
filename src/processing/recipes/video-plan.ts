import { boxFor, fitEven, fitInside, type Size } from '../geometry.ts'
import { placeholderBox } from '../placeholder.ts'
import type { VideoProfile } from '../profile.ts'
import type { AudioFacts, Facts, VideoFacts } from '../tools/probe.ts'
import { type Colour, colourOf } from './colour.ts'
import { planLadder, type RungPlan } from './ladder.ts'

/** What one run of ffmpeg is to make of a video; pure, from its facts. */
export interface VideoPlan {
  /** `remux` copies the picture as it is, `encode` makes it anew. */
  how: 'remux' | 'encode'
  video: VideoFacts
  /** The one to be heard when nobody chooses first; none when there is none, or none that can be read. */
  sounds: AudioFacts[]
  /** Seconds it claims to last. */
  duration: number | null
  /** Upright, with square pixels. */
  source: Size
  /** Of the MP4. */
  target: Size
  thumbnail: Size
  placeholder: Size
  colour: Colour
  toneMap: boolean
  /** Frames closer than this are dropped; null when none can be. Seconds. */
  closest: number | null
  /** Whether the MP4, its sound and its still are made. */
  mp4: boolean
  /** All sizes that are wanted, tallest first. */
  ladder: RungPlan[]
  /** Those that are encoded, each scaled from the one before. */
  rungs: RungPlan[]
  /** The size whose stream is a copy of the source. */
  copied: RungPlan | null
  hls: boolean
  /** Whether streams begin their segments where the source has its key frames, as those of a copy do. */
  keyFrames: 'own' | 'source'
  /** Whether the sound is also made alone. */
  audio: boolean
  storyboard: Storyboard | null
  preview: Preview | null
  /** Whether only key frames are decoded: enough for stills, and a proof of what is copied. */
  onlyKeyFrames: boolean
}

export interface Storyboard {
  tile: Size
  columns: number
  rows: number
  /** Seconds between two tiles. */
  every: number
}

export interface Preview {
  size: Size
  /** Seconds. */
  start: number
  seconds: number
}

const fastest = 60
/** Bits per second above which a source that fits is made smaller all the same. */
const remuxBitrate = 6_000_000
const thumbnailBox = { width: 640, height: 640 }
const tileBox = { width: 160, height: 160 }
const previewBox = { width: 320, height: 320 }
const profiles = ['Baseline', 'Constrained Baseline', 'Main', 'High']
/** Seconds. */
const shortestLadder = 4
const previewSeconds = 3
/** Seconds that picture and sound may begin apart in what is copied: players of streams let both begin at once. */
const together = 0.05
export const soundLimit = 8

export function planVideo(
  facts: Facts,
  video: VideoFacts,
  given: { size: number; canToneMap: boolean; profile: VideoProfile },
): VideoPlan {
  const { profile } = given
  const { duration } = facts
  const colour = colourOf(video)
  const shown = { width: Math.max(1, Math.round(video.width * video.pixelAspect)), height: video.height }
  const source = video.turned ? { width: shown.height, height: shown.width } : shown
  const target = fitEven(source, boxFor(source, 1280, 720))
  const thumbnail = fitEven(target, thumbnailBox)
  const tooFast = [video.rate, video.peakRate].some((rate) => rate !== null && rate > fastest + 1)
  const how = fits(facts, video, source, given.size) ? 'remux' : 'encode'
  const all = planLadder(source, profile.rungs, rateOf(video))
  const oneSize = !profile.hls || (duration !== null && duration < shortestLadder)
  const ladder = oneSize ? all.filter(({ isMain }) => isMain) : all
  const copied = how === 'remux' && profile.hls && startsWith(video, facts) ? (ladder[0] ?? null) : null
  return {
    ...{ how, video, sounds: facts.sounds.slice(0, soundLimit), duration, source, target, thumbnail, colour },
    placeholder: fitInside(thumbnail, placeholderBox),
    toneMap: colour.hdr && given.canToneMap,
    closest: tooFast ? 1 / (fastest + 1) : null,
    mp4: true,
    ladder,
    rungs: ladder.filter((rung) => rung !== copied && (profile.hls || how === 'encode')),
    copied,
    hls: profile.hls,
    keyFrames: copied ? 'source' : 'own',
    audio: profile.audio,
    storyboard: profile.storyboard ? planStoryboard(target, lastsOf(video, duration)) : null,
    preview: profile.preview ? planPreview(target, duration) : null,
    onlyKeyFrames: false,
  }
}

export function rateOf({ rate }: VideoFacts): number {
  return Math.min(fastest, Math.max(1, rate ?? 30))
}

/** Some 240 pictures of a long film, one a second of a short one, on sheets of much the same number. */
function planStoryboard(target: Size, duration: number | null): Storyboard {
  const tile = fitEven(target, tileBox)
  const every = Math.max(1, Math.ceil((duration ?? 2_400) / 240))
  const count = duration === null ? mostOnSheet : Math.max(1, Math.ceil(duration / every))
  return { tile, every, ...gridOf(Math.ceil(count / Math.ceil(count / mostOnSheet))) }
}

/** Seconds that the picture claims to last: sound often goes on for a moment. */
function lastsOf({ frames, rate, start }: VideoFacts, duration: number | null): number | null {
  return duration === null || !frames || !rate ? duration : Math.min(duration, Math.max(0, start ?? 0) + frames / rate)
}

const mostColumns = 5
const mostOnSheet = mostColumns ** 2

/** The widest of those that leave the fewest places empty. */
function gridOf(count: number): { columns: number; rows: number } {
  let best = { columns: mostColumns, rows: mostColumns }
  for (let columns = 1; columns <= mostColumns; columns++) {
    const rows = Math.ceil(count / columns)
    if (rows <= mostColumns && columns * rows <= best.columns * best.rows) best = { columns, rows }
  }
  return best
}

/** From where a film has begun in earnest. */
function planPreview(target: Size, duration: number | null): Preview {
  const start = duration === null ? 0 : Math.max(0, Math.min(duration / 4, duration - previewSeconds))
  return { size: fitEven(target, previewBox), start, seconds: previewSeconds }
}

/** Whether a stream begins with the file. */
export function startsWith({ start }: { start: number | null }, facts: Facts): boolean {
  return start !== null && Math.abs(start - facts.start) < together
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
    !colourOf(video).hdr &&
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

/** Seconds from which what can be played at once is made before the rest. */
const longCopy = 120
const longFilm = 1_200

/**
 * One run makes all of it, but of a long film the MP4 comes first, so that it can be played while its other sizes are
 * made: for a copy that costs next to nothing, else a second decoding.
 */
export function passesOf(plan: VideoPlan): VideoPlan[] {
  const lasts = plan.duration ?? 0
  if (plan.how === 'remux' && lasts > longCopy) {
    const first = { ...plan, rungs: [], onlyKeyFrames: true }
    return plan.rungs.length > 0 ? [first, laterPass(plan, plan.rungs)] : [first]
  }
  const rest = plan.rungs.filter(({ isMain }) => !isMain)
  if (plan.how === 'remux' || lasts < longFilm || rest.length === 0) return [plan]
  return [{ ...plan, rungs: plan.rungs.filter(({ isMain }) => isMain) }, laterPass(plan, rest)]
}

/** A film is cut when it lasts this many times as long as its segments are to. */
export const longEnough = 4

/** Nothing but streams of some sizes. */
function laterPass(plan: VideoPlan, rungs: RungPlan[]): VideoPlan {
  const nothing = { mp4: false, copied: null, sounds: [], audio: false, storyboard: null, preview: null }
  return { ...plan, ...nothing, rungs }
}

/** What is left to do when the source turns out to have its key frames where streams cannot begin. */
export function withoutCopy(plan: VideoPlan): VideoPlan {
  return laterPass(encodedAnew(plan), plan.ladder)
}

/** What is done when the source cannot be copied. */
export function encodedAnew(plan: VideoPlan): VideoPlan {
  return { ...plan, how: 'encode', rungs: plan.ladder, copied: null, keyFrames: 'own' }
}

/** The MP4, its still and nothing beside, for what takes too much memory. */
export function leanest(plan: VideoPlan): VideoPlan {
  const ladder = plan.ladder.filter(({ isMain }) => isMain)
  return { ...encodedAnew({ ...plan, ladder }), hls: false, audio: false, storyboard: null, preview: null }
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
