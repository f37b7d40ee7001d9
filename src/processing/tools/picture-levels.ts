import sharp from 'sharp'
import { dominantColor } from '../dominant-color.ts'
import { fitInside, type Size } from '../geometry.ts'
import { placeholderBox, placeholderOf } from '../placeholder.ts'
import type { Source } from './picture-source.ts'

/** Decoded pixels of one size, upright, in sRGB; runs in the picture process only. */
export interface Level {
  pixels: Buffer
  size: Size
  channels: 3 | 4
}

/**
 * The one decode: turned upright, brought to sRGB by its profile, within `width` × `width`. JPEG that is much larger is
 * decoded smaller in the first place.
 */
export async function decode(source: Source, width: number): Promise<Level> {
  const { data, info } = await source
    .open()
    .resize({ width, height: width, fit: 'inside', withoutEnlargement: true })
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
  const level: Level = {
    pixels: data,
    size: { width: info.width, height: info.height },
    channels: info.channels === 4 ? 4 : 3,
  }
  return level.channels === 4 && isOpaque(data) ? await withoutOpacity(level) : level
}

function isOpaque(pixels: Buffer): boolean {
  for (let at = 3; at < pixels.length; at += 4) if (pixels[at] !== 255) return false
  return true
}

async function withoutOpacity(level: Level): Promise<Level> {
  return { ...level, pixels: await reopen(level).removeAlpha().raw().toBuffer(), channels: 3 }
}

export function reopen({ pixels, size, channels }: Level) {
  return sharp(pixels, { raw: { ...size, channels }, limitInputPixels: false })
}

/** The same within a smaller square; itself when it is that small. */
export async function shrink(level: Level, width: number): Promise<Level> {
  const size = fitInside(level.size, { width, height: width })
  if (size.width === level.size.width && size.height === level.size.height) return level
  const pixels = await reopen(level)
    .resize({ ...size, fit: 'fill' })
    .raw()
    .toBuffer()
  return { ...level, pixels, size }
}

/** What is told of a picture before it is there. */
export async function glance(level: Level): Promise<{ placeholder: string; dominant_color: string | null }> {
  const size = fitInside(level.size, placeholderBox)
  const pixels = await reopen(level)
    .resize({ ...size, fit: 'fill' })
    .ensureAlpha()
    .raw()
    .toBuffer()
  return { placeholder: placeholderOf(pixels, size), dominant_color: dominantColor(pixels) }
}
