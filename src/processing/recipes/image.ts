import { join } from 'node:path'
import { MediaError } from '../../media/errors.ts'
import type { Made, Output, Workbench } from './recipe.ts'

/**
 * A picture: one decode, upright and in sRGB, becomes
 *
 * | rendition    | what                                                                    |
 * |--------------|-------------------------------------------------------------------------|
 * | `jpeg-1600`  | JPEG within 1600 × 1600, when nothing shows through it                  |
 * | `png-1600`   | PNG in its place, when something does                                   |
 * | `webp-1600`  | WebP within 1600 × 1600; an animation keeps all its frames              |
 * | `thumbnail`  | JPEG within 400 × 400, on white                                         |
 *
 * No metadata survives: nothing is copied but pixels.
 */
export async function makeImage(workbench: Workbench, contentType: string | null): Promise<Made> {
  const { raw, pictures, settings, newFolder, signal, onProgress } = workbench
  const folder = await newFolder('picture')
  const { maxPixels, pictureMemory } = settings
  // Their decoders hold the whole picture, several times over.
  const memory = /^image\/(?:avif|hei[cf])/.test(contentType ?? '') ? pictureMemory * 2 : pictureMemory
  const isSvg = contentType === 'image/svg+xml'
  const made = await pictures.make({
    source: { path: raw.path },
    folder,
    memory,
    signal,
    wanted: 'picture',
    maxPixels,
    isSvg,
  })
  onProgress(1)

  const outputs = made.outputs.map(
    ({ file, ...rest }): Output => ({
      ...rest,
      path: join(folder, file),
      extension: file.slice(file.lastIndexOf('.')),
      duration: null,
    }),
  )
  const main = outputs.find(({ name }) => name === 'jpeg-1600' || name === 'png-1600')
  if (!main) throw new MediaError('output_mismatch', 'the picture process made no still')
  const { width, height, placeholder, warnings } = made
  return {
    media_type: 'image',
    content_type: null,
    width,
    height,
    duration: null,
    placeholder,
    warnings,
    outputs,
    main: main.name,
  }
}
