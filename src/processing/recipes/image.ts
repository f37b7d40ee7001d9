import { join } from 'node:path'
import { MediaError } from '../../media/errors.ts'
import { imageProfile } from '../image-profile.ts'
import type { MadePicture } from '../tools/picture-set.ts'
import type { Made, Output, Workbench } from './recipe.ts'

/**
 * A picture: one decode, upright and in sRGB, becomes, for each width of the profile (400, 800, 1600),
 *
 * | rendition     | what                                                                                 |
 * |---------------|--------------------------------------------------------------------------------------|
 * | `jpeg-{n}`    | JPEG within n × n, when nothing shows through it; of an animation the first frame      |
 * | `png-{n}`     | PNG in its place, when something does                                                |
 * | `webp-{n}`    | WebP within n × n; an animation keeps all its frames                                 |
 * | `avif-{n}`    | AVIF within n × n, of stills                                                         |
 * | `thumbnail`   | JPEG of 400 × 400: the square of it that draws the eye, on white                      |
 * | `master`      | JPEG or WebP within 4096 × 4096, hardly compressed: what is made on the fly is made of it |
 *
 * Nothing is enlarged. All names are there for every picture: those that would not differ name one file.
 * No metadata survives: nothing is copied but pixels.
 */
export async function makeImage(
  workbench: Workbench,
  contentType: string | null,
  profile = imageProfile,
): Promise<Made> {
  const { raw, pictures, settings, newFolder, signal, onProgress, keep } = workbench
  const folder = await newFolder('picture')
  const { maxPixels, pictureMemory: memory } = settings
  const isSvg = contentType === 'image/svg+xml'
  const outputOf = ({ file, ...rest }: MadePicture): Output => ({
    ...rest,
    path: join(folder, file),
    extension: file.slice(file.lastIndexOf('.')),
    key: file,
    duration: null,
  })
  const made = await pictures.make({
    source: { path: raw.path },
    folder,
    memory,
    signal,
    wanted: 'picture',
    profile,
    maxPixels,
    isSvg,
    onMade: async (outputs) => await keep(outputs.map(outputOf)),
  })
  onProgress(1)

  const outputs = made.outputs.map(outputOf)
  const largest = Math.max(...profile.widths)
  const main = outputs.find(({ name }) => name === `jpeg-${largest}` || name === `png-${largest}`)
  if (!main) throw new MediaError('output_mismatch', 'the picture process made no still')
  const { width, height, placeholder, dominant_color, warnings } = made
  return {
    media_type: 'image',
    content_type: null,
    width,
    height,
    duration: null,
    placeholder,
    dominant_color,
    warnings,
    outputs,
    main: main.name,
  }
}
