import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { decodersOfFile } from '../tools/codecs.ts'
import { type Account, runFfmpeg } from '../tools/ffmpeg.ts'
import { inputLists } from '../tools/probe.ts'
import type { Shelf, VideoWorkbench } from './recipe.ts'
import { notAsPlanned } from './segments-cut.ts'
import { readCut, soundOfFilm, streamFile } from './segments-make.ts'
import type { FilmCut } from './segments-plan.ts'
import { joinStream } from './segments-stream.ts'
import { collectMoments } from './storyboard.ts'
import { ending, extras, outputOf, stills, teed } from './video-command.ts'
import { videoFilters } from './video-filters.ts'
import type { VideoPlan } from './video-plan.ts'
import type { RunOfVideo } from './video-run.ts'

/** What the segments of a film have made: of each its own. */
export interface MadeSegments {
  film: Shelf
  segments: readonly Shelf[]
}

/**
 * Puts a film together from its segments: the same files as one run over the source leaves, without encoding anything.
 * @throws MediaError `output_mismatch` when they do not fit, `not_found` when one is gone
 */
export async function joinFilm(
  workbench: VideoWorkbench,
  { film, segments }: MadeSegments,
): Promise<{ run: RunOfVideo; notes: string[] }> {
  const cut = await readCut(workbench, film)
  const { plan, windows, notes } = cut
  const hasSound = plan.sounds.length > 0
  if (segments.length !== windows + (hasSound ? 1 : 0)) throw notAsPlanned(`${segments.length} segments`)
  const folder = await workbench.newFolder('join')
  const whole = join(await workbench.newFolder('whole'), 'film.mp4')
  for (const { name, isMain } of plan.rungs) {
    await joinRung({ folder, name, whole: isMain ? whole : null }, segments.slice(0, windows))
  }
  if (hasSound) await segments[windows]?.bring(soundOfFilm, join(folder, soundOfFilm))
  const { moments, add } = collectMoments()
  const account = await finishFilm(workbench, { cut, folder, whole, onLine: add })
  await rm(whole)
  return { run: { plan, folder, account: accountOf(cut, account), moments, warnings: [] }, notes }
}

async function joinRung(
  { folder, name, whole }: { folder: string; name: string; whole: string | null },
  segments: readonly Shelf[],
): Promise<void> {
  const stream = await joinStream(folder, name, whole)
  const path = join(folder, streamFile(`next-${name}`))
  try {
    for (const segment of segments) {
      await segment.bring(streamFile(name), path)
      await stream.add(path)
      await rm(path)
    }
  } finally {
    await stream.close()
  }
}

/** The MP4 and all sound by copying; stills, the storyboard and the preview from the film's key frames, two seconds apart. */
async function finishFilm(
  { runner, tools, settings, threads, signal, onProgress }: VideoWorkbench,
  { cut, folder, whole, onLine }: { cut: FilmCut; folder: string; whole: string; onLine: (line: string) => void },
): Promise<Account> {
  const { sounds, duration } = cut.plan
  const plan = planOfStills(cut.plan)
  const decoders = [...decodersOfFile({ video: { codec: 'h264' }, sounds: [], subtitles: [] }), 'aac']
  const given = { preset: '', threads, maxSeconds: settings.maxSeconds }
  const picture = ['-map', '0:0', '-c:v', 'copy']
  const sound = sounds.length === 0 ? ['-an'] : ['-map', '1:a', '-c:a', 'copy']
  return await runFfmpeg({
    ...{ runner, ffmpeg: tools.ffmpeg, folder, path: whole, decoders, threads, signal, onLine },
    inputOptions: ['-skip_frame', 'nokey'],
    outputs: [
      ...(sounds.length === 0 ? [] : [...inputLists('aac'), '-i', `file:${soundOfFilm}`]),
      ...['-filter_complex', videoFilters(plan)],
      ...teed([...picture, ...sound, ...ending(given)], plan, null),
      ...[...stills(), ...extras(plan)].flat(),
    ],
    limits: {
      memory: settings.videoMemory * 1024 ** 2,
      seconds: 300 + (duration ?? 0),
      fileBytes: settings.outputMegabytes * 1024 ** 2,
      fewAddresses: true,
      niceness: 19,
    },
    onTime: (seconds) => onProgress(0.9 * Math.min(1, seconds / (duration ?? 1))),
  })
}

/** The film as a source of stills: already upright, in its size and in our colours. */
function planOfStills(plan: VideoPlan): VideoPlan {
  const video = { ...plan.video, index: 0, interlaced: false }
  return { ...plan, how: 'remux', video, rungs: [], copied: null, toneMap: false, onlyKeyFrames: true }
}

/** As of one run that made all of it. */
function accountOf({ plan, frames }: FilmCut, finished: Account): Account {
  const outputs = new Map(plan.rungs.map(({ name }) => [outputOf(plan, name), { video: frames, audio: 0 }]))
  outputs.set(0, { video: frames, audio: finished.outputs.get(0)?.audio ?? 0 })
  return { ...finished, inputs: new Map([[plan.video.index, { packets: frames, frames, samples: 0 }]]), outputs }
}
