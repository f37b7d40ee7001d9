import { appendFile, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MediaError } from '../../media/errors.ts'
import { readLeft } from '../tools/left.ts'
import { type Init, readInit, readSegment, type Segment } from './fragments.ts'
import type { RungPlan } from './ladder.ts'
import {
  averageBitrate,
  masterPlaylist,
  mediaPlaylist,
  type Sound,
  type StreamTrack,
  type Subtitle,
  secondsOf,
  type Variant,
  withSubtitles,
} from './playlists.ts'
import type { Beside, Output } from './recipe.ts'
import { expectOutput } from './verify.ts'

/** A stream's files as ffmpeg left them. */
export interface MadeStream {
  folder: string
  /** Packets written into it, by ffmpeg's account. */
  packets: number
}

export interface StreamParts {
  rungs: (MadeStream & { rung: RungPlan; copied: boolean })[]
  sounds: { folder: string; name: string; language: string | null }[]
  subtitles: SubtitleFile[]
}

/** A track of text whose segments lie in a folder. */
export type SubtitleFile = Subtitle & { folder: string }

/** Of a copy, whose segments begin where the source has its key frames. Seconds. */
const longestCopied = 10.5
/** Seconds. */
const shortestTail = 0.5
/** Bytes that one can have. */
const longestTail = 64 * 1024 ** 2
/** A smaller size that takes this share of the bits of the one above gains nobody anything. */
const noBetter = 0.9

export const playlistType = 'application/vnd.apple.mpegurl'

/**
 * Looks into what ffmpeg has written, writes the playlists, and names the files that belong to the stream. A size is
 * left out when it takes as many bits as the one above it.
 * @throws MediaError `output_mismatch` when a stream is not what was to be made
 */
export async function assembleHls(parts: StreamParts, given: { folder: string; duration: number }): Promise<Output> {
  const kept: { files: Beside[]; playlist: Beside }[] = []
  const keep = async (track: StreamTrack, folder: string) => void kept.push(await keepTrack(track, folder))

  const variants = await readVariants(parts.rungs)
  for (const { variant, folder } of variants) await keep(variant, folder)
  const sounds: Sound[] = []
  for (const [at, { folder, name, language }] of parts.sounds.entries()) {
    const { track, init } = await readTrack(folder, name)
    await keep(track, folder)
    sounds.push({ ...track, codec: init.codec, channels: init.channels ?? 2, language, isDefault: at === 0 })
  }
  for (const { folder, ...subtitle } of parts.subtitles) await keep(subtitle, folder)

  const path = join(given.folder, 'master.m3u8')
  const { subtitles } = parts
  await writeFile(
    path,
    masterPlaylist({ variants: startingWell(variants.map(({ variant }) => variant)), sounds, subtitles }),
  )
  const [tallest] = variants
  return {
    ...{ name: 'hls', path, extension: '.m3u8', key: 'hls/master.m3u8', content_type: playlistType },
    beside: [...kept.flatMap(({ files }) => files), ...kept.map(({ playlist }) => playlist)],
    width: tallest?.variant.width ?? null,
    height: tallest?.variant.height ?? null,
    duration: given.duration,
  }
}

/** Writes a track's playlist beside its segments, and names them all as parts of the stream. */
async function keepTrack(track: StreamTrack, folder: string): Promise<{ files: Beside[]; playlist: Beside }> {
  const path = join(folder, `${track.name}.m3u8`)
  await writeFile(path, mediaPlaylist(track))
  const content_type = track.init === null ? 'text/vtt' : 'video/mp4'
  const names = [...(track.init === null ? [] : [track.init]), ...track.segments.map(({ file }) => file)]
  return {
    files: names.map((file) => ({ path: join(folder, file), key: `hls/${file}`, content_type })),
    playlist: { path, key: `hls/${track.name}.m3u8`, content_type: playlistType },
  }
}

