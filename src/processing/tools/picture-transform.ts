import type { Sharp } from 'sharp'
import type { Transform } from '../../media/transform.ts'
import { fitInside, type Size } from '../geometry.ts'
import type { ImageProfile } from '../image-profile.ts'
import type { MadePicture } from './picture-set.ts'
import type { Source } from './picture-source.ts'

/** Makes one picture of one of our own, in the current folder; runs in the picture process only. */
export async function makeTransform(source: Source, order: Transform, profile: ImageProfile): Promise<MadePicture> {
  const animated = source.animated && order.animated && order.format === 'webp'
  const input = animated ? source.openAll() : source.open()
  const { picture, size } = await shapes[order.fit]({ source, input, order, animated })
  const { format, extension, encode } = encoders[formatOf(source, order)]
  const file = `image${extension}`
  await encode(picture.toColourspace('srgb'), order, profile).toFile(file)
  return { name: 'image', file, content_type: `image/${format}`, ...size }
}

interface Shaping {
  source: Source
  input: Sharp
  order: Transform
  animated: boolean
}
type Shaped = Promise<{ picture: Sharp; size: Size }>

const shapes: Record<Transform['fit'], (shaping: Shaping) => Shaped> = {
  'scale-down': async ({ source, input, order }) => {
    const size = fitInside(source, boxOf(source, order))
    return { picture: input.resize({ ...size, fit: 'fill' }), size }
  },
  cover: async (shaping) => {
    const { source, order } = shaping
    const size = shapeWithin(source, boxOf(source, order))
    const around = fillOutside(source, size)
    const from = await cornerOf(shaping, size, around)
    return { picture: shaping.input.resize({ ...around, fit: 'fill' }).extract({ ...from, ...size }), size }
  },
  pad: async ({ source, input, order }) => {
    const size = boxOf(source, order)
    const inside = fitInside(source, size)
    const [left, top] = [Math.floor((size.width - inside.width) / 2), Math.floor((size.height - inside.height) / 2)]
    const [right, bottom] = [size.width - inside.width - left, size.height - inside.height - top]
    const edges = { left, right, top, bottom, background: order.background }
    return { picture: input.resize({ ...inside, fit: 'fill' }).extend(edges), size }
  },
}

/** A side that is not given is the source's. */
function boxOf(source: Size, { width, height }: Transform): Size {
  return { width: width ?? source.width, height: height ?? source.height }
}

/** The largest of the box's shape that the source fills: nothing is enlarged. */
function shapeWithin(source: Size, box: Size): Size {
  const scale = Math.min(1, source.width / box.width, source.height / box.height)
  const side = (pixels: number, most: number) => Math.min(most, Math.max(1, Math.round(pixels * scale)))
  return { width: side(box.width, source.width), height: side(box.height, source.height) }
}

function fillOutside(source: Size, box: Size): Size {
  const scale = Math.max(box.width / source.width, box.height / source.height)
  const side = (pixels: number, least: number) => Math.max(least, Math.round(pixels * scale))
  return { width: side(source.width, box.width), height: side(source.height, box.height) }
}

/** Where what is kept begins; of an animation what draws the eye is looked for in its first frame. */
async function cornerOf({ source, order }: Shaping, size: Size, around: Size): Promise<{ left: number; top: number }> {
  const { gravity } = order
  const room = { x: around.width - size.width, y: around.height - size.height }
  if (gravity !== 'auto') return { left: Math.round(room.x * gravity.x), top: Math.round(room.y * gravity.y) }
  if (room.x === 0 && room.y === 0) return { left: 0, top: 0 }
  const { info } = await source
    .open()
    .resize({ ...size, fit: 'cover', position: 'attention' })
    .raw()
    .toBuffer({ resolveWithObject: true })
  const within = (offset: number | undefined, most: number) => Math.min(most, Math.max(0, Math.abs(offset ?? 0)))
  return { left: within(info.cropOffsetLeft, room.x), top: within(info.cropOffsetTop, room.y) }
}

function formatOf({ hasAlpha }: Source, { format }: Transform): Exclude<Transform['format'], 'still'> {
  if (format !== 'still') return format
  return hasAlpha ? 'png' : 'jpeg'
}

interface Encoder {
  format: string
  extension: string
  encode: (picture: Sharp, order: Transform, profile: ImageProfile) => Sharp
}

const encoders: Record<Exclude<Transform['format'], 'still'>, Encoder> = {
  avif: {
    format: 'avif',
    extension: '.avif',
    encode: (picture, { quality }, { avif }) =>
      picture.avif({ quality: quality ?? avif?.quality ?? 55, effort: avif?.effort ?? 0 }),
  },
  webp: {
    format: 'webp',
    extension: '.webp',
    encode: (picture, { quality }, { webp }) => picture.webp({ ...webp, ...(quality !== null && { quality }) }),
  },
  jpeg: {
    format: 'jpeg',
    extension: '.jpg',
    encode: (picture, { quality, background }, { jpeg }) =>
      picture.flatten({ background }).jpeg({ quality: quality ?? jpeg.quality }),
  },
  png: {
    format: 'png',
    extension: '.png',
    encode: (picture, _, { png }) => picture.png({ compressionLevel: png.compression }),
  },
}
