import { join } from 'node:path'
import { evenly, lengthOf, peakOutput, runOver, type Track } from './audio-run.ts'
import {
  closeEnough,
  collectLoudness,
  type Gain,
  gainFilters,
  type Loudness,
  loudnessMeter,
  missing,
  planGain,
} from './loudness.ts'
import type { VideoWorkbench } from './recipe.ts'
import { judgeDecoding } from './verify.ts'
import { collectPeaks, type Peaks } from './waveform.ts'

const coverFile = 'cover'

/** What listening to all of a sound tells. */
export interface Heard {
  /** As it had to be taken. */
  track: Track
  cover: string | null
  peaks: Peaks
  duration: number
  gain: Gain
  warnings: string[]
}

/** Passes over a sound whose peaks are limited until it is as loud as is wanted: most need one. */
const mostRounds = 3

/** One pass, and more where peaks are in the way of loudness. */
export async function listen(workbench: VideoWorkbench, track: Track): Promise<Heard> {
  const { facts, newFolder } = workbench
  const { profile } = track
  const folder = await newFolder('listen')
  const source = await measure(workbench, track, {
    folder,
    filters: [],
    cover: facts.cover?.index ?? null,
    progress: [0, 0.3],
  })
  const { duration, peaks, warnings } = source
  if (source.loudness.broken && !track.guarded) return await listen(workbench, { ...track, guarded: true })
  let gain = planGain(source.loudness, duration, profile)
  for (let round = 0; gain.limited && round < mostRounds; round++) {
    const given = { folder: await newFolder('limit'), filters: gainFilters(gain, profile), cover: null }
    const from = 0.3 + 0.1 * round
    const { loudness } = await measure(workbench, track, { ...given, duration, progress: [from, from + 0.1] })
    const more = missing(loudness, gain, source.loudness, profile)
    if (more <= closeEnough) break
    gain = { ...gain, decibels: gain.decibels + more }
  }
  return { track, cover: facts.cover ? join(folder, coverFile) : null, peaks, duration, gain, warnings }
}

/** One run without a file of sound: what is heard after `filters`, and the cover as it lies in the source. */
async function measure(
  workbench: VideoWorkbench,
  track: Track,
  given: { folder: string; filters: string[]; cover: number | null; duration?: number; progress: [number, number] },
): Promise<{ loudness: Loudness; peaks: Peaks; duration: number; warnings: string[] }> {
  const { maxSeconds } = workbench.settings
  const { folder, filters, cover, progress } = given
  const loudness = collectLoudness()
  const peaks = collectPeaks()
  const graph = [...evenly(track), ...filters, loudnessMeter].join(',')
  const picture = ['-c:v', 'copy', '-frames:v', '1', '-f', 'image2', '-update', '1', `file:${coverFile}`]
  const account = await runOver(workbench, track.audio, {
    folder,
    outputs: [
      ...['-map', `0:${track.audio.index}`, '-filter:a', graph, ...peakOutput(maxSeconds)],
      ...(cover === null ? [] : ['-map', `0:${cover}`, ...picture]),
    ],
    duration: given.duration ?? null,
    progress,
    onLine: loudness.add,
    onOutput: peaks.add,
  })
  const { warnings } = judgeDecoding({ account, stream: track.audio.index })
  return { loudness: loudness.read(), peaks, duration: lengthOf(peaks, maxSeconds), warnings }
}
