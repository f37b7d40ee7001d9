import { join } from 'node:path'
import { codeOf, type ErrorCode } from '../../media/errors.ts'
import { assembleHls, type StreamParts } from './hls.ts'
import { makePreview } from './preview.ts'
import type { Output, VideoWorkbench } from './recipe.ts'
import { makeStoryboard } from './storyboard.ts'
import { makeSubtitles } from './subtitles.ts'
import type { TextTrack } from './text-track.ts'
import { expectOutput, secondsOf, startsFast } from './verify.ts'
import { outputOf, soundFile, soundName } from './video-command.ts'
import type { RunOfVideo } from './video-run.ts'

/** What a film can be played without. */
export interface Extras {
  outputs: Output[]
  /** One for each that was to be made and could not be. */
  warnings: string[]
}

interface Making {
  /** Seconds the film lasts. */
  duration: number
  /** The run that made the film. */
  first: RunOfVideo
  /** All runs whose streams belong together, the rest of which are made now. */
  streams: () => Promise<RunOfVideo[]>
  /** The same without a copy of the source; null where there is none. */
  anew: (() => Promise<RunOfVideo[]>) | null
}

/** Not the file's fault: the whole attempt ends, and is made again. */
export const ours: readonly ErrorCode[] = ['lease_lost', 'interrupted', 'storage_full', 'unavailable', 'tool_missing']

export async function makeExtras(workbench: VideoWorkbench, making: Making): Promise<Extras> {
  const { signal } = workbench
  const { first, duration } = making
  const { storyboard, preview, audio, sounds, hls } = first.plan
  const { folder, moments } = first
  const extras: Extras = { outputs: [], warnings: [] }

  async function attempt(name: string, make: () => Promise<Output[]>): Promise<void> {
    try {
      extras.outputs.push(...(await make()))
    } catch (error) {
      if (signal.aborted || ours.includes(codeOf(error))) throw error
      extras.warnings.push(`${name}_skipped`)
    }
  }

  if (storyboard)
    await attempt('storyboard', () => makeStoryboard(workbench, storyboard, { folder, moments, duration }))
  if (preview) await attempt('preview', async () => [await makePreview(workbench, preview, folder)])
  if (audio && sounds.length > 0) await attempt('audio', () => describeSound(first))
  const subtitles = await makeSubtitles(workbench, { duration })
  extras.outputs.push(...subtitles.tracks.map(({ output }) => output))
  if (subtitles.skipped) extras.warnings.push('subtitles_skipped')
  if (hls) await attempt('hls', async () => [await makeStream(workbench, making, subtitles.tracks)])
  return extras
}

/** It may begin later than the film, or end before. */
async function describeSound({ folder }: RunOfVideo): Promise<Output[]> {
  const path = join(folder, soundFile)
  expectOutput('sound alone, index first', await startsFast(path))
  const none = { width: null, height: null }
  return [
    { name: 'audio', path, extension: '.m4a', content_type: 'audio/mp4', ...none, duration: await secondsOf(path) },
  ]
}

/** A source whose key frames lie where no stream can begin is copied as an MP4 and encoded as a stream. */
async function makeStream(
  workbench: VideoWorkbench,
  { first, duration, streams, anew }: Making,
  subtitles: readonly TextTrack[],
): Promise<Output> {
  const folder = await workbench.newFolder('hls')
  const assemble = async (runs: readonly RunOfVideo[]) =>
    await assembleHls(partsOf({ first, runs, subtitles }), { folder, duration })
  if (!anew) return await assemble(await streams())
  try {
    await assemble([first])
    return await assemble(await streams())
  } catch (error) {
    if (codeOf(error) !== 'output_mismatch') throw error
    return await assemble(await anew())
  }
}

/** The sound is that of the first run, the pictures are those of all that are named. */
function partsOf(given: {
  first: RunOfVideo
  runs: readonly RunOfVideo[]
  subtitles: readonly TextTrack[]
}): StreamParts {
  const { first, runs, subtitles } = given
  const { folder, plan } = first
  const area = ({ rung }: StreamParts['rungs'][number]) => rung.size.width * rung.size.height
  return {
    rungs: runs.flatMap(rungsOf).sort((a, b) => area(b) - area(a)),
    sounds: plan.sounds.map(({ language }, at) => ({ folder, name: soundName(at), language })),
    subtitles: subtitles.map(({ stream }) => stream),
  }
}

function rungsOf({ plan, folder, account }: RunOfVideo): StreamParts['rungs'] {
  const { copied, rungs } = plan
  const packets = (name: string) => account.outputs.get(outputOf(plan, name))?.video ?? 0
  return [
    ...(copied ? [{ rung: copied, folder, packets: packets(copied.name), copied: true }] : []),
    ...rungs.map((rung) => ({ rung, folder, packets: packets(rung.name), copied: false })),
  ]
}
