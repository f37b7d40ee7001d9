import { audio, type Sniffed, video } from './sniffed.ts'

/** Sound whose files have no signature, only frames one after another: MP3, AAC in ADTS; with or without a tag before. */
export function sniffSound(bytes: Buffer): Sniffed | null {
  const tag = tagLength(bytes)
  if (tag === null) return [0x00, 0xff].includes(bytes[0] ?? -1) ? sniffFrames(bytes) : null
  const rest = bytes.subarray(tag)
  if (rest.toString('latin1', 0, 4) === 'fLaC') return audio('audio/flac', 'flac')
  // A cover larger than the head hides what follows; only such files carry that tag.
  return rest.length < longestFrame ? audio('audio/mpeg', 'mp3') : sniffFrames(rest)
}

/** First pages of all streams of an Ogg file tell their codecs. https://www.rfc-editor.org/rfc/rfc3533 */
export function sniffOgg(bytes: Buffer): Sniffed | null {
  if (bytes.toString('latin1', 0, 4) !== 'OggS') return null
  const starts: string[] = []
  for (let at = 0; bytes.toString('latin1', at, at + 4) === 'OggS' && ((bytes[at + 5] ?? 0) & 2) !== 0; ) {
    const segments = bytes[at + 26] ?? 0
    const data = at + 27 + segments
    starts.push(bytes.toString('latin1', data, data + 8))
    at = data + bytes.subarray(at + 27, data).reduce((sum, length) => sum + length, 0)
  }
  const has = (name: string) => starts.some((start) => start.startsWith(name))
  if (has('\x80theora') || has('\x01video')) return video('video/ogg', 'ogv')
  if (has('OpusHead')) return audio('audio/ogg', 'opus')
  return ['\x01vorbis', '\x7fFLAC', 'Speex   '].some(has) ? audio('audio/ogg', 'ogg') : null
}

const longestFrame = 2048
/** Players skip padding before the first frame; so do we, this far. */
const paddingLimit = 4096
/** Frames that must follow one another: one sync word is found in any noise. */
const framesToTrust = 3

/** Bytes of the ID3v2 tags at the start; null when there are none. https://id3.org/id3v2.4.0-structure */
function tagLength(bytes: Buffer): number | null {
  let at = 0
  while (bytes.toString('latin1', at, at + 3) === 'ID3' && at + 10 <= bytes.length) {
    const [version = 0, , flags = 0, ...size] = bytes.subarray(at + 3, at + 10)
    if (version < 2 || version > 4 || size.some((byte) => byte > 0x7f)) break
    at += 10 + size.reduce((sum, byte) => sum * 128 + byte, 0) + (flags & 0x10 ? 10 : 0)
  }
  return at === 0 ? null : at
}

function sniffFrames(bytes: Buffer): Sniffed | null {
  const end = Math.min(bytes.length - 4, paddingLimit)
  for (let at = 0; at <= end; at++) {
    if (bytes[at] !== 0xff) continue
    if (followsItself(bytes, at, mpegFrame)) return audio('audio/mpeg', 'mp3')
    if (followsItself(bytes, at, adtsFrame)) return audio('audio/aac', 'aac')
  }
  return null
}

interface Frame {
  length: number
  /** What all frames of a file share. */
  kind: number
}

/** Whether frames of one kind lie end to end from `at`: enough of them, or to the very end. */
function followsItself(bytes: Buffer, at: number, read: (bytes: Buffer, at: number) => Frame | null): boolean {
  let frames = 0
  let kind: number | null = null
  for (let next = at; frames < framesToTrust; frames++) {
    if (next === bytes.length && frames > 0) return true
    const frame = next + 7 <= bytes.length ? read(bytes, next) : null
    if (!frame || (kind !== null && frame.kind !== kind)) return false
    kind = frame.kind
    next += frame.length
  }
  return true
}

// kbit/s by index: MPEG-1 layers I, II, III; MPEG-2 and 2.5 layer I, layers II and III. ISO/IEC 11172-3, 13818-3.
const bitrates = {
  v1: [
    [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
    [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  ],
  v2: [
    [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
    [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
  ],
} as const
const sampleRates = [44_100, 48_000, 32_000] as const

function mpegFrame(bytes: Buffer, at: number): Frame | null {
  const header = bytes.readUInt32BE(at)
  if (header >>> 21 !== 0x7ff) return null
  const version = (header >>> 19) & 3 // 0: 2.5, 2: 2, 3: 1
  const layer = 4 - ((header >>> 17) & 3) // 1–3, 4 is reserved
  const bitrate = bitrates[version === 3 ? 'v1' : 'v2'][layer - 1]?.[((header >>> 12) & 15) - 1]
  const base = sampleRates[(header >>> 10) & 3]
  if (version === 1 || bitrate === undefined || base === undefined) return null
  const rate = version === 3 ? base : version === 2 ? base / 2 : base / 4
  const padding = (header >>> 9) & 1
  const samples = layer === 3 && version !== 3 ? 72 : 144
  const length =
    layer === 1
      ? (Math.floor((12_000 * bitrate) / rate) + padding) * 4
      : Math.floor((samples * 1000 * bitrate) / rate) + padding
  return { length, kind: header & 0xfffe0c00 }
}

function adtsFrame(bytes: Buffer, at: number): Frame | null {
  const header = bytes.readUInt32BE(at)
  // Sync word, any MPEG version, layer 0.
  if ((header & 0xfff60000) >>> 0 !== 0xfff00000) return null
  const rate = (header >>> 10) & 15
  const length = ((header & 3) << 11) | ((bytes[at + 4] ?? 0) << 3) | ((bytes[at + 5] ?? 0) >>> 5)
  return rate > 12 || length < 7 ? null : { length, kind: header & 0xffff3c00 }
}
