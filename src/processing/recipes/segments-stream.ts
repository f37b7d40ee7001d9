import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { MediaError } from '../../media/errors.ts'
import { openLeft, readAt } from '../tools/left.ts'

/**
 * Puts together streams that were encoded window by window: each is a fragmented MP4 of one track that begins at 0, and
 * its fragments become segments of the whole, in which they begin where those before them end. ISO/IEC 14496-12.
 */

/** Of one window's stream. */
export interface StreamPiece {
  /** What comes before the fragments. */
  head: Buffer
  /** What must be the same in all pieces of a stream: its codec's parameters. */
  parameters: string
  /** Ticks that its samples last, by the order of decoding. */
  lasts: number
  /** When each sample is shown, in order, as ticks after its first is decoded. */
  shown: number[]
  fragments: Fragment[]
}

interface Fragment {
  /** Of `moof` and `mdat`, in the file. */
  start: number
  end: number
  /** Where its number and its time stand, from its start. */
  numberAt: number
  timeAt: number
  lasts: number
}

interface Box {
  type: string
  start: number
  body: number
  end: number
}

const longestHead = 16 * 1024 ** 2
const inside = ['moov', 'trak', 'mdia', 'minf', 'stbl', 'moof', 'traf']
/** As ffmpeg begins the segments of a stream. */
const segmentType = Buffer.from('\0\0\0\x18stypmsdh\0\0\0\0msdhmsix', 'latin1')

/** @throws MediaError `output_mismatch` when it is not what ffmpeg writes for us */
export async function readPiece(path: string): Promise<StreamPiece> {
  const file = await openLeft(path)
  try {
    const { size } = await file.stat()
    const piece: StreamPiece = { head: Buffer.alloc(0), parameters: '', lasts: 0, shown: [], fragments: [] }
    const heads: Buffer[] = []
    for (let at = 0; at + 8 <= size; ) {
      const box = await readHead(file, at, size)
      if (box.type === 'ftyp' || box.type === 'moov') heads.push(await readAt(file, at, box.end - at))
      if (box.type === 'moov') piece.parameters = parametersOf(heads.at(-1) as Buffer)
      if (box.type === 'moof') addFragment(piece, await readAt(file, at, box.end - at), at)
      const last = piece.fragments.at(-1)
      if (box.type === 'mdat' && last) last.end = box.end
      at = box.end
    }
    piece.head = Buffer.concat(heads)
    piece.shown.sort((a, b) => a - b)
    return piece.fragments.length > 0 && piece.parameters !== '' ? piece : fail('a piece of nothing')
  } finally {
    await file.close()
  }
}

async function readHead(file: FileHandle, at: number, size: number): Promise<Box> {
  const head = await readAt(file, at, 16)
  const short = head.readUInt32BE(0)
  const length = short === 1 ? Number(head.readBigUInt64BE(8)) : short
  const type = head.toString('latin1', 4, 8)
  if (length < 8 || at + length > size || (type !== 'mdat' && length > longestHead)) return fail(`a box ${type}`)
  return { type, start: at, body: at + 8, end: at + length }
}

function parametersOf(moov: Buffer): string {
  const boxes = [...boxesIn(moov, 0, moov.length)]
  const find = (type: string) => boxes.find((box) => box.type === type) ?? fail(`no ${type}`)
  const [stsd, mdhd] = [find('stsd'), find('mdhd')]
  const timescale = moov.readUInt32BE(mdhd.body + (moov[mdhd.body] === 1 ? 20 : 12))
  return `${timescale} ${moov.toString('base64', stsd.start, stsd.end)}`
}

function addFragment(piece: StreamPiece, moof: Buffer, start: number): void {
  const boxes = [...boxesIn(moof, 0, moof.length)]
  const find = (type: string) => boxes.find((box) => box.type === type) ?? fail(`a fragment without ${type}`)
  const [mfhd, tfhd, tfdt] = [find('mfhd'), find('tfhd'), find('tfdt')]
  if (moof[tfdt.body] !== 1) return fail('a time of 32 bits')
  let at = piece.lasts
  const defaultDuration = durationIn(moof, tfhd.body)
  for (const { body } of boxes.filter(({ type }) => type === 'trun')) {
    for (const { duration, offset } of samplesOf(moof, body)) {
      piece.shown.push(at + offset)
      at += duration ?? defaultDuration
    }
  }
  const lasts = at - piece.lasts
  piece.lasts = at
  piece.fragments.push({ start, end: start, numberAt: mfhd.body + 4, timeAt: tfdt.body + 4, lasts })
}

