import { promisify } from 'node:util'
import { crc32, deflate } from 'node:zlib'
import { columnsOf, type Peaks } from './waveform.ts'

export const waveformSize = { width: 1800, height: 280 }
const color = [0x3d, 0x5a, 0x80]
const shades = 16

/**
 * A waveform to be laid over any ground: one colour, from nothing to full in sixteen shades.
 * https://www.w3.org/TR/png-3/
 */
export async function waveformPng(peaks: Peaks): Promise<Buffer> {
  const { width, height } = waveformSize
  const palette = Buffer.from(Array.from({ length: shades }, () => color).flat())
  const alpha = Buffer.from(Array.from({ length: shades }, (_, shade) => shade * 17))
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    // 4 bits a pixel, of a palette.
    chunk('IHDR', Buffer.concat([uint32(width), uint32(height), Buffer.from([4, 3, 0, 0, 0])])),
    chunk('PLTE', palette),
    chunk('tRNS', alpha),
    chunk('IDAT', await promisify(deflate)(draw(peaks))),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

/** What is loudest comes as far as this, of the height. */
const fullest = 0.95
/** What is quieter than some 28 dB below full scale stays flat: it would be noise that looks like something. */
const mostScale = 24

/** A sound that is quiet throughout, or is mostly so, shows its form like any other; numbers stand in the JSON. */
function scaleOf(columns: readonly { low: number; high: number }[]): number {
  const loudest = columns.reduce((most, { low, high }) => Math.max(most, -low, high), 0)
  return Math.max(1, Math.min(mostScale, fullest / loudest))
}

/** Lines of pixels, two in a byte, each line after a zero that says it is not filtered. */
function draw(peaks: Peaks): Buffer {
  const { width, height } = waveformSize
  const stride = 1 + width / 2
  const pixels = Buffer.alloc(stride * height)
  const middle = height / 2
  const columns = columnsOf(peaks.stretches(Number.POSITIVE_INFINITY), width)
  const reach = scaleOf(columns) * middle
  columns.forEach(({ low, high }, x) => {
    const top = Math.min(middle - 0.5, middle - high * reach)
    const bottom = Math.max(middle + 0.5, middle - low * reach)
    for (let y = Math.max(0, Math.floor(top)); y < Math.min(height, Math.ceil(bottom)); y++) {
      const covered = Math.min(bottom, y + 1) - Math.max(top, y)
      const at = y * stride + 1 + (x >> 1)
      pixels[at] = (pixels[at] ?? 0) | (Math.round(covered * (shades - 1)) << (x % 2 === 0 ? 4 : 0))
    }
  })
  return pixels
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  return Buffer.concat([uint32(data.length), body, uint32(crc32(body))])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
