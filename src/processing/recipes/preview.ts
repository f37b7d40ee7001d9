import { join } from 'node:path'
import { anonymous, runFfmpeg } from '../tools/ffmpeg.ts'
import { weighLeft } from '../tools/left.ts'
import type { Output, VideoWorkbench } from './recipe.ts'
import { expectOutput } from './verify.ts'
import { clipFile } from './video-command.ts'
import type { Preview } from './video-plan.ts'

/** A moving WebP of the pictures that were taken aside. */
export async function makePreview(workbench: VideoWorkbench, preview: Preview, from: string): Promise<Output> {
  const { runner, tools, newFolder, signal } = workbench
  const folder = await newFolder('preview')
  const file = 'preview.webp'
  await runFfmpeg({
    ...{ runner, ffmpeg: tools.ffmpeg, folder, path: join(from, clipFile), decoders: ['ffv1'], threads: 1, signal },
    outputs: [
      ...['-map', '0:v', ...anonymous, '-c:v', 'libwebp_anim', '-quality', '50', '-compression_level', '3'],
      ...['-loop', '0', '-f', 'webp', `file:${file}`],
    ],
    limits: { memory: 512 * 1024 ** 2, seconds: 60, fileBytes: 16 * 1024 ** 2, fewAddresses: true, niceness: 19 },
  })
  const path = join(folder, file)
  expectOutput('a preview', (await weighLeft(path)) > 0)
  const { width, height } = preview.size
  return { name: 'preview', path, extension: '.webp', content_type: 'image/webp', width, height, duration: null }
}
