import { MediaError } from '../../media/errors.ts'
import { decodersOfFile } from '../tools/codecs.ts'
import { type Account, runFfmpeg } from '../tools/ffmpeg.ts'
import { shareOf } from './progress.ts'
import type { VideoWorkbench } from './recipe.ts'
import { collectMoments } from './storyboard.ts'
import { judgeDecoding } from './verify.ts'
import { videoOutputs } from './video-command.ts'
import type { VideoPlan } from './video-plan.ts'

/** What a run of ffmpeg has left behind. */
export interface RunOfVideo {
  plan: VideoPlan
  folder: string
  account: Account
  /** Seconds at which the pictures of the storyboard stand. */
  moments: number[]
  warnings: string[]
}

/**
 * One decoding of the source, and all that is made of it.
 * @param progress its part of the whole recipe's, 0–1
 * @throws MediaError `output_mismatch` when the source is not to be copied; what `runFfmpeg` and `judgeDecoding` throw
 */
export async function runVideo(
  workbench: VideoWorkbench,
  plan: VideoPlan,
  progress: { from: number; to: number },
): Promise<RunOfVideo> {
  const { raw, runner, tools, settings, newFolder, threads, signal, onProgress } = workbench
  const folder = await newFolder(plan.how)
  const { moments, add } = collectMoments()
  const account = await runFfmpeg({
    runner,
    ffmpeg: tools.ffmpeg,
    folder,
    path: raw.path,
    decoders: decodersOfFile(workbench.facts),
    inputOptions: plan.onlyKeyFrames ? ['-skip_frame', 'nokey'] : [],
    outputs: videoOutputs(plan, { preset: settings.preset, threads, maxSeconds: settings.maxSeconds }),
    threads,
    limits: {
      memory: settings.videoMemory * 1024 ** 2,
      seconds: secondsFor(plan, raw.size, settings.maxSeconds),
      fileBytes: settings.outputMegabytes * 1024 ** 2,
      fewAddresses: true,
      niceness: 19,
    },
    signal,
    onTime: (seconds) => onProgress(progress.from + (progress.to - progress.from) * shareOf(seconds, plan.duration)),
    onLine: add,
  })
  const { bad, warnings } = judgeDecoding({ account, stream: plan.video.index, declared: plan.video.frames })
  if (plan.how === 'remux') {
    const doubtful = bad > 0 || warnings.length > 0 || (plan.onlyKeyFrames && hasFewKeyFrames(account, plan))
    if (doubtful) throw new MediaError('output_mismatch', 'the source is not to be copied')
  }
  return { plan, folder, account, moments, warnings }
}

/**
 * A copy carries the source's damage: whatever has any is encoded. Of a long film only the key frames are decoded,
 * which proves it as long as there is one every ten seconds.
 */
function hasFewKeyFrames(account: Account, { video, duration }: VideoPlan): boolean {
  return (account.inputs.get(video.index)?.frames ?? 0) < (duration ?? 0) / 10
}

/** The deadline grows with pixels × frames, read and written, at a fiftieth of the speed of two slow cores. */
export function secondsFor({ video, target, rungs, duration }: VideoPlan, size: number, maxSeconds: number): number {
  const lasts = Math.min(maxSeconds, duration ?? 60 + (size * 8) / 20_000)
  const sizes = [video, target, ...rungs.filter(({ isMain }) => !isMain).map((rung) => rung.size)]
  const pixels = sizes.reduce((sum, { width, height }) => sum + width * height, 0)
  return Math.min(86_400, 120 + (pixels * lasts * Math.min(240, video.rate ?? 30)) / 5_000_000)
}
