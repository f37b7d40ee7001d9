import { join } from 'node:path'
import { codeOf, MediaError } from '../../media/errors.ts'
import { decodersOf } from '../tools/codecs.ts'
import { type Account, anonymous, runFfmpeg } from '../tools/ffmpeg.ts'
import type { MadePictures } from '../tools/pictures.ts'
import { type AudioFacts, probe } from '../tools/probe.ts'
import { shareOf } from './progress.ts'
import type { Made, Output, VideoWorkbench } from './recipe.ts'
import { expectOutput, judgeDecoding, startsFast } from './verify.ts'
import { aac, isPlainAac } from './video-plan.ts'
import { collectPeaks, drawWaveform, type Peaks, peakRate } from './waveform.ts'

/**
 * Sound: one decode becomes
 *
 * | rendition   | what                                                                                     |
 * |-------------|------------------------------------------------------------------------------------------|
 * | `audio`     | M4A: AAC at 160 kbit/s stereo, 96 mono; a copy of the source's when it is so already       |
 * | `thumbnail` | JPEG within 400 × 400 of the cover that came along, else a picture of the waveform        |
 */
export async function makeAudio(workbench: VideoWorkbench, audio: AudioFacts): Promise<Made> {
  const { facts, settings } = workbench
  if (decodersOf('audio', audio.codec).length === 0) {
    throw new MediaError('unsupported_media', `no decoder for ${audio.codec}`, {
      detail: `Sound in ${audio.codec || 'an unknown format'} is not supported.`,
    })
  }
  if ((facts.duration ?? 0) > settings.maxSeconds) throw new MediaError('too_long', `claims ${facts.duration} s`)
  const made = await makeSound(workbench, audio)
  const pictures = await makePicture(workbench, made)
  const [thumbnail] = pictures.outputs
  expectOutput('a thumbnail', thumbnail !== undefined)
  const { duration, warnings } = made
  const m4a = {
    name: 'audio',
    path: made.path,
    extension: '.m4a',
    content_type: 'audio/mp4',
    width: null,
    height: null,
    duration,
  }
  const outputs: Output[] = [m4a]
  if (thumbnail)
    outputs.push({ ...thumbnail, path: join(pictures.folder, thumbnail.file), extension: '.jpg', duration: null })
  return {
    media_type: 'audio',
    content_type: null,
    width: null,
    height: null,
    duration,
    placeholder: pictures.placeholder,
    warnings: [...warnings, ...pictures.warnings],
    outputs,
    main: 'audio',
  }
}

interface Sound {
  path: string
  /** Copied out as it came; null when there is none. */
  cover: string | null
  peaks: Peaks
  duration: number
  warnings: string[]
}

const soundFile = 'audio.m4a'
const coverFile = 'cover'

/** A copy first, where that will do; an undamaged source is its condition. */
async function makeSound(workbench: VideoWorkbench, audio: AudioFacts): Promise<Sound> {
  if (isPlainAac(audio) && workbench.facts.container.startsWith('mov')) {
    const copy = await runSound(workbench, audio, { copy: true }).catch((error) => {
      if (codeOf(error) !== 'undecodable' && codeOf(error) !== 'output_mismatch') throw error
      return null
    })
    if (copy && copy.warnings.length === 0) return copy
  }
  return await runSound(workbench, audio, { copy: false })
}

async function runSound(workbench: VideoWorkbench, audio: AudioFacts, { copy }: { copy: boolean }): Promise<Sound> {
  const { facts, raw, runner, tools, settings, newFolder, threads, signal, onProgress } = workbench
  const folder = await newFolder(copy ? 'remux' : 'encode')
  const peaks = collectPeaks()
  const account = await runFfmpeg({
    runner,
    ffmpeg: tools.ffmpeg,
    folder,
    path: raw.path,
    decoders: decodersOf('audio', audio.codec),
    outputs: soundOutputs(audio, { copy, cover: facts.cover?.index ?? null, maxSeconds: settings.maxSeconds }),
    threads,
    limits: {
      memory: settings.videoMemory * 1024 ** 2,
      seconds: 120 + Math.min(settings.maxSeconds, facts.duration ?? raw.size / 500),
      fileBytes: settings.outputMegabytes * 1024 ** 2,
      fewAddresses: true,
      niceness: 19,
    },
    signal,
    onTime: (seconds) => onProgress(0.9 * shareOf(seconds, facts.duration)),
    onOutput: peaks.add,
  })
  const { warnings } = judgeDecoding({ account, stream: audio.index })
  const duration = Math.round(peaks.seconds() * 1000) / 1000
  if (duration >= settings.maxSeconds) throw new MediaError('too_long', `lasts ${duration} s`)
  await verify(workbench, { path: join(folder, soundFile), duration, account })
  return {
    path: join(folder, soundFile),
    cover: facts.cover ? join(folder, coverFile) : null,
    peaks,
    duration,
    warnings,
  }
}

function soundOutputs(
  audio: AudioFacts,
  { copy, cover, maxSeconds }: { copy: boolean; cover: number | null; maxSeconds: number },
): string[] {
  const map = ['-map', `0:${audio.index}`]
  const limit = ['-t', String(maxSeconds)]
  const codec = copy ? ['-c:a', 'copy'] : aac(audio, 160)
  return [
    ...[...map, ...codec, ...anonymous, ...limit, '-movflags', '+faststart', '-f', 'ipod', `file:${soundFile}`],
    ...[...map, '-c:a', 'pcm_s16le', '-ac', '1', '-ar', String(peakRate), ...limit, '-f', 's16le', 'pipe:1'],
    ...(cover === null
      ? []
      : ['-map', `0:${cover}`, '-c:v', 'copy', '-frames:v', '1', '-f', 'image2', '-update', '1', `file:${coverFile}`]),
  ]
}

async function verify(
  { runner, tools, newFolder, signal }: VideoWorkbench,
  { path, duration, account }: { path: string; duration: number; account: Account },
): Promise<void> {
  const facts = await probe({
    runner,
    ffprobe: tools.ffprobe,
    folder: await newFolder('verify'),
    path,
    size: Number.POSITIVE_INFINITY,
    signal,
  })
  expectOutput('AAC', facts.audio?.codec === 'aac' && facts.video === null)
  expectOutput('some sound', duration > 0 && (account.outputs.get(0)?.audio ?? 0) > 0)
  expectOutput('its duration', Math.abs((facts.duration ?? 0) - duration) < Math.max(0.5, duration * 0.02))
  expectOutput('index first', await startsFast(path))
}

/** The cover is a stranger's picture like any other: decoded by the picture process, never by ffmpeg. */
async function makePicture(
  workbench: VideoWorkbench,
  { cover, peaks }: Sound,
): Promise<MadePictures & { folder: string }> {
  const { pictures, settings, newFolder, signal } = workbench
  const folder = await newFolder('picture')
  const { maxPixels, pictureMemory: memory } = settings
  const order = { folder, memory, signal, wanted: 'thumbnail' as const, maxPixels, isSvg: false }
  const fromCover =
    cover === null ? null : await pictures.make({ ...order, source: { path: cover } }).catch(coverFailed)
  if (fromCover) return { ...fromCover, folder }
  const drawn = await pictures.make({ ...order, source: { bytes: drawWaveform(peaks) }, isSvg: true })
  return { ...drawn, folder, warnings: cover === null ? [] : ['cover_unreadable'] }
}

function coverFailed(error: unknown): null {
  if (codeOf(error) !== 'undecodable' && codeOf(error) !== 'too_many_pixels') throw error
  return null
}
