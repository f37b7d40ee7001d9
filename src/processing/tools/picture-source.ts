import { open, readFile } from 'node:fs/promises'
import { crc32, deflateSync } from 'node:zlib'
import sharp, { type Metadata, type Sharp, type SharpOptions } from 'sharp'
import type { Size } from '../geometry.ts'
import type { Converted, Heavy, HeavyFormat } from './picture-converters.ts'
import { cutOut, isTurned, readTurn, turnUpright } from './picture-turn.ts'

/** A picture to decode, of any format we take; runs in the picture process only. */
export interface Source extends Size {
  /** Whether it has several frames, all to be kept. */
  animated: boolean
  hasAlpha: boolean
  /** Whether its colours are coarser than its light, as those of most JPEG are. */
  subsampled: boolean
  /** Whether its decoder keeps all of it in memory until the process ends. */
  heldWhole: boolean
  warnings: string[]
  /** A decode of its only or first frame, upright. */
  open(): Sharp
  /** A decode of all frames. */
  openAll(): Sharp
}

export interface SourceOptions {
  maxPixels: number
  isSvg: boolean
  /** Of the square that it will be made to fit into: what is larger need not be kept. Pixels. */
  width: number
  /** Of HEIC and AVIF that are decoded here; larger ones are to be converted first. */
  wholePixels: Record<HeavyFormat, number>
  /** Set when it is what a larger one was converted to. */
  converted?: Converted
}

/** Thrown of a picture that is to be converted first. */
export class TooHeavy extends Error {
  readonly heavy: Heavy
  constructor(heavy: Heavy) {
    super(`${heavy.width} × ${heavy.height} pixels are too many to be decoded at once`)
    this.heavy = heavy
  }
}

/** All frames of an animation lie in memory at once. Pixels. */
const animationPixels = 60_000_000
const animationFrames = 2_000

/**
 * Reads a picture's head and says how to decode it.
 * @throws Error with `code: 'too_many_pixels'`, TooHeavy, or what the decoder throws.
 */
export async function openSource(path: string, given: SourceOptions): Promise<Source> {
  const { maxPixels, isSvg, converted, wholePixels } = given
  if (converted) return await openConverted(path, given, converted)
  // Bytes without an address: a drawing cannot refer to files beside it.
  const input = isSvg ? await readFile(path) : path
  // A picture cut short is refused; what decoders merely warn of is not.
  const options = { limitInputPixels: maxPixels, failOn: 'error' } satisfies SharpOptions
  const metadata = await sharp(input, { ...options, limitInputPixels: false }).metadata()
  const size = uprightSize(metadata)
  if (size.width * size.height > maxPixels) throw tooManyPixels(size)
  if (metadata.format === 'heif') {
    const format = metadata.compression === 'av1' ? 'avif' : 'heic'
    const { hasAlpha, pages = 1, pagePrimary: page = 0 } = metadata
    if (size.width * size.height > wholePixels[format])
      throw new TooHeavy({ ...size, format, hasAlpha, pages, page, turn: await readTurn(path) })
  }
  if (metadata.format === 'heif' && metadata.compression === 'hevc') return await openHeic(path, given, metadata)
  const frames = isAnimation(metadata) ? (metadata.pages ?? 1) : 1
  const pixels = frames * size.width * size.height
  const tooMany = frames > 1 && (frames > animationFrames || pixels > Math.min(animationPixels, maxPixels))
  return {
    ...size,
    animated: frames > 1 && !tooMany,
    hasAlpha: metadata.hasAlpha,
    subsampled: metadata.chromaSubsampling === '4:2:0',
    heldWhole: false,
    warnings: tooMany || (metadata.format === 'png' && (await movesInPng(path))) ? ['animation_dropped'] : [],
    open: () => sharp(input, options).autoOrient(),
    openAll: () => sharp(input, { ...options, animated: true }),
  }
}

function isAnimation({ format, pages }: Metadata): boolean {
  return (format === 'gif' || format === 'webp') && (pages ?? 1) > 1
}

