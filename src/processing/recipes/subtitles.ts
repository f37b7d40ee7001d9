import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../../media/errors.ts'
import { readCues } from '../gates/captions.ts'
import { decodersOf, decodersOfFile } from '../tools/codecs.ts'
import { anonymous, runFfmpeg } from '../tools/ffmpeg.ts'
import { readLeft } from '../tools/left.ts'
import type { SubtitleFacts } from '../tools/probe.ts'
import type { SubtitleFile } from './hls.ts'
import type { Output, VideoWorkbench } from './recipe.ts'

/** A track of text as a file of its own, and as a part of the stream. */
export interface MadeSubtitle {
  output: Output
  stream: SubtitleFile
}

export interface MadeSubtitles {
  tracks: MadeSubtitle[]
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
  const tracks: MadeSubtitle[] = []
  const names = new Set<string>()
  let skipped = readable.length < subtitles.length
  for (const [track, path] of await readTracks(workbench, readable)) {
    const text = path === null ? null : await tidyText(path, given.duration)
    if (path === null || text === null) skipped = true
    else if (text !== '') {
      const name = nameOf(track, names)
      names.add(name)
      tracks.push(await keep(workbench, { track, name, text, ...given }))
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

/** Cue by cue, and only what is well formed; null when it cannot be read, empty when nobody says anything. */
async function tidyText(path: string, duration: number): Promise<string | null> {
  const bytes = await readLeft(path, longestText).catch(() => null)
  if (bytes === null) return null
  const [, ...blocks] = bytes
    .toString('utf8')
    .replace(/\r\n?/g, '\n')
    .split(/\n{2,}/)
  const cues = blocks.flatMap((block) => readCues(`WEBVTT\n\n${block}`) ?? [])
  const heard = cues.filter((cue) => startOf(cue) < duration)
  return heard.length === 0 ? '' : `WEBVTT\n\n${heard.join('\n\n')}\n`
}

function startOf(cue: string): number {
  const [time = ''] = cue.split(' ')
  return time.split(':').reduce((sum, part) => sum * 60 + Number(part), 0)
}

/** `subtitles-en`, `subtitles-en-2`; by its place where nobody says the language. */
function nameOf({ language }: SubtitleFacts, taken: ReadonlySet<string>): string {
  const name = `subtitles-${language ?? taken.size + 1}`
  if (!taken.has(name)) return name
  let at = 2
  while (taken.has(`${name}-${at}`)) at++
  return `${name}-${at}`
}

/** Of text a single segment is long enough. */
async function keep(
  workbench: VideoWorkbench,
  given: { track: SubtitleFacts; name: string; text: string; duration: number },
): Promise<MadeSubtitle> {
  const { track, name, text, duration } = given
  const folder = await workbench.newFolder('text')
  const file = `${name}-00001.vtt`
  const path = join(folder, file)
  await writeFile(path, text)
  const { language, isDefault, forced } = track
  const segments = [{ file, seconds: duration, size: Buffer.byteLength(text) }]
  const none = { width: null, height: null, duration }
  return {
    output: { name, path, extension: '.vtt', content_type: 'text/vtt', ...none },
    stream: { name, init: null, segments, language, isDefault, forced, folder },
  }
}
