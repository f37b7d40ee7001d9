import { fitInside, type Size } from '../geometry.ts'
import type { Coding, ImageProfile } from '../image-profile.ts'
import { decode, glance, type Level, reopen, shrink } from './picture-levels.ts'
import type { Source } from './picture-source.ts'

/** Makes what a picture becomes, in the current folder; runs in the picture process only. */

export interface MadePicture extends Size {
  name: string
  file: string
  content_type: string
}

/** Called with the names of each file as soon as it is whole. */
export type Tell = (outputs: MadePicture[]) => void

export interface PictureSet {
  placeholder: string
  dominant_color: string | null
  outputs: MadePicture[]
}

/** What shows through a transparent picture where transparency cannot be kept. */
export const paper = '#ffffff'

/** Larger pictures are made with care for memory: of what their decoders had, not all is given back. Pixels. */
const largePicture = 20_000_000
const hugePicture = 64_000_000
/** Of those whose decoder gives nothing back. */
const mostHeld = 8_000_000
/** Of decoded pixels that are coded in several ways at once. */
const mostBytes = 40_000_000

/** All renditions, each size made of the one above it; each is being written while the next is made. */
export async function makeSet(source: Source, profile: ImageProfile, tell: Tell): Promise<PictureSet> {
  const { animated } = source
  const top = await decode(source, animated ? largestOf(profile) : masterWidth(source, profile))
  const writing: Promise<MadePicture[]>[] = []
  const atOnce =
    source.width * source.height < (source.heldWhole ? mostHeld : largePicture) && top.pixels.length < mostBytes
  /** Lists them in order and begins with the last, which takes longest: no core is left with it in the end. */
  const begin = async (...files: (() => Promise<MadePicture[]>)[]) => {
    const begun: Promise<MadePicture[]>[] = []
    for (const write of files.reverse()) {
      const file = write()
      file.then(tell, () => {}) // a failure is told when all are waited for
      begun.unshift(file)
      if (!atOnce) await file
    }
    writing.push(...begun)
  }
  if (!animated) await begin(async () => await writeMaster(source, top, profile))
  const levels: Sized[] = []
  for await (const sized of levelsOf(top, profile)) {
    const { level, names } = sized
    levels.unshift(sized)
    const still = async () => await writeStill(level, names, profile)
    const webp = async () => await writeWebp(level, names, profile)
    const avif = async () => await writeAvif(level, names, profile.avif as Coding)
    await begin(still, ...(animated ? [] : [webp, ...(profile.avif ? [avif] : [])]))
  }
  await begin(async () => await writeThumbnail(levels, profile))
  const [told, ...files] = await Promise.all([glance(levels[0]?.level ?? top), ...writing])
  // One after the other: each holds all frames of the animation.
  if (animated) {
    for (const { names } of levels) {
      const animation = await writeAnimation(source, names, profile)
      tell(animation)
      files.push(animation)
    }
  }
  return { ...told, outputs: files.flat() }
}

/** The largest of pictures leave less room beside their decoder. */
function masterWidth({ width, height }: Size, { master }: ImageProfile): number {
  return width * height < hugePicture ? master.width : Math.min(master.width, 2560)
}

/** Only a thumbnail that shows all of it. */
export async function makeThumbnail(source: Source, profile: ImageProfile, tell: Tell): Promise<PictureSet> {
  const level = await decode(source, profile.thumbnail.width)
  const outputs = [await writeWhole('thumbnail', level, profile.thumbnail)]
  tell(outputs)
  return { ...(await glance(level)), outputs }
}

/** All of it as large as pictures get, and its thumbnail, which is the same when it is no larger. */
export async function makeCover(source: Source, profile: ImageProfile, tell: Tell): Promise<PictureSet> {
  const whole = await decode(source, largestOf(profile))
  const level = await shrink(whole, profile.thumbnail.width)
  const thumbnail = await writeWhole('thumbnail', level, profile.thumbnail)
  const cover = level === whole ? { ...thumbnail, name: 'cover' } : await writeWhole('cover', whole, profile.jpeg)
  const outputs = [thumbnail, cover]
  tell(outputs)
  return { ...(await glance(level)), outputs }
}

async function writeWhole(name: string, level: Level, { quality }: { quality: number }): Promise<MadePicture> {
  const file = `${name}.jpg`
  await reopen(level).flatten({ background: paper }).jpeg({ quality }).toFile(file)
  return { name, file, content_type: 'image/jpeg', ...level.size }
}

/** A size, and the widths it stands for: of those that would not differ, the largest comes first and names the file. */
interface Sized {
  level: Level
  names: number[]
}

/** Largest first. */
async function* levelsOf(top: Level, { widths }: ImageProfile): AsyncGenerator<Sized, void> {
  let level = top
  let names: number[] = []
  for (const width of widths.toSorted((a, b) => b - a)) {
    const next = await shrink(level, width)
    if (next !== level && names.length > 0) {
      yield { level, names }
      names = []
    }
    level = next
    names.push(width)
  }
  yield { level, names }
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
    await reopen(level).png({ compressionLevel: png.compression }).toFile(outputs[0].file)
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

async function writeAvif(level: Level, widths: number[], avif: Coding): Promise<MadePicture[]> {
  const outputs = named(avifFormat, widths, level.size)
  await reopen(level).avif(avif).toFile(outputs[0].file)
  return outputs
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
