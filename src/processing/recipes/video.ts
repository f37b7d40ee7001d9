import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, MediaError } from '../../media/errors.ts'
import { placeholderOf } from '../placeholder.ts'
import { decodersOf } from '../tools/codecs.ts'
import { type Account, runFfmpeg } from '../tools/ffmpeg.ts'
import { probe, type VideoFacts } from '../tools/probe.ts'
import type { Made, Output, VideoWorkbench } from './recipe.ts'
import { durationOf, expectOutput, judgeDecoding, startsFast } from './verify.ts'
import { placeholderFile, planVideo, thumbnailFile, type VideoPlan, videoFile, videoOutputs } from './video-plan.ts'

/**
 * A video: one decode becomes
 *
 * | rendition   | what                                                                                          |
 * |-------------|-----------------------------------------------------------------------------------------------|
 * | `720p`      | MP4 within 1280 × 720 (720 × 1280 when it stands): H.264 High, AAC, index first; a copy of the  |
 * |             | source's picture when that is so already                                                      |
 * | `thumbnail` | JPEG within 640 × 640 of a typical frame; the placeholder is made of the same frame             |
 *
 * What cannot be copied faithfully is encoded; what cannot be encoded with its sound is encoded without it.
 */
export async function makeVideo(workbench: VideoWorkbench, video: VideoFacts): Promise<Made> {
  const { facts, raw, tools, settings } = workbench
  refuseTooMuch(workbench, video)
  const plan = planVideo(facts, video, { size: raw.size, canToneMap: tools.canToneMap })
  const readable = plan.audio !== null && decodersOf('audio', plan.audio.codec).length > 0
  const audio = readable ? plan.audio : null
  const notes = [
    ...(plan.audio && !audio ? ['audio_unsupported'] : []),
    ...(plan.colour.hdr && !plan.toneMap ? ['hdr_not_mapped'] : []),
  ]
  const encode = { ...plan, how: 'encode' as const, audio }
  const tries = [
    ...(plan.how === 'remux' ? [{ plan: { ...plan, audio }, warnings: [] }] : []),
    { plan: encode, warnings: [] },
    ...(audio ? [{ plan: { ...encode, audio: null }, warnings: ['audio_damaged'] }] : []),
  ]
  const made = await firstThatWorks(
    tries.map((one) => () => makeFrom(workbench, one.plan, [...notes, ...one.warnings])),
  )
  if ((made.duration ?? 0) >= settings.maxSeconds) throw new MediaError('too_long', `lasts ${made.duration} s`)
  return made
}

function refuseTooMuch({ facts, settings }: VideoWorkbench, { codec, width, height }: VideoFacts): void {
  if (decodersOf('video', codec).length === 0) {
    throw new MediaError('unsupported_media', `no decoder for ${codec}`, {
      detail: `Video in ${codec || 'an unknown format'} is not supported.`,
    })
  }
  if (width < 1 || height < 1) throw new MediaError('undecodable', 'the video has no size')
  if (width * height > settings.maxFramePixels)
    throw new MediaError('too_many_pixels', `frames of ${width} × ${height}`)
  if ((facts.duration ?? 0) > settings.maxSeconds) throw new MediaError('too_long', `claims ${facts.duration} s`)
}

/** A failure that the file may be to blame for is tried the next way; the first one is told. */
async function firstThatWorks(ways: (() => Promise<Made>)[]): Promise<Made> {
  let first: unknown
  for (const way of ways) {
    try {
      return await way()
    } catch (error) {
      first ??= error
      if (!['undecodable', 'output_mismatch'].includes(codeOf(error))) throw error
    }
  }
  throw first
}

async function makeFrom(workbench: VideoWorkbench, plan: VideoPlan, notes: string[]): Promise<Made> {
  const { raw, runner, tools, settings, newFolder, threads, signal, onProgress } = workbench
  const folder = await newFolder(plan.how)
  const keyFramesOnly = plan.how === 'remux' && isLong(plan)
  const account = await runFfmpeg({
    runner,
    ffmpeg: tools.ffmpeg,
    folder,
    path: raw.path,
    decoders: [...decodersOf('video', plan.video.codec), ...(plan.audio ? decodersOf('audio', plan.audio.codec) : [])],
    inputOptions: keyFramesOnly ? ['-skip_frame', 'nokey'] : [],
    outputs: videoOutputs(plan, { preset: settings.preset, threads, maxSeconds: settings.maxSeconds }),
    threads,
    limits: {
      memory: settings.videoMemory * 1024 ** 2,
      seconds: secondsFor(plan, raw.size, settings.maxSeconds),
      fileBytes: settings.outputMegabytes * 1024 ** 2,
      fewAddresses: true,
      niceness: 19,
    },
    signal,
    onTime: (seconds) => onProgress(shareOf(seconds, plan.duration)),
  })
  const { bad, warnings } = judgeDecoding({ account, stream: plan.video.index, declared: plan.video.frames })
  if (plan.how === 'remux') {
    const doubtful = bad > 0 || warnings.length > 0 || (keyFramesOnly && hasFewKeyFrames(account, plan))
    if (doubtful) throw new MediaError('output_mismatch', 'the source is not to be copied')
  }
  const duration = await verify(workbench, { plan, folder, account })
  return { ...(await describe(plan, folder, duration)), warnings: [...notes, ...warnings] }
}

