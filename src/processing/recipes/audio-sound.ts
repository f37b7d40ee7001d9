import { join } from 'node:path'
import { codeOf } from '../../media/errors.ts'
import type { AudioProfile } from '../audio-profile.ts'
import { anonymous } from '../tools/ffmpeg.ts'
import { type AudioFacts, probe } from '../tools/probe.ts'
import { type Heard, listen } from './audio-listen.ts'
import { evenly, lengthOf, peakOutput, runOver } from './audio-run.ts'
import { readTags, type Tags, tagOptions } from './audio-tags.ts'
import { gainFilters } from './loudness.ts'
import type { VideoWorkbench } from './recipe.ts'
import { expectOutput, judgeDecoding, startsFast } from './verify.ts'
import { isPlainAac } from './video-plan.ts'
import { collectPeaks, type Peaks } from './waveform.ts'

/** What became of a sound. */
export interface Sound {
  m4a: string
  opus: string | null
  /** Copied out as it came; null when there is none. */
  cover: string | null
  /** Of what is heard. */
  peaks: Peaks
  /** Seconds. */
  duration: number
  warnings: string[]
}

const m4aFile = 'audio.m4a'
const opusFile = 'audio.opus'

/** Listens to all of it first, then makes it, as loud as is wanted. */
export async function makeSound(workbench: VideoWorkbench, audio: AudioFacts, profile: AudioProfile): Promise<Sound> {
  const { tools, facts } = workbench
  const able = tools.canOpus ? profile : { ...profile, opus: null }
  const late = (audio.start ?? facts.start) - facts.start > 0.05
  const plain = { audio, profile: able, guarded: false, late }
  const [tags, heard] = await Promise.all([readTags(workbench, audio.index), listen(workbench, plain)])
  const made = await make(workbench, heard, tags).catch(async (error) => {
    if (codeOf(error) !== 'undecodable' || heard.track.guarded) throw error
    // What can be heard and not be coded may hold samples that are no numbers.
    return await make(workbench, await listen(workbench, { ...plain, guarded: true }), tags)
  })
  const skipped = profile.opus && !tools.canOpus ? ['opus_skipped'] : []
  return { ...made, cover: heard.cover, warnings: [...new Set([...heard.warnings, ...made.warnings, ...skipped])] }
}

type Coded = Omit<Sound, 'cover'>

/** A copy first, where that will do: an undamaged source that is as loud as is wanted. */
async function make(workbench: VideoWorkbench, heard: Heard, tags: Tags): Promise<Coded> {
  const { audio } = heard.track
  const { gain, warnings } = heard
  const asLoud = gain.decibels === 0 && !gain.limited
  const common = isPlainAac(audio) && [44_100, 48_000].includes(audio.sampleRate)
  if (asLoud && common && warnings.length === 0 && workbench.facts.container.startsWith('mov')) {
    const copy = await code(workbench, { heard, tags, copy: true }).catch((error) => {
      if (codeOf(error) !== 'undecodable' && codeOf(error) !== 'output_mismatch') throw error
      return null
    })
    if (copy && copy.warnings.length === 0) return copy
  }
  return await code(workbench, { heard, tags, copy: false })
}

interface Coding {
  heard: Heard
  tags: Tags
  copy: boolean
}

async function code(workbench: VideoWorkbench, given: Coding): Promise<Coded> {
  const { newFolder, settings } = workbench
  const { heard, copy } = given
  const { track } = heard
  const folder = await newFolder(copy ? 'remux' : 'encode')
  const peaks = collectPeaks()
  const account = await runOver(workbench, track.audio, {
    folder,
    outputs: codedOutputs(given, settings.maxSeconds),
    duration: heard.duration,
    progress: [0.6, 0.9],
    onOutput: peaks.add,
  })
  const { warnings } = judgeDecoding({ account, stream: track.audio.index })
  const duration = lengthOf(peaks, settings.maxSeconds)
  const m4a = join(folder, m4aFile)
  const opus = track.profile.opus ? join(folder, opusFile) : null
  expectOutput('some sound', duration > 0 && (account.outputs.get(0)?.audio ?? 0) > 0)
  await Promise.all([
    verify(workbench, { path: m4a, codec: 'aac', duration }),
    ...(opus ? [verify(workbench, { path: opus, codec: 'opus', duration })] : []),
  ])
  expectOutput('index first', await startsFast(m4a))
  return { m4a, opus, peaks, duration, warnings }
}

/** The M4A, the Opus and the samples for the waveform, all from one decoding. */
function codedOutputs({ heard, tags, copy }: Coding, maxSeconds: number): string[] {
  const { audio, profile } = heard.track
  const limit = ['-t', String(maxSeconds)]
  const ending = [...anonymous, ...tagOptions(tags), ...limit]
  const bits = (most: number) => ['-b:a', String(Math.round(audio.channels === 1 ? most * 0.6 : most))]
  const { aac, opus } = profile
  const labels = [...(copy ? [] : ['[aac]']), ...(opus ? ['[opus]'] : []), '[peaks]']
  const filters = [...evenly(heard.track), ...gainFilters(heard.gain, profile), `asplit=${labels.length}`]
  const sound = copy ? [`0:${audio.index}`, '-c:a', 'copy'] : ['[aac]', '-c:a', 'aac', ...bits(aac.bitrate)]
  return [
    ...['-filter_complex', `[0:${audio.index}]${filters.join(',')}${labels.join('')}`],
    ...['-map', ...sound, ...ending, '-movflags', '+faststart', '-f', 'ipod', `file:${m4aFile}`],
    ...(opus
      ? ['-map', '[opus]', '-c:a', 'libopus', ...bits(opus.bitrate), ...ending, '-f', 'ogg', `file:${opusFile}`]
      : []),
    ...['-map', '[peaks]', ...peakOutput(maxSeconds)],
  ]
}

async function verify(
  { runner, tools, newFolder, signal }: VideoWorkbench,
  { path, codec, duration }: { path: string; codec: string; duration: number },
): Promise<void> {
  const folder = await newFolder('verify')
  const looking = { runner, ffprobe: tools.ffprobe, folder, path, size: Number.POSITIVE_INFINITY, signal }
  const facts = await probe(looking)
  expectOutput(codec, facts.audio?.codec === codec && facts.video === null)
  expectOutput('its duration', Math.abs((facts.duration ?? 0) - duration) < Math.max(0.5, duration * 0.02))
}