function uprightSize({ width, height, pageHeight, autoOrient }: Metadata): Size {
  if (pageHeight) return { width, height: pageHeight }
  return { width: autoOrient?.width ?? width, height: autoOrient?.height ?? height }
}

/** Its own word on which side is up is not heard: the programs leave there what the file had, whatever they did with it. */
async function openConverted(path: string, { width }: SourceOptions, { turn, ...size }: Converted): Promise<Source> {
  const options = { limitInputPixels: false, failOn: 'error' } satisfies SharpOptions
  const metadata = await sharp(path, options).metadata()
  const rest = {
    animated: false,
    heldWhole: false,
    hasAlpha: metadata.hasAlpha,
    subsampled: metadata.chromaSubsampling === '4:2:0',
  }
  const sourceOf = (open: () => Sharp): Source => ({ ...size, ...rest, warnings: [], open, openAll: open })
  if (!isTurned(turn)) {
    if (metadata.width !== size.width || metadata.height !== size.height) throw new Error('it has another size now')
    return sourceOf(() => sharp(path, options))
  }
  // To turn it, all of it must be in memory: made small before.
  const small = cutOut(sharp(path, options), turn, metadata)
  const pixels = await small
    .resize({ width, height: width, fit: 'inside', withoutEnlargement: true })
    .keepIccProfile()
    .png({ compressionLevel: 0, adaptiveFiltering: false })
    .toBuffer()
  return sourceOf(() => turnUpright(sharp(pixels), turn))
}

/** sharp reads no HEVC: libheif does, which turns the picture upright by itself and leaves its colours as they are. */
async function openHeic(
  path: string,
  { maxPixels, width: side }: SourceOptions,
  { icc: profile, hasAlpha }: Metadata,
): Promise<Source> {
  const { default: decode } = await import('heic-decode')
  const { width, height, data } = await decode({ buffer: await readFile(path) })
  if (width * height > maxPixels) throw tooManyPixels({ width, height })
  const raw = { width, height, channels: 4 as const }
  const pixels = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  // Made small before it gets its profile: no second copy of it at its full size.
  const box = { width: side, height: side }
  const small = sharp(pixels, { raw, limitInputPixels: false }).resize({
    ...box,
    fit: 'inside',
    withoutEnlargement: true,
  })
  const still = await (hasAlpha ? small : small.removeAlpha())
    .png({ compressionLevel: 0, adaptiveFiltering: false })
    .toBuffer()
  const input = profile ? withProfile(still, profile) : still
  const reopen = () => sharp(input, { limitInputPixels: maxPixels })
  return {
    width,
    height,
    animated: false,
    hasAlpha,
    subsampled: true,
    heldWhole: true,
    warnings: [],
    open: reopen,
    openAll: reopen,
  }
}

/** Whether it is an APNG, whose later frames nobody here reads: its chunk `acTL` comes before the pixels. */
async function movesInPng(path: string): Promise<boolean> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(64 * 1024), 0, 64 * 1024, 0)
    const head = buffer.subarray(0, bytesRead).toString('latin1')
    const at = head.indexOf('acTL')
    return at > 0 && (at < head.indexOf('IDAT') || !head.includes('IDAT'))
  } finally {
    await file.close()
  }
}

/** A PNG with a colour profile: the chunk `iCCP` goes right behind the head, which ends at byte 33. */
function withProfile(png: Buffer, profile: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from('iCCPprofile\0\0', 'latin1'), deflateSync(profile)])
  const chunk = Buffer.alloc(body.length + 8)
  chunk.writeUInt32BE(body.length - 4, 0)
  body.copy(chunk, 4)
  chunk.writeUInt32BE(crc32(body), chunk.length - 4)
  return Buffer.concat([png.subarray(0, 33), chunk, png.subarray(33)])
}

function tooManyPixels({ width, height }: Size): Error {
  return Object.assign(new Error(`${width} × ${height} are too many pixels`), { code: 'too_many_pixels' })
}