/** Text that came when the stream had been made becomes a part of it, so that every player offers it. */
export async function addSubtitles(stream: Output, tracks: readonly SubtitleFile[]): Promise<Output> {
  if (tracks.length === 0) return stream
  const beside = [...(stream.beside ?? [])]
  for (const { folder, ...track } of tracks) {
    const { files, playlist } = await keepTrack(track, folder)
    beside.push(...files, playlist)
  }
  await writeFile(stream.path, withSubtitles(await readFile(stream.path, 'utf8'), tracks))
  return { ...stream, beside }
}

/** Those that are worth it, tallest first. */
async function readVariants(rungs: StreamParts['rungs']): Promise<{ variant: Variant; folder: string }[]> {
  const kept: { variant: Variant; folder: string }[] = []
  for (const { rung, folder, packets, copied } of rungs) {
    const { track, init, segments } = await readTrack(folder, rung.name)
    const samples = segments.reduce((sum, one) => sum + one.samples, 0)
    expectOutput('all frames in segments', samples === packets)
    expectOutput(
      'segments that stand alone',
      segments.every(({ independent }) => independent),
    )
    expectOutput('short segments', !copied || track.segments.every(({ seconds }) => seconds <= longestCopied))
    const above = kept.at(-1)?.variant
    if (above && averageBitrate(track.segments) >= noBetter * averageBitrate(above.segments)) continue
    const { width, height } = rung.size
    kept.push({ variant: { ...track, codec: init.codec, width, height, rate: rateOf(segments, init) }, folder })
  }
  return kept
}

/** Of a whole second at least, as the time of a single frame says little where times are uneven. */
function rateOf(segments: readonly Segment[], { timescale }: Init): number {
  const long = segments.filter(({ duration }) => duration >= timescale)
  const rates = (long.length > 0 ? long : segments).map(
    ({ samples, duration }) => (samples * timescale) / Math.max(1, duration),
  )
  return rates.reduce((most, rate) => Math.max(most, rate), 0)
}

/** Players begin with the first: neither the largest nor the worst. */
function startingWell(variants: readonly Variant[]): Variant[] {
  const first =
    ['720p', '540p'].map((name) => variants.find((one) => one.name === name)).find((one) => one) ?? variants[0]
  return first ? [first, ...variants.filter((one) => one !== first)] : []
}

interface ReadTrack {
  track: StreamTrack
  init: Init
  segments: Segment[]
}

async function readTrack(folder: string, name: string): Promise<ReadTrack> {
  const file = `${name}-init.mp4`
  const init = await readInit(join(folder, file))
  await writeFile(join(folder, file), init.bytes)
  const form = new RegExp(`^${name}-\\d{5,}\\.m4s$`)
  const names = (await readdir(folder)).filter((one) => form.test(one)).sort(byNumber)
  const segments: Segment[] = []
  for (const one of names) segments.push(await readSegment(join(folder, one)))
  await joinTail({ folder, names, segments, timescale: init.timescale })
  expectOutput('segments that follow one another', follow(segments))
  const timed = segments.map(({ size, duration }, at) => ({
    file: names[at] ?? '',
    seconds: duration / init.timescale,
    size,
  }))
  if (secondsOf(timed) <= 0) throw new MediaError('output_mismatch', `the stream ${name} has no length`)
  return { track: { name, init: file, segments: timed }, init, segments }
}

/** Players that have no whole frame of the last segment to show wait for it for ever: a tail goes to the one before. */
async function joinTail(track: { folder: string; names: string[]; segments: Segment[]; timescale: number }) {
  const { folder, names, segments, timescale } = track
  const [before, last] = segments.slice(-2)
  if (!before || !last || last.duration >= shortestTail * timescale) return
  const [into = '', from = ''] = names.slice(-2).map((name) => join(folder, name))
  await appendFile(into, await readLeft(from, longestTail))
  await rm(from)
  before.size += last.size
  before.duration += last.duration
  before.samples += last.samples
  segments.pop()
  names.pop()
}

function follow(segments: readonly Segment[]): boolean {
  return segments.every(({ start }, at) => {
    const before = segments[at - 1]
    return before ? start === before.start + before.duration : start === 0
  })
}

/** After 99 999 segments numbers have more digits. */
function byNumber(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : 1)
}
