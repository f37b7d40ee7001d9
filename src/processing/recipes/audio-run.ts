import { MediaError } from '../../media/errors.ts'
import type { AudioProfile } from '../audio-profile.ts'
import { decodersOf } from '../tools/codecs.ts'
import { type Account, runFfmpeg } from '../tools/ffmpeg.ts'
import type { AudioFacts } from '../tools/probe.ts'
import { shareOf } from './progress.ts'
import type { VideoWorkbench } from './recipe.ts'
import { type Peaks, peakRate } from './waveform.ts'

/** What all runs over one sound have in common. */
export interface Track {
  audio: AudioFacts
  profile: AudioProfile
  /** Whether samples are looked at one by one: those of some files are no numbers. */
  guarded: boolean
  /** Whether it begins later than its file. */
  late: boolean
}

/** Samples for the waveform, and the measure of how long it lasts. */
export function peakOutput(maxSeconds: number): string[] {
  return ['-c:a', 'pcm_s16le', '-ac', '1', '-ar', String(peakRate), '-t', String(maxSeconds), '-f', 's16le', 'pipe:1']
}

/** Channels from which a track is one of many instruments rather than of a room. */
const mostPlaces = 8

/** What is no number becomes silence, and what is beyond full scale is cut off there. */
const onlyNumbers = "aeval='if(isnan(val(ch)),0,clip(val(ch),-1,1))':c=same"

/** Mono or stereo at 48 kHz, without a hole: what is missing is silence. */
export function evenly({ audio, guarded, late }: Omit<Track, 'profile'>): string[] {
  const layout = audio.channels === 1 ? 'mono' : 'stereo'
  return [
    ...(guarded ? [onlyNumbers] : []),
    ...(audio.channels > mostPlaces ? ['pan=stereo|c0=c0|c1=c1'] : []),
    `aformat=sample_fmts=fltp:sample_rates=48000:channel_layouts=${layout}`,
    // Where a stream changes its form midway, a new one of these begins: it must not fill up what was before.
    late ? 'aresample=async=1:first_pts=0' : 'aresample=async=1',
  ]
}

interface Run {
  folder: string
  outputs: string[]
  /** Seconds, where they have been measured. */
  duration: number | null
  /** Which part of the recipe's work it is, 0–1. */
  progress: [from: number, to: number]
  onLine?: (line: string) => void
  onOutput: (chunk: Buffer) => void
}

/** Runs ffmpeg over a sound. @throws MediaError what `runFfmpeg` throws */
export async function runOver(workbench: VideoWorkbench, audio: AudioFacts, given: Run): Promise<Account> {
  const { facts, raw, runner, tools, settings, threads, signal, onProgress } = workbench
  const { progress, duration = facts.duration, ...rest } = given
  const [from, to] = progress
  return await runFfmpeg({
    ...{ ...rest, runner, ffmpeg: tools.ffmpeg, path: raw.path, threads, signal },
    decoders: decodersOf('audio', audio.codec),
    limits: {
      memory: settings.videoMemory * 1024 ** 2,
      seconds: 120 + Math.min(settings.maxSeconds, duration ?? facts.duration ?? raw.size / 500),
      fileBytes: settings.outputMegabytes * 1024 ** 2,
      fewAddresses: true,
      niceness: 19,
    },
    onTime: (seconds) => onProgress(from + (to - from) * shareOf(seconds, duration ?? facts.duration)),
  })
}

/** Seconds. @throws MediaError `too_long` */
export function lengthOf(peaks: Peaks, maxSeconds: number): number {
  const seconds = Math.round(peaks.seconds() * 1000) / 1000
  if (seconds >= maxSeconds) throw new MediaError('too_long', `lasts ${seconds} s`)
  return seconds
}
