import { sniffFileFormat } from './sniff-boxes.ts'
import { sniffOgg, sniffSound } from './sniff-sound.ts'
import { sniffSvg } from './sniff-svg.ts'
import { audio, image, type Sniffed, video } from './sniffed.ts'

export type { Sniffed } from './sniffed.ts'

/**
 * The type of a file from its head (64 KiB, or all of it when shorter), or null when it is no media that we take:
 * playlists, pages, archives, documents, programs. A claim for the door; the worker's probe has the last word.
 */
export function sniff(head: Uint8Array): Sniffed | null {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength)
  for (const look of [sniffSignature, sniffRiff, sniffFileFormat, sniffMatroska, sniffAsf, sniffOgg, sniffTransport]) {
    const found = look(bytes)
    if (found) return found
  }
  return sniffSound(bytes) ?? sniffSvg(bytes)
}

/** Formats told by their first bytes alone, in latin1. */
const signatures: readonly (readonly [start: string, type: Sniffed])[] = [
  ['\xff\xd8\xff', image('image/jpeg', 'jpg')],
  ['GIF87a', image('image/gif', 'gif')],
  ['GIF89a', image('image/gif', 'gif')],
  ['II*\0', image('image/tiff', 'tiff')],
  ['MM\0*', image('image/tiff', 'tiff')],
  ['II+\0', image('image/tiff', 'tiff')],
  ['MM\0+', image('image/tiff', 'tiff')],
  ['FLV\x01', video('video/x-flv', 'flv')],
  ['\0\0\x01\xba', video('video/mpeg', 'mpg')],
  ['\0\0\x01\xb3', video('video/mpeg', 'mpg')],
  ['.RMF', video('application/vnd.rn-realmedia', 'rm')],
  ['\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01', video('application/mxf', 'mxf')],
  ['fLaC', audio('audio/flac', 'flac')],
  ['#!AMR\n', audio('audio/amr', 'amr')],
  ['#!AMR-WB\n', audio('audio/amr-wb', 'awb')],
  ['caff\0\x01', audio('audio/x-caf', 'caf')],
  ['\x0b\x77', audio('audio/ac3', 'ac3')],
  ['.snd\0\0', audio('audio/basic', 'au')],
  ['TTA1', audio('audio/x-tta', 'tta')],
  ['MAC \x96\x0f', audio('audio/x-ape', 'ape')],
  ['riff\x2e\x91\xcf\x11', audio('audio/x-w64', 'w64')],
  ['wvpk', audio('audio/x-wavpack', 'wv')],
]

const png = '\x89PNG\r\n\x1a\n'

function sniffSignature(bytes: Buffer): Sniffed | null {
  const start = bytes.toString('latin1', 0, 16)
  if (start.startsWith(png)) {
    // An animation says so before its first picture.
    const control = bytes.indexOf('acTL')
    const animated = control >= 0 && control < bytes.indexOf('IDAT')
    return animated ? image('image/apng', 'png') : image('image/png', 'png')
  }
  return signatures.find(([signature]) => start.startsWith(signature))?.[1] ?? null
}

function sniffRiff(bytes: Buffer): Sniffed | null {
  const kind = bytes.toString('latin1', 8, 12)
  switch (bytes.toString('latin1', 0, 4)) {
    case 'RIFF':
    case 'RF64':
      if (kind === 'WAVE') return audio('audio/wav', 'wav')
      if (kind === 'AVI ') return video('video/x-msvideo', 'avi')
      return kind === 'WEBP' ? image('image/webp', 'webp') : null
    case 'FORM':
      return kind === 'AIFF' || kind === 'AIFC' ? audio('audio/aiff', 'aiff') : null
    default:
      return null
  }
}

/** EBML; the document type stands in its header. https://www.rfc-editor.org/rfc/rfc8794 */
function sniffMatroska(bytes: Buffer): Sniffed | null {
  if (bytes.length < 4 || bytes.readUInt32BE(0) !== 0x1a45dfa3) return null
  const header = bytes.subarray(4, 4096)
  const at = header.indexOf(Buffer.from([0x42, 0x82]))
  const kind = at < 0 ? '' : header.toString('latin1', at + 3, at + 11)
  if (kind.startsWith('webm')) return video('video/webm', 'webm')
  return kind === 'matroska' ? video('video/x-matroska', 'mkv') : null
}

const asfHeader = Buffer.from('3026b2758e66cf11a6d900aa0062ce6c', 'hex')
const asfVideo = Buffer.from('c0ef19bc4d5bcf11a8fd00805f5c442b', 'hex')
const asfAudio = Buffer.from('409e69f84d5bcf11a8fd00805f5c442b', 'hex')

function sniffAsf(bytes: Buffer): Sniffed | null {
  if (!bytes.subarray(0, 16).equals(asfHeader)) return null
  const soundOnly = bytes.includes(asfAudio) && !bytes.includes(asfVideo)
  return soundOnly ? audio('audio/x-ms-wma', 'wma') : video('video/x-ms-wmv', 'wmv')
}

/** MPEG-TS has no header, only a sync byte at the start of each packet: of 188 bytes, or 192 on Blu-ray and cameras. */
function sniffTransport(bytes: Buffer): Sniffed | null {
  for (const [packet, at] of [
    [188, 0],
    [192, 4],
  ] as const) {
    const count = Math.min(8, Math.floor((bytes.length - at) / packet))
    const inSync = Array.from({ length: count }, (_, n) => bytes[at + n * packet]).every((byte) => byte === 0x47)
    if (count >= 3 && inSync) return video('video/mp2t', 'ts')
  }
  return null
}
