import { fitInside, type Size } from '../geometry.ts'
import type { ImageProfile } from '../image-profile.ts'
import { decode, glance, type Level, reopen, shrink } from './picture-levels.ts'
import type { Source } from './picture-source.ts'

/** Makes what a picture becomes, in the current folder; runs in the picture process only. */

export interface MadePicture extends Size {
  name: string
  file: string
  content_type: string
}

export interface PictureSet {
  placeholder: string
  dominant_color: string | null
  outputs: MadePicture[]
}

/** What shows through a transparent picture where transparency cannot be kept. */
export const paper = '#ffffff'

/** All renditions, each size made of the one above it. */
export async function makeSet(source: Source, profile: ImageProfile): Promise<PictureSet> {
  const top = await decode(source, source.animated ? largestOf(profile) : profile.master.width)
  const levels = await levelsOf(top, profile)
  const files = await Promise.all([
    writeThumbnail(levels, profile),
    ...(source.animated ? [] : [writeMaster(source, top, profile)]),
    ...levels.flatMap(({ level, names }) => [
      writeStill(level, names, profile),
      ...(source.animated ? [] : [writeWebp(level, names, profile), ...writeAvif(level, names, profile)]),
    ]),
  ])
  // One after the other: each holds all frames of the animation.
  if (source.animated) {
    for (const { names } of levels) files.push(await writeAnimation(source, names, profile))
  }
  const smallest = levels[0]?.level ?? top
  return { ...(await glance(smallest)), outputs: files.flat() }
}

/** Only a thumbnail that shows all of it: of a cover. */
export async function makeThumbnail(source: Source, profile: ImageProfile): Promise<PictureSet> {
  const { width, quality } = profile.thumbnail
  const level = await decode(source, width)
  const file = 'thumbnail.jpg'
  await reopen(level).flatten({ background: paper }).jpeg({ quality }).toFile(file)
  const output = { name: 'thumbnail', file, content_type: 'image/jpeg', ...level.size }
  return { ...(await glance(level)), outputs: [output] }
}

/** A size, and the widths it stands for: of those that would not differ, the largest comes first and names the file. */
interface Sized {
  level: Level
  names: number[]
}

/** Smallest first. */
async function levelsOf(top: Level, { widths }: ImageProfile): Promise<Sized[]> {
  const levels: Sized[] = []
  let above = top
  for (const width of widths.toSorted((a, b) => b - a)) {
    const level = await shrink(above, width)
    const last = levels.at(0)
    if (last && level === last.level) last.names.push(width)
    else levels.unshift({ level, names: [width] })
    above = level
  }
  return levels
}

function largestOf({ widths }: ImageProfile): number {
  return Math.max(...widths)
}

interface Format {
  format: 'jpeg' | 'png' | 'webp' | 'avif'
  extension: string
}

const jpegFormat: Format = { format: 'jpeg', extension: '.jpg' }
const pngFormat: Format = { format: 'png', extension: '.png' }
const webpFormat: Format = { format: 'webp', extension: '.webp' }
const avifFormat: Format = { format: 'avif', extension: '.avif' }

function named({ format, extension }: Format, widths: number[], size: Size): [MadePicture, ...MadePicture[]] {
  const file = `${format}-${widths[0]}${extension}`
  const of = (width: number | undefined) => ({
    name: `${format}-${width}`,
    file,
    content_type: `image/${format}`,
    ...size,
  })
  return [of(widths[0]), ...widths.slice(1).map(of)]
}

/** JPEG, or PNG when something shows through. */
async function writeStill(level: Level, widths: number[], { jpeg, png }: ImageProfile): Promise<MadePicture[]> {
  if (level.channels === 4) {
    const outputs = named(pngFormat, widths, level.size)
    await reopen(level).png({ effort: png.effort }).toFile(outputs[0].file)
    return outputs
  }
  const outputs = named(jpegFormat, widths, level.size)
  await reopen(level).jpeg({ quality: jpeg.quality }).toFile(outputs[0].file)
  return outputs
}

async function writeWebp(level: Level, widths: number[], { webp }: ImageProfile): Promise<MadePicture[]> {
  const outputs = named(webpFormat, widths, level.size)
  await reopen(level).webp(webp).toFile(outputs[0].file)
  return outputs
}

function writeAvif(level: Level, widths: number[], { avif }: ImageProfile): Promise<MadePicture[]>[] {
  if (!avif) return []
  const outputs = named(avifFormat, widths, level.size)
  return [
    reopen(level)
      .avif(avif)
      .toFile(outputs[0].file)
      .then(() => outputs),
  ]
}

/** All frames, from a decode of their own. */
async function writeAnimation(source: Source, widths: number[], { webp }: ImageProfile): Promise<MadePicture[]> {
  const [width = 1] = widths
  const size = fitInside(source, { width, height: width })
  const outputs = named(webpFormat, widths, size)
  await source
    .openAll()
    .resize({ ...size, fit: 'fill' })
    .webp(webp)
    .toFile(outputs[0].file)
  return outputs
}

/** As good as the source, for what is made later. Its colours are kept as fine as the source has them. */
async function writeMaster(source: Source, level: Level, { master }: ImageProfile): Promise<MadePicture[]> {
  const { quality } = master
  const format = level.channels === 4 ? webpFormat : jpegFormat
  const file = `master${format.extension}`
  const picture = reopen(level)
  if (level.channels === 4) await picture.webp({ quality, alphaQuality: 100, effort: 0 }).toFile(file)
  else await picture.jpeg({ quality, chromaSubsampling: source.subsampled ? '4:2:0' : '4:4:4' }).toFile(file)
  return [{ name: 'master', file, content_type: `image/${format.format}`, ...level.size }]
}

/** A square of what draws the eye, never enlarged. */
async function writeThumbnail(levels: Sized[], { thumbnail }: ImageProfile): Promise<MadePicture[]> {
  const { width, quality } = thumbnail
  const short = ({ size }: Level) => Math.min(size.width, size.height)
  const { level } = levels.find((one) => short(one.level) >= width) ?? (levels.at(-1) as Sized)
  const side = Math.min(width, short(level))
  const file = 'thumbnail.jpg'
  await reopen(level)
    .resize({ width: side, height: side, fit: 'cover', position: 'attention' })
    .flatten({ background: paper })
    .jpeg({ quality })
    .toFile(file)
  return [{ name: 'thumbnail', file, content_type: 'image/jpeg', width: side, height: side }]
}
