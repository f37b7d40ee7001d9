import { rgbaToThumbHash } from 'thumbhash'
import type { Size } from './geometry.ts'

/** The largest picture a ThumbHash is made of. */
export const placeholderBox: Size = { width: 100, height: 100 }

/** ThumbHash of at most 100 × 100 pixels, four bytes each (red, green, blue, opacity), as base64. */
export function placeholderOf(pixels: Uint8Array, { width, height }: Size): string {
  return Buffer.from(rgbaToThumbHash(width, height, pixels)).toString('base64')
}
