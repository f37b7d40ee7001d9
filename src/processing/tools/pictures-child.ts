import { pathToFileURL } from 'node:url'
import sharp from 'sharp'
import { fitInside, pictureBox, type Size } from '../geometry.ts'
import { placeholderBox, placeholderOf } from '../placeholder.ts'
import { openSource, type Source } from './picture-source.ts'

/**
 * A program: makes one media's pictures, in the current folder, from the file named by its argument. Its task comes as
 * JSON on standard input, its reply goes to standard output, and then it ends: it is never used for another media.
 */

export interface PictureTask {
  /** `picture` makes all renditions of a picture, `thumbnail` only that. */
  wanted: 'picture' | 'thumbnail'
  maxPixels: number
  isSvg: boolean
}

export type PictureReply =
  | {
      ok: true
      /** Pixels, upright. */
      width: number
      height: number
      placeholder: string
      warnings: string[]
      outputs: { name: string; file: string; content_type: string; width: number; height: number }[]
    }
  | { ok: false; code: string; message: string }

const thumbnailBox = { width: 400, height: 400 }
/** What shows through a transparent picture where transparency cannot be kept. */
const paper = '#ffffff'

/** One decoded picture, upright, in sRGB, at most 1600 px wide and high. */
interface Decoded {
  pixels: Buffer
  size: Size
  channels: 3 | 4
}

type Outputs = Extract<PictureReply, { ok: true }>['outputs']

export async function makePictures(path: string, task: PictureTask): Promise<PictureReply> {
  sharp.cache(false)
  const source = await openSource(path, task)
  const decoded = await decode(source)
  const outputs: Outputs = [await writeThumbnail(decoded)]
  if (task.wanted === 'picture') {
    outputs.push(await writeStill(decoded), source.animated ? await writeAnimation(source) : await writeWebp(decoded))
  }
  const { width, height } = source
  return { ok: true, width, height, placeholder: await hash(decoded), warnings: source.warnings, outputs }
}

/** The one decode: turned upright, scaled, brought to sRGB by its profile; sharp keeps no metadata unless told to. */
async function decode(source: Source): Promise<Decoded> {
  const { data, info } = await source
    .open()
    .autoOrient()
    .resize({ ...pictureBox, fit: 'inside', withoutEnlargement: true })
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
  const size = { width: info.width, height: info.height }
  const channels = info.channels === 4 ? 4 : 3
  if (channels === 4 && isOpaque(data)) return { pixels: dropOpacity(data), size, channels: 3 }
  return { pixels: data, size, channels }
}

function isOpaque(pixels: Buffer): boolean {
  for (let at = 3; at < pixels.length; at += 4) if (pixels[at] !== 255) return false
  return true
}

function dropOpacity(pixels: Buffer): Buffer {
  const kept = Buffer.allocUnsafe((pixels.length / 4) * 3)
  for (let from = 0, to = 0; from < pixels.length; from += 4, to += 3) pixels.copy(kept, to, from, from + 3)
  return kept
}

function reopen({ pixels, size, channels }: Decoded) {
  return sharp(pixels, { raw: { ...size, channels }, limitInputPixels: false })
}

/** JPEG, or PNG when something shows through. */
async function writeStill(decoded: Decoded): Promise<Outputs[number]> {
  const { size, channels } = decoded
  if (channels === 4) {
    await reopen(decoded).png().toFile('png-1600.png')
    return { name: 'png-1600', file: 'png-1600.png', content_type: 'image/png', ...size }
  }
  await reopen(decoded).jpeg({ quality: 82 }).toFile('jpeg-1600.jpg')
  return { name: 'jpeg-1600', file: 'jpeg-1600.jpg', content_type: 'image/jpeg', ...size }
}

const webp = { name: 'webp-1600', file: 'webp-1600.webp', content_type: 'image/webp' }

async function writeWebp(decoded: Decoded): Promise<Outputs[number]> {
  // Effort 2 takes 0.6 of the default's time.
  await reopen(decoded).webp({ quality: 80, effort: 2 }).toFile(webp.file)
  return { ...webp, ...decoded.size }
}

/** All frames, from a decode of their own. */
async function writeAnimation(source: Source): Promise<Outputs[number]> {
  const { width, height } = fitInside(source, pictureBox)
  await source.openAll().resize({ width, height, fit: 'fill' }).webp({ quality: 80, effort: 2 }).toFile(webp.file)
  return { ...webp, width, height }
}

async function writeThumbnail(decoded: Decoded): Promise<Outputs[number]> {
  const { width, height } = fitInside(decoded.size, thumbnailBox)
  await reopen(decoded)
    .resize({ width, height, fit: 'fill' })
    .flatten({ background: paper })
    .jpeg({ quality: 80 })
    .toFile('thumbnail.jpg')
  return { name: 'thumbnail', file: 'thumbnail.jpg', content_type: 'image/jpeg', width, height }
}

async function hash(decoded: Decoded): Promise<string> {
  const size = fitInside(decoded.size, placeholderBox)
  const pixels = await reopen(decoded)
    .resize({ ...size, fit: 'fill' })
    .ensureAlpha()
    .raw()
    .toBuffer()
  return placeholderOf(pixels, size)
}

/** Which of our codes a failure of the libraries is; what is not known to be ours is the file's. */
function replyOf(error: unknown): PictureReply {
  const { code, message } = error as { code?: unknown; message?: unknown }
  const said = String(message)
  const found = () => {
    if (code === 'too_many_pixels' || /exceeds pixel limit|too large|dimensions exceed/i.test(said))
      return 'too_many_pixels'
    if (code === 'ENOSPC' || /No space left/.test(said)) return 'storage_full'
    if (code === 'EFBIG' || /File too large/.test(said)) return 'output_too_large'
    if (/out of memory|allocation failed/i.test(said)) return 'memory_exceeded'
    return 'undecodable'
  }
  return { ok: false, code: found(), message: said.slice(0, 500) }
}

async function main(path: string): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk)
  if (chunks.length === 0) return // dismissed without work
  const task = JSON.parse(Buffer.concat(chunks).toString('utf8')) as PictureTask
  const reply = await makePictures(path, task).catch(replyOf)
  process.stdout.write(JSON.stringify(reply))
}

const [, program, path] = process.argv
if (program && path && import.meta.url === pathToFileURL(program).href) await main(path)