const longFrom = 120

function isLong({ duration }: VideoPlan): boolean {
  return (duration ?? 0) > longFrom
}

/**
 * A copy carries the source's damage: whatever has any is encoded. Of a long film only the key frames are decoded,
 * which proves it as long as there is one every ten seconds.
 */
function hasFewKeyFrames(account: Account, { video, duration }: VideoPlan): boolean {
  return (account.inputs.get(video.index)?.frames ?? 0) < (duration ?? 0) / 10
}

/** The deadline grows with pixels × frames, at a fiftieth of the speed of two slow cores. */
function secondsFor({ video, target, duration }: VideoPlan, size: number, maxSeconds: number): number {
  const lasts = Math.min(maxSeconds, duration ?? 60 + (size * 8) / 20_000)
  const pixels = video.width * video.height + target.width * target.height
  return Math.min(86_400, 120 + (pixels * lasts * Math.min(240, video.rate ?? 30)) / 5_000_000)
}

/** Without a duration to go by, progress slows down towards the end and never claims to be there. */
export function shareOf(seconds: number, duration: number | null): number {
  return duration === null ? seconds / (seconds + 30) : Math.min(1, seconds / duration)
}

/** Our own work may last long on few bytes, as a black picture does: its length is no made-up claim. */
const trusted = Number.POSITIVE_INFINITY

/** Looks at what was made as if it came from a stranger; returns the seconds it lasts. */
async function verify(
  { runner, tools, newFolder, signal }: VideoWorkbench,
  { plan, folder, account }: { plan: VideoPlan; folder: string; account: Account },
): Promise<number> {
  const path = join(folder, videoFile)
  const facts = await probe({
    runner,
    ffprobe: tools.ffprobe,
    folder: await newFolder('verify'),
    path,
    size: trusted,
    signal,
  })
  const { video, audio } = facts
  const source = account.inputs.get(plan.video.index)
  const written = account.outputs.get(0)
  const wanted = plan.how === 'remux' ? (source?.packets ?? 0) : (source?.frames ?? 0)

  expectOutput('H.264, 4:2:0, 8 bit', video?.codec === 'h264' && video.pixelFormat === 'yuv420p')
  expectOutput('its size', video?.width === plan.target.width && video.height === plan.target.height)
  expectOutput('upright', video?.upright === true && video.pixelAspect === 1)
  expectOutput('all frames written', video?.frames === written?.video)
  expectOutput('all frames of the source', plan.closest !== null || (written?.video ?? 0) >= wanted * 0.95 - 1)
  expectOutput('sound', plan.audio === null || (audio?.codec === 'aac' && (written?.audio ?? 0) > 0))
  expectOutput('index first', await startsFast(path))
  return durationOf(facts)
}

async function describe(plan: VideoPlan, folder: string, duration: number): Promise<Made> {
  const thumbnail = join(folder, thumbnailFile)
  const { size } = await stat(thumbnail)
  expectOutput('a thumbnail', size > 0)
  const pixels = await readFile(join(folder, placeholderFile))
  const { width, height } = plan.placeholder
  expectOutput('a placeholder', pixels.length === width * height * 4)
  const mp4 = { name: '720p', path: join(folder, videoFile), extension: '.mp4', content_type: 'video/mp4', duration }
  const still = { name: 'thumbnail', path: thumbnail, extension: '.jpg', content_type: 'image/jpeg', duration: null }
  const outputs: Output[] = [
    { ...mp4, ...plan.target },
    { ...still, ...plan.thumbnail },
  ]
  return {
    media_type: 'video',
    content_type: null,
    ...plan.source,
    duration,
    placeholder: placeholderOf(pixels, plan.placeholder),
    warnings: [],
    outputs,
    main: '720p',
  }
}
