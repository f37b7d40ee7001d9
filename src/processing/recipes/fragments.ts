import type { FileHandle } from 'node:fs/promises'
import { MediaError } from '../../media/errors.ts'
import { openLeft, readAt, readLeft } from '../tools/left.ts'

/**
 * Reads the fragmented MP4 that ffmpeg wrote for us, so that playlists say what is there and not what was asked for.
 * ISO/IEC 14496-12 (boxes), 14496-15 (avcC), 14496-1 (esds). Streams of one track.
 */

/** What a stream's init segment says of its track. */
export interface Init {
  /** RFC 6381: `avc1.64001f`, `mp4a.40.2`. */
  codec: string
  /** Ticks a second. */
  timescale: number
  /** Of sound; null of a picture. */
  channels: number | null
  /** The segment without what the tool says of itself in it. */
  bytes: Buffer
}

export interface Segment {
  /** Bytes. */
  size: number
  /** Ticks. */
  start: number
  duration: number
  samples: number
  /** Whether its first picture is one that decoding can begin with (IDR). */
  independent: boolean
}

interface Box {
  type: string
  /** Of the box, and of what is in it. */
  start: number
  body: number
  end: number
}

const containers = ['moov', 'trak', 'mdia', 'minf', 'stbl', 'moof', 'traf']
const longestHead = 16 * 1024 ** 2

export async function readInit(path: string): Promise<Init> {
  const bytes = await readLeft(path, longestHead)
  const boxes = [...boxesIn(bytes, 0, bytes.length)]
  const find = (type: string) => boxes.find((box) => box.type === type) ?? fail(`no ${type} in an init segment`)
  const mdhd = find('mdhd').body
  const timescale = bytes.readUInt32BE(mdhd + (bytes[mdhd] === 1 ? 20 : 12))
  // Version, flags and the number of entries come before the first of them.
  const [entry] = [...boxesIn(bytes, find('stsd').body + 8, find('stsd').end)]
  if (!entry || timescale === 0) return fail('an init segment without a track')
  return { ...codecOf(bytes, entry), timescale, bytes: withoutUserData(bytes, boxes) }
}

function codecOf(bytes: Buffer, entry: Box): { codec: string; channels: number | null } {
  if (entry.type === 'avc1') {
    const [avcC] = [...boxesIn(bytes, entry.body + 78, entry.end)].filter(({ type }) => type === 'avcC')
    if (!avcC) return fail('no avcC')
    return { codec: `avc1.${bytes.toString('hex', avcC.body + 1, avcC.body + 4)}`, channels: null }
  }
  const [esds] = [...boxesIn(bytes, entry.body + 28, entry.end)].filter(({ type }) => type === 'esds')
  if (entry.type !== 'mp4a' || !esds) return fail(`a track of ${entry.type}`)
  const specific = decoderSpecific(bytes.subarray(esds.body + 4, esds.end))
  // Five bits of object type, then four of sampling frequency; 31 is written in eleven bits.
  const first = (specific[0] ?? 0) >> 3
  const type = first === 31 ? 32 + ((((specific[0] ?? 0) & 7) << 3) | ((specific[1] ?? 0) >> 5)) : first
  return { codec: `mp4a.40.${type}`, channels: bytes.readUInt16BE(entry.body + 16) }
}

/** Descriptors lie within one another, each with a tag and a length of seven bits a byte: 3 (ES) > 4 (decoder) > 5 (its own). */
function decoderSpecific(bytes: Buffer): Buffer {
  let at = 0
  while (at < bytes.length) {
    const tag = bytes[at++]
    let length = 0
    for (let more = 0x80; more & 0x80; ) {
      more = bytes[at++] ?? 0
      length = (length << 7) | (more & 0x7f)
    }
    if (tag === 5) return bytes.subarray(at, at + length)
    // What comes before the descriptors within: an id and flags of three bytes, thirteen bytes of the decoder's.
    at += tag === 3 ? 3 : tag === 4 ? 13 : length
  }
  return fail('no decoder configuration in esds')
}

/** Nothing in a fragmented file points into it by place, so that boxes may be left out. */
function withoutUserData(bytes: Buffer, boxes: readonly Box[]): Buffer {
  const moov = boxes.find(({ type }) => type === 'moov')
  const dropped = boxes.find(({ type, start }) => type === 'udta' && start > (moov?.start ?? 0))
  if (!moov || !dropped) return bytes
  const kept = Buffer.concat([bytes.subarray(0, dropped.start), bytes.subarray(dropped.end)])
  kept.writeUInt32BE(moov.end - moov.start - (dropped.end - dropped.start), moov.start)
  return kept
}

