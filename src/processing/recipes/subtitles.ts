import { join } from 'node:path'
import { codeOf } from '../../media/errors.ts'
import { decodersOf, decodersOfFile } from '../tools/codecs.ts'
import { anonymous, runFfmpeg } from '../tools/ffmpeg.ts'
import { readLeft } from '../tools/left.ts'
import type { SubtitleFacts } from '../tools/probe.ts'
import type { VideoWorkbench } from './recipe.ts'
import { readCues, startOf, type TextTrack, writeTextTrack } from './text-track.ts'

export interface MadeSubtitles {
  tracks: TextTrack[]
  /** Whether there was more than could be made. */
  skipped: boolean
}

const trackLimit = 8
/** Bytes of a track; a long film has some hundred thousand. */
const longestText = 4 * 1024 ** 2

/**
 * Tracks of text become WebVTT. Whatever stands in them costs at most themselves, and of pictures of text nothing is made.
 * @throws MediaError only for a reason of ours
 */
export async function makeSubtitles(workbench: VideoWorkbench, given: { duration: number }): Promise<MadeSubtitles> {
  const { subtitles } = workbench.facts
  const readable = subtitles.filter(({ codec }) => decodersOf('subtitle', codec).length > 0).slice(0, trackLimit)
  const tracks: TextTrack[] = []
  const names = new Set<string>()
  let skipped = readable.length < subtitles.length
  for (const [track, path] of await readTracks(workbench, readable)) {
    const cues = path === null ? null : await readText(path, given.duration)
    if (cues === null) skipped = true
    else if (cues.length > 0) {
      const name = nameOf(track, names)
      names.add(name)
      tracks.push(await writeTextTrack(await workbench.newFolder('text'), { ...track, ...given, name, cues }))
    }
  }
  return { tracks, skipped }
}

/** All in one reading of the file; when that fails, each alone. */
async function readTracks(
  workbench: VideoWorkbench,
  tracks: readonly SubtitleFacts[],
): Promise<(readonly [SubtitleFacts, string | null])[]> {
  if (tracks.length === 0) return []
  const all = await readTogether(workbench, tracks)
  if (all) return all
  if (tracks.length === 1) return tracks.map((track) => [track, null] as const)
  const found: (readonly [SubtitleFacts, string | null])[] = []
  for (const track of tracks) found.push(...((await readTogether(workbench, [track])) ?? [[track, null] as const]))
  return found
}

/** Null when the file's text is to blame. */
async function readTogether(
  workbench: VideoWorkbench,
  tracks: readonly SubtitleFacts[],
): Promise<(readonly [SubtitleFacts, string])[] | null> {
  const { raw, runner, tools, settings, facts, newFolder, signal } = workbench
  const folder = await newFolder('subtitles')
  const fileOf = ({ index }: SubtitleFacts) => `${index}.vtt`
  try {
    await runFfmpeg({
      ...{ runner, ffmpeg: tools.ffmpeg, folder, path: raw.path, threads: 1, signal },
      decoders: decodersOfFile(facts),
      outputs: tracks.flatMap((track) => [
        ...['-map', `0:${track.index}`, ...anonymous.filter((one) => one !== '-sn'), '-c:s', 'webvtt'],
        ...['-t', String(settings.maxSeconds), '-f', 'webvtt', `file:${fileOf(track)}`],
      ]),
      limits: {
        memory: settings.videoMemory * 1024 ** 2,
        seconds: 60 + raw.size / 5_000_000 + (facts.duration ?? 0) / 60,
        fileBytes: longestText,
        fewAddresses: true,
        niceness: 19,
      },
    })
    return tracks.map((track) => [track, join(folder, fileOf(track))] as const)
  } catch (error) {
    const theirs = ['undecodable', 'output_too_large', 'memory_exceeded', 'deadline_exceeded', 'tool_crashed']
    if (signal.aborted || !theirs.includes(codeOf(error))) throw error
    return null
  }
}

/** Cue by cue, and only what is well formed; null when it cannot be read, none when nobody says anything. */
async function readText(path: string, duration: number): Promise<string[] | null> {
  const bytes = await readLeft(path, longestText).catch(() => null)
  if (bytes === null) return null
  const [, ...blocks] = bytes
    .toString('utf8')
    .replace(/\r\n?/g, '\n')
    .split(/\n{2,}/)
  const cues = blocks.flatMap((block) => readCues(`WEBVTT\n\n${block}`) ?? [])
  return cues.filter((cue) => startOf(cue) < duration)
}

/** `subtitles-en`, `subtitles-en-2`; by its place where nobody says the language. */
function nameOf({ language }: SubtitleFacts, taken: ReadonlySet<string>): string {
  const name = `subtitles-${language ?? taken.size + 1}`
  if (!taken.has(name)) return name
  let at = 2
  while (taken.has(`${name}-${at}`)) at++
  return `${name}-${at}`
}
