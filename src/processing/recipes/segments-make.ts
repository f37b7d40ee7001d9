import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { decodersOfFile } from '../tools/codecs.ts'
import { runFfmpeg } from '../tools/ffmpeg.ts'
import type { Tools } from '../tools/find.ts'
import type { Shelf, Workbench } from './recipe.ts'
import { alsoRead, cutFile, notAsPlanned, pieceFile, windowFile } from './segments-cut.ts'
import type { CutWindow, FilmCut, WindowPlan } from './segments-plan.ts'
import { readPiece } from './segments-stream.ts'
import { judgeDecoding } from './verify.ts'
import { encoded, ending, soundArgs } from './video-command.ts'
import { videoFilters } from './video-filters.ts'
import type { VideoPlan } from './video-plan.ts'
import { secondsFor } from './video-run.ts'

export const soundOfFilm = 'sound.mp4'

export function streamFile(rung: string): string {
  return `${rung}.mp4`
}

/** What making a segment takes; the source's bytes only for the sound. */
export interface SegmentBench
  extends Pick<Workbench, 'runner' | 'settings' | 'newFolder' | 'threads' | 'signal' | 'onProgress'> {
  tools: Tools
  /** Brings the source, and resolves with its path. */
  bringSource: () => Promise<string>
}

/** What was laid there when the film was cut. */
export async function readCut(bench: Pick<Workbench, 'newFolder'>, shelf: Shelf): Promise<FilmCut> {
  const path = join(await bench.newFolder('film'), cutFile)
  await shelf.bring(cutFile, path)
  return JSON.parse(await readFile(path, 'utf8')) as FilmCut
}

/**
 * Makes the nth segment of a film: a window in all sizes, or all of its sound. What it has made lies in `to`.
 * @throws MediaError `output_mismatch` when it would not fit the others
 */
export async function makeSegment(bench: SegmentBench, n: number, { from, to }: { from: Shelf; to: Shelf }) {
  const cut = await readCut(bench, from)
  if (n === cut.windows) return await makeSound(bench, cut, to)
  const folder = await bench.newFolder('piece')
  for (const file of [pieceFile(n), windowFile(n)]) await from.bring(file, join(folder, file))
  const window = JSON.parse(await readFile(join(folder, windowFile(n)), 'utf8')) as CutWindow
  const made = await encodeWindow(bench, { cut, window, path: join(folder, pieceFile(n)) })
  for (const { name } of cut.plan.rungs) await to.put(streamFile(name), join(made, streamFile(name)))
}

/** All sizes of a window, from one decoding. */
async function encodeWindow(
  bench: SegmentBench,
  { cut, window, path }: { cut: FilmCut; window: CutWindow; path: string },
): Promise<string> {
  const { runner, tools, settings, newFolder, threads, signal, onProgress } = bench
  const plan = planOfWindow(cut, window)
  const folder = await newFolder('window')
  const given = { preset: cut.preset, threads, maxSeconds: settings.maxSeconds }
  const begins = window.shownFrom / 90_000
  const account = await runFfmpeg({
    ...{ runner, ffmpeg: tools.ffmpeg, folder, path, decoders: decodersOfFile(cut.facts), threads, signal },
    outputs: [
      ...['-filter_complex', videoFilters(plan, window)],
      ...plan.rungs.flatMap((rung) => [
        ...[...encoded(plan, rung, given), '-an', ...ending(given), '-bsf:v', timesOf(window)],
        ...['-avoid_negative_ts', 'disabled', '-f', 'mp4', ...fragments, `file:${streamFile(rung.name)}`],
      ]),
    ],
    limits: limitsFor(bench, secondsFor(plan, 0, settings.maxSeconds)),
    onTime: (seconds) => onProgress(Math.min(1, Math.max(0, (seconds - begins) / (plan.duration ?? 1)))),
  })
  if (judgeDecoding({ account, stream: 0 }).warnings.length > 0) throw notAsPlanned('its source is damaged')
  for (const { name } of plan.rungs) await checkStream(join(folder, streamFile(name)), window)
  return folder
}

/** A segment of the stream begins at each second key frame, and its head is written when its first frames are known. */
const fragments = [
  ...['-movflags', '+frag_keyframe+delay_moov+default_base_moof+skip_trailer', '-min_frag_duration', '3000000'],
]

/** Nothing but streams, of a source that holds only this window. */
function planOfWindow({ plan }: FilmCut, { shown }: WindowPlan): VideoPlan {
  const nothing = { mp4: false, sounds: [], audio: false, storyboard: null, preview: null }
  return { ...plan, ...nothing, video: { ...plan.video, index: 0 }, duration: (shown.at(-1) ?? 0) / 90_000 + 2 }
}

/**
 * The encoder does not know of the frames before and after: its first packets would be decoded too early or too late for
 * those of the window before, and its last would last for a guess.
 */
function timesOf({ shownFrom, shown, decoded, lastLasts }: WindowPlan): string {
  const own = `DTS-${shownFrom}`
  const dts = (decoded ?? []).reduceRight((then, time, nth) => `if(eq(N,${nth}),${time},${then})`, own)
  const lasts = lastLasts === null ? 'DURATION' : `if(eq(N,${shown.length - 1}),${lastLasts},DURATION)`
  const options = { pts: `PTS-${shownFrom}`, dts, duration: lasts }
  return `setts=${Object.entries(options)
    .map(([name, value]) => `${name}='${value}'`)
    .join(':')}`
}

/** Each frame of the window is there, once, and shown when it is to be. */
async function checkStream(path: string, window: WindowPlan): Promise<void> {
  const { shown, lasts } = await readPiece(path)
  const expected = window.shown
  const differs =
    shown.length !== expected.length || shown.some((time, at) => time !== (expected[at] ?? 0) + window.lead)
  if (differs) throw notAsPlanned(`${shown.length} frames of ${expected.length}`)
  if (window.lasts !== null && lasts !== window.lasts) throw notAsPlanned(`${lasts} ticks of ${window.lasts}`)
}

/** All tracks, as the film's and its streams' are: they are only copied later. */
async function makeSound(bench: SegmentBench, { plan, facts }: FilmCut, to: Shelf): Promise<void> {
  const { runner, tools, settings, newFolder, threads, signal, onProgress, bringSource } = bench
  const path = await bringSource()
  const folder = await newFolder('sound')
  const maxSeconds = settings.maxSeconds
  await runFfmpeg({
    ...{ runner, ffmpeg: tools.ffmpeg, folder, path, decoders: decodersOfFile(facts), threads, signal },
    outputs: [
      ...['-vn', ...soundArgs(plan), ...ending({ preset: '', threads, maxSeconds })],
      ...['-f', 'mp4', `file:${soundOfFilm}`],
      ...alsoRead([plan.video]),
    ],
    limits: limitsFor(bench, 120 + (plan.duration ?? 0) * plan.sounds.length),
    onTime: (seconds) => onProgress(Math.min(1, seconds / (plan.duration ?? 1))),
  })
  await to.put(soundOfFilm, join(folder, soundOfFilm))
}

function limitsFor({ settings }: SegmentBench, seconds: number) {
  return {
    memory: settings.videoMemory * 1024 ** 2,
    seconds,
    fileBytes: settings.outputMegabytes * 1024 ** 2,
    fewAddresses: true,
    niceness: 19,
  }
}