function durationIn(moof: Buffer, tfhd: number): number {
  const flags = moof.readUInt32BE(tfhd) & 0xffffff
  if (!(flags & 0x8)) return 0
  return moof.readUInt32BE(tfhd + 8 + (flags & 0x1 ? 8 : 0) + (flags & 0x2 ? 4 : 0))
}

function* samplesOf(moof: Buffer, trun: number): Generator<{ duration: number | null; offset: number }, void> {
  const flags = moof.readUInt32BE(trun) & 0xffffff
  const count = moof.readUInt32BE(trun + 4)
  let at = trun + 8 + (flags & 0x1 ? 4 : 0) + (flags & 0x4 ? 4 : 0)
  for (let sample = 0; sample < count; sample++) {
    const duration = flags & 0x100 ? moof.readUInt32BE(at) : null
    at += (flags & 0x100 ? 4 : 0) + (flags & 0x200 ? 4 : 0) + (flags & 0x400 ? 4 : 0)
    yield { duration, offset: flags & 0x800 ? moof.readInt32BE(at) : 0 }
    at += flags & 0x800 ? 4 : 0
  }
}

function* boxesIn(bytes: Buffer, from: number, to: number): Generator<Box, void> {
  for (let at = from; at + 8 <= to; ) {
    const end = at + bytes.readUInt32BE(at)
    const type = bytes.toString('latin1', at + 4, at + 8)
    if (end < at + 8 || end > to) return fail(`a box ${type}`)
    yield { type, start: at, body: at + 8, end }
    if (inside.includes(type)) yield* boxesIn(bytes, at + 8, end)
    at = end
  }
}

/** The whole of a stream, as it grows by one piece after another. */
export interface StreamJoin {
  add(path: string): Promise<void>
  close(): Promise<void>
}

/**
 * Writes `{name}-init.mp4` and `{name}-00001.m4s`… as ffmpeg's HLS muxer would.
 * @param whole the path of a file that becomes the stream in one piece as well; null for none
 */
export async function joinStream(folder: string, name: string, whole: string | null): Promise<StreamJoin> {
  const all = whole === null ? null : await open(whole, 'wx')
  let parameters: string | null = null
  let time = 0
  let number = 0

  async function addFragment(from: FileHandle, fragment: Fragment): Promise<void> {
    number++
    const to = await open(join(folder, `${name}-${String(number).padStart(5, '0')}.m4s`), 'wx')
    try {
      await to.writeFile(segmentType)
      await copyFragment(from, { fragment, number, time }, all ? [to, all] : [to])
    } finally {
      await to.close()
    }
    time += fragment.lasts
  }

  return {
    add: async (path) => {
      const piece = await readPiece(path)
      if (parameters === null) {
        const init = await open(join(folder, `${name}-init.mp4`), 'wx')
        await init.writeFile(piece.head).finally(() => init.close())
        await all?.writeFile(piece.head)
      }
      parameters ??= piece.parameters
      if (parameters !== piece.parameters) return fail('pieces of different parameters')
      const from = await open(path)
      try {
        for (const fragment of piece.fragments) await addFragment(from, fragment)
      } finally {
        await from.close()
      }
    },
    close: async () => await all?.close(),
  }
}

async function copyFragment(
  from: FileHandle,
  { fragment, number, time }: { fragment: Fragment; number: number; time: number },
  to: readonly FileHandle[],
): Promise<void> {
  const { start, end, numberAt, timeAt } = fragment
  const buffer = Buffer.allocUnsafe(Math.min(end - start, 1024 ** 2))
  for (let at = start; at < end; ) {
    const { bytesRead } = await from.read(buffer, 0, Math.min(buffer.length, end - at), at)
    if (bytesRead === 0) return fail('a piece cut short')
    if (at === start) {
      buffer.writeUInt32BE(number, numberAt)
      buffer.writeBigUInt64BE(BigInt(time), timeAt)
    }
    for (const file of to) await file.writeFile(buffer.subarray(0, bytesRead))
    at += bytesRead
  }
}

function fail(what: string): never {
  throw new MediaError('output_mismatch', `a segment is not as planned: ${what}`)
}