/** Boxes in order, and those within the ones that we look into. */
function* boxesIn(bytes: Buffer, from: number, to: number): Generator<Box, void> {
  for (let at = from; at + 8 <= to; ) {
    const size = bytes.readUInt32BE(at)
    const type = bytes.toString('latin1', at + 4, at + 8)
    const end = at + size
    if (size < 8 || end > to) return fail(`a box ${type} of ${size} bytes`)
    yield { type, start: at, body: at + 8, end }
    if (containers.includes(type)) yield* boxesIn(bytes, at + 8, end)
    at = end
  }
}

/** Reads where things are, never the pictures themselves. */
export async function readSegment(path: string): Promise<Segment> {
  const file = await openLeft(path)
  try {
    const { size } = await file.stat()
    const segment: Segment = { size, start: 0, duration: 0, samples: 0, independent: false }
    for (let at = 0; at + 8 <= size; ) {
      const head = await readAt(file, at, 16)
      const length = lengthOf(head)
      if (length < 8 || at + length > size) return fail('a segment cut short')
      if (head.toString('latin1', 4, 8) === 'moof') await addFragment(file, segment, { at, length })
      at += length
    }
    return segment.samples > 0 ? segment : fail('a segment of nothing')
  } finally {
    await file.close()
  }
}

function lengthOf(head: Buffer): number {
  const short = head.readUInt32BE(0)
  return short === 1 && head.length >= 16 ? Number(head.readBigUInt64BE(8)) : short
}

async function addFragment(
  file: FileHandle,
  segment: Segment,
  { at, length }: { at: number; length: number },
): Promise<void> {
  if (length > longestHead) return fail('a fragment with a head of many megabytes')
  const bytes = await readAt(file, at, length)
  const boxes = [...boxesIn(bytes, 8, length)]
  const body = (type: string) => boxes.find((box) => box.type === type)?.body ?? fail(`a fragment without ${type}`)
  const runs = boxes.filter(({ type }) => type === 'trun').map((run) => readRun(bytes, run.body, body('tfhd')))
  const first = runs[0] ?? fail('a fragment without samples')
  if (segment.samples === 0) {
    segment.start = readTime(bytes, body('tfdt'))
    segment.independent = await beginsWithIdr(file, at + first.offset, first.firstSize)
  }
  for (const { samples, duration } of runs) {
    segment.samples += samples
    segment.duration += duration
  }
}

function readTime(bytes: Buffer, at: number): number {
  return bytes[at] === 1 ? Number(bytes.readBigUInt64BE(at + 4)) : bytes.readUInt32BE(at + 4)
}

/** A run of samples; what it does not say of each, the fragment's header says of all. */
function readRun(bytes: Buffer, at: number, tfhd: number) {
  const flags = bytes.readUInt32BE(at) & 0xffffff
  const samples = bytes.readUInt32BE(at + 4)
  let next = at + 8
  const offset = flags & 0x1 ? bytes.readInt32BE(next) : 0
  next += (flags & 0x1 ? 4 : 0) + (flags & 0x4 ? 4 : 0)
  const defaults = readDefaults(bytes, tfhd)
  let duration = 0
  let firstSize = defaults.size
  for (let sample = 0; sample < samples; sample++) {
    duration += flags & 0x100 ? bytes.readUInt32BE(next) : defaults.duration
    next += flags & 0x100 ? 4 : 0
    if (sample === 0 && flags & 0x200) firstSize = bytes.readUInt32BE(next)
    next += (flags & 0x200 ? 4 : 0) + (flags & 0x400 ? 4 : 0) + (flags & 0x800 ? 4 : 0)
  }
  return { samples, duration, offset, firstSize }
}

function readDefaults(bytes: Buffer, at: number): { duration: number; size: number } {
  const flags = bytes.readUInt32BE(at) & 0xffffff
  let next = at + 8 + (flags & 0x1 ? 8 : 0) + (flags & 0x2 ? 4 : 0)
  const duration = flags & 0x8 ? bytes.readUInt32BE(next) : 0
  next += flags & 0x8 ? 4 : 0
  return { duration, size: flags & 0x10 ? bytes.readUInt32BE(next) : 0 }
}

/** H.264's units stand behind lengths of four bytes; parameters and notes may come before the picture. Sound has none. */
async function beginsWithIdr(file: FileHandle, from: number, size: number): Promise<boolean> {
  for (let at = from; at + 5 <= from + size; ) {
    const head = await readAt(file, at, 5)
    const type = (head[4] ?? 0) & 0x1f
    if (type >= 1 && type <= 5) return type === 5
    at += 4 + head.readUInt32BE(0)
  }
  return false
}

function fail(what: string): never {
  throw new MediaError('output_mismatch', `the stream is not as planned: ${what}`)
}
