import { join } from 'node:path'
import { dominantColor } from '../dominant-color.ts'
import { placeholderOf } from '../placeholder.ts'
import { readLeft, weighLeft } from '../tools/left.ts'
import { probe } from '../tools/probe.ts'
import type { Made, Output, VideoWorkbench } from './recipe.ts'
import { durationOf, expectOutput, startsFast } from './verify.ts'
import { mp4File, placeholderFile, posterFile, thumbnailFile } from './video-command.ts'
import type { RunOfVideo } from './video-run.ts'

/** The MP4 and its still, looked at as if they came from a stranger. @throws MediaError `output_mismatch` */
export async function describeFilm(workbench: VideoWorkbench, run: RunOfVideo): Promise<Made> {
  const { folder, plan } = run
  const duration = await verify(workbench, run)
  const pixels = await readLeft(join(folder, placeholderFile), 1024 ** 2)
  const { width, height } = plan.placeholder
  expectOutput('a placeholder', pixels.length === width * height * 4)
  const mp4 = { name: '720p', path: join(folder, mp4File), extension: '.mp4', content_type: 'video/mp4', duration }
  const jpeg = { extension: '.jpg', content_type: 'image/jpeg', duration: null }
  const outputs: Output[] = [
    { ...mp4, ...plan.target },
    { ...jpeg, name: 'thumbnail', path: join(folder, thumbnailFile), ...plan.thumbnail },
    { ...jpeg, name: 'poster', path: join(folder, posterFile), ...plan.target },
  ]
  for (const { name, path } of outputs) expectOutput(name, (await weighLeft(path)) > 0)
  return {
    media_type: 'video',
    content_type: null,
    ...plan.source,
    duration,
    placeholder: placeholderOf(pixels, plan.placeholder),
    dominant_color: dominantColor(pixels),
    warnings: [],
    outputs,
    main: '720p',
  }
}

/** Our own work may last long on few bytes, as a black picture does: its length is no made-up claim. */
const trusted = Number.POSITIVE_INFINITY

/** Returns the seconds it lasts. */
async function verify(
  { runner, tools, newFolder, signal }: VideoWorkbench,
  { plan, folder, account }: RunOfVideo,
): Promise<number> {
  const path = join(folder, mp4File)
  const looking = { runner, ffprobe: tools.ffprobe, folder: await newFolder('verify') }
  const facts = await probe({ ...looking, path, size: trusted, signal })
  const { video, audio } = facts
  const source = account.inputs.get(plan.video.index)
  const written = account.outputs.get(0)
  const wanted = plan.how === 'remux' ? (source?.packets ?? 0) : (source?.frames ?? 0)

  expectOutput('H.264, 4:2:0, 8 bit', video?.codec === 'h264' && video.pixelFormat === 'yuv420p')
  expectOutput('its size', video?.width === plan.target.width && video.height === plan.target.height)
  expectOutput('upright', video?.upright === true && video.pixelAspect === 1)
  expectOutput('all frames written', video?.frames === written?.video)
  expectOutput('all frames of the source', plan.closest !== null || (written?.video ?? 0) >= wanted * 0.95 - 1)
  expectOutput('sound', plan.sounds.length === 0 || (audio?.codec === 'aac' && (written?.audio ?? 0) > 0))
  expectOutput('index first', await startsFast(path))
  return durationOf(facts)
}
