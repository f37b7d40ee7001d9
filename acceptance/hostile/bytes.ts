import { once } from 'node:events'
import { crc32, createDeflate } from 'node:zlib'

/** The few writers that hostile files are built with. */

export const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')

export function u32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [at, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, at * 4)
  return bytes
}

export function u32le(...values: number[]): Buffer {
  return Buffer.concat(values.map((value) => u32(value).reverse()))
}

export function u16le(...values: number[]): Buffer {
  return Buffer.from(values.flatMap((value) => [value & 255, (value >> 8) & 255]))
}

/** A box of the ISO base media file format. */
export function box(type: string, ...content: Buffer[]): Buffer {
  const body = Buffer.concat(content)
  return Buffer.concat([u32(body.length + 8), latin1(type), body])
}

/** Rewrites the boxes at a path, as `moov/trak/mdia`; the sizes above them follow. `edit` takes and gives content. */
export function editBoxes(file: Buffer, path: string, edit: (content: Buffer) => Buffer): Buffer {
  const [type = '', ...rest] = path.split('/')
  const parts: Buffer[] = []
  for (let at = 0; at + 8 <= file.length; ) {
    const size = file.readUInt32BE(at)
    if (size < 8) break
    const content = file.subarray(at + 8, at + size)
    const found = file.toString('latin1', at + 4, at + 8) === type
    const below = (bytes: Buffer) => (rest.length > 0 ? editBoxes(bytes, rest.join('/'), edit) : edit(bytes))
    parts.push(found ? box(type, below(content)) : file.subarray(at, at + size))
    at += size
  }
  return Buffer.concat(parts)
}

/** A copy with bytes written over it. */
export function patched(bytes: Buffer, at: number, ...written: Buffer[]): Buffer {
  const copy = Buffer.from(bytes)
  Buffer.concat(written).copy(copy, at)
  return copy
}

/** A chunk of a RIFF file. */
export function riff(type: string, ...content: Buffer[]): Buffer {
  const body = Buffer.concat(content)
  return Buffer.concat([latin1(type), u32le(body.length), body, Buffer.alloc(body.length % 2)])
}

/** A chunk of a PNG. */
export function pngChunk(type: string, ...content: Buffer[]): Buffer {
  const body = Buffer.concat([latin1(type), ...content])
  return Buffer.concat([u32(body.length - 4), body, u32(crc32(body))])
}

/** An element of Matroska: its id as it is written, its size in eight bytes. */
export function ebml(id: number[], ...content: Buffer[]): Buffer {
  const body = Buffer.concat(content)
  return Buffer.concat([Buffer.from(id), Buffer.from([1, 0, 0, 0]), u32(body.length), body])
}

/** So many MiB of zeros, as zlib packs them: about a thousandth. */
export async function packedZeros(mebibytes: number): Promise<Buffer> {
  const deflate = createDeflate({ level: 1 })
  const zeros = Buffer.alloc(1024 ** 2)
  const packed: Buffer[] = []
  deflate.on('data', (chunk: Buffer) => packed.push(chunk))
  for (let left = mebibytes * zeros.length; left > 0; left -= zeros.length) {
    if (!deflate.write(zeros.subarray(0, left))) await new Promise((resolve) => deflate.once('drain', resolve))
  }
  const over = once(deflate, 'end')
  deflate.end()
  await over
  return Buffer.concat(packed)
}
