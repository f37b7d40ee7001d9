import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Attack, addressesOf, unreadable } from './attack.ts'
import { box, ebml, editBoxes, latin1, packedZeros, patched, riff, u16le, u32, u32le } from './bytes.ts'

/** Films and sounds that lie, refer to elsewhere, or swell. */

const track = 'moov/trak/mdia/minf'
const samples = `${track}/stbl`

function film(name: string, ends: Attack['ends'], bytes: Attack['bytes'], more: Partial<Attack> = {}): Attack {
  return { name, filename: 'film.mp4', as: 'video', ends, bytes, quick: true, ...more }
}

const survived = ['processed', ...unreadable, 'output_mismatch'] as const

/** A reference of an alias record: volume, folder, file and its whole path, as QuickTime wrote it. */
function alias(path: string): Buffer {
  const head = Buffer.alloc(150)
  head.writeUInt16BE(2, 4)
  head.write('\x03vol', 10, 'latin1')
  head.write(`${String.fromCharCode(Math.min(63, path.length))}${path}`, 50, 63, 'latin1')
  head.writeInt16BE(1, 130)
  const tag = (type: number, text: string) =>
    Buffer.concat([
      Buffer.from([0, type, text.length >> 8, text.length & 255]),
      latin1(text),
      Buffer.alloc(text.length % 2),
    ])
  return Buffer.concat([
    u32(0),
    head.subarray(4),
    tag(2, path),
    tag(18, path),
    tag(0, ''),
    Buffer.from([255, 255, 0, 0]),
  ])
}

export const filmReferences: Attack[] = [
  film('samples in another file, by address', survived, ({ aims, seeds }) =>
    editBoxes(seeds.mp4, `${track}/dinf/dref`, () => {
      const urls = addressesOf(aims).map((address) => box('url ', u32(0), latin1(`${address}\0`)))
      return Buffer.concat([u32(0, urls.length), ...urls])
    }),
  ),
  film('samples in another file, by alias', survived, ({ aims, seeds }) =>
    editBoxes(seeds.mp4, `${track}/dinf/dref`, () => Buffer.concat([u32(0, 1), box('alis', u32(0), alias(aims.trap))])),
  ),
  film('a film that refers to another', survived, ({ aims, seeds }) => {
    const urls = addressesOf(aims).map((address) =>
      box('rmda', box('rdrf', u32(0), latin1('url '), u32(address.length + 1), latin1(`${address}\0`))),
    )
    return editBoxes(seeds.mp4, 'moov', (moov) => Buffer.concat([box('rmra', ...urls), moov]))
  }),
  film(
    'a Matroska with a playlist attached',
    survived,
    ({ aims, seeds }) => attached(seeds.mkv, '../../../../etc/cron.d/x', `#EXTM3U\n#EXTINF:1,\n${aims.trap}\n`),
    { filename: 'film.mkv' },
  ),
]

/** A file is attached behind all else; readers that skip what they know not read on to it. */
function attached(mkv: Buffer, name: string, text: string): Buffer {
  const file = ebml(
    [0x61, 0xa7],
    ebml([0x46, 0x6e], latin1(name)),
    ebml([0x46, 0x60], latin1('application/vnd.apple.mpegurl')),
    ebml([0x46, 0x5c], latin1(text)),
    ebml([0x46, 0xae], u32(7)),
  )
  const at = mkv.indexOf(Buffer.from('18538067', 'hex'))
  // The segment's size becomes unknown, so that it ends where the file does.
  const opened = patched(mkv, at + 4, Buffer.from('01ffffffffffffff', 'hex'))
  return Buffer.concat([opened, ebml([0x19, 0x41, 0xa4, 0x69], file)])
}

/** Times of samples: so many of so long each. */
const times = (...pairs: number[]) => Buffer.concat([u32(0, pairs.length / 2), u32(...pairs)])

const lies: Attack[] = [
  film('a rate of a thousand million frames a second', survived, ({ seeds }) =>
    editBoxes(seeds.mp4, 'moov/trak/mdia/mdhd', (head) => patched(head, 12, u32(0xffffffff))),
  ),
  film('a rate of a thousand frames a second', ['processed'], ({ seeds }) =>
    editBoxes(seeds.mp4, 'moov/trak/mdia/mdhd', (head) => patched(head, 12, u32(head.readUInt32BE(12) * 40))),
  ),
  film('a length of 136 years', [...survived, 'too_long'], ({ seeds }) =>
    editBoxes(
      editBoxes(seeds.mp4, 'moov/mvhd', (head) => patched(head, 12, u32(1, 0xffffffff))),
      'moov/trak/mdia/mdhd',
      (head) => patched(head, 12, u32(1, 0xffffffff)),
    ),
  ),
  film('frames that each last for days', [...survived, 'too_long'], ({ seeds }) =>
    editBoxes(seeds.mp4, `${samples}/stts`, () => times(25, 0x7fffffff)),
  ),
  film('more frames than bytes in the world', survived, ({ seeds }) =>
    editBoxes(seeds.mp4, `${samples}/stts`, () => times(0xffffffff, 1)),
  ),
  film('a table longer than the file', [...survived, 'memory_exceeded'], ({ seeds }) =>
    editBoxes(seeds.mp4, `${samples}/stts`, () => u32(0, 0x0fffffff, 1, 1)),
  ),
  film('samples of no size, four thousand million', [...survived, 'memory_exceeded'], ({ seeds }) =>
    editBoxes(seeds.mp4, `${samples}/stsz`, () => u32(0, 0, 0xffffffff)),
  ),
  film('samples of one byte, four thousand million', [...survived, 'memory_exceeded'], ({ seeds }) =>
    editBoxes(seeds.mp4, `${samples}/stsz`, () => u32(0, 1, 0xfffffff0)),
  ),
  film('samples that lie behind the end', survived, ({ seeds }) =>
    editBoxes(seeds.mp4, `${samples}/stco`, (table) =>
      Buffer.concat([table.subarray(0, 8), Buffer.alloc(table.length - 8, 0x7f)]),
    ),
  ),
  film('an edit list without end', survived, ({ seeds }) =>
    editBoxes(seeds.mp4, 'moov/trak/edts/elst', () =>
      Buffer.concat([u32(0, 20_000), ...Array<Buffer>(20_000).fill(u32(1, 0, 0x10000))]),
    ),
  ),
  film('boxes within boxes, twenty thousand deep', unreadable, () => {
    const depth = 20_000
    const heads = Array.from({ length: depth }, (_, at) =>
      Buffer.concat([u32((depth - at) * 8), latin1(at === 0 ? 'moov' : 'trak')]),
    )
    return Buffer.concat([box('ftyp', latin1('isom\0\0\0\0isom')), ...heads])
  }),
  film(
    'an index packed a thousandfold',
    [...unreadable, 'memory_exceeded'],
    async () => {
      const mebibytes = 900
      const packed = await packedZeros(mebibytes)
      const index = box('cmov', box('dcom', latin1('zlib')), box('cmvd', u32(mebibytes * 1024 ** 2), packed))
      return Buffer.concat([box('ftyp', latin1('qt  \0\0\0\0qt  ')), box('moov', index)])
    },
    { filename: 'film.mov' },
  ),
  film(
    'frames of 65 500 by 65 500',
    ['too_many_pixels', ...unreadable],
    ({ seeds }) => {
      // The size stands in each frame's own head, whatever the container says.
      const avi = Buffer.from(seeds.avi)
      for (
        let at = avi.indexOf(Buffer.from('ffc0', 'hex'));
        at > 0;
        at = avi.indexOf(Buffer.from('ffc0', 'hex'), at + 2)
      ) {
        if (avi.readUInt16BE(at + 2) === 17) avi.set([0xff, 0xdc, 0xff, 0xdc], at + 5)
      }
      return avi
    },
    { filename: 'film.avi' },
  ),
  film('a thousand tracks', [...survived, 'memory_exceeded'], ({ seeds }) =>
    editBoxes(seeds.mp4, 'moov', (moov) => {
      const at = moov.indexOf('trak') - 4
      const one = moov.subarray(at, at + moov.readUInt32BE(at))
      return Buffer.concat([moov, ...Array<Buffer>(1000).fill(one)])
    }),
  ),
]

const large: Attack[] = [
  film('two frames of 8K', ['processed', 'memory_exceeded'], () => manyPixels('7680x4320', 2), {
    quick: undefined,
  } as never),
  film('frames of 16K', ['too_many_pixels'], () => manyPixels('15360x8640', 1), { quick: undefined } as never),
]

/** In JPEGs, for H.264 is not made that large. */
async function manyPixels(size: string, frames: number): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'large-'))
  try {
    const path = join(folder, 'film.mp4')
    const source = ['-f', 'lavfi', '-i', `color=red:size=${size}:rate=1000`, '-frames:v', String(frames)]
    await promisify(execFile)('ffmpeg', ['-v', 'error', ...source, '-c:v', 'mjpeg', '-pix_fmt', 'yuvj420p', path])
    return await readFile(path)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const cut: Attack[] = [
  ...[0.3, 0.8].map((share) =>
    film(`cut at ${share * 100} %, its index whole`, ['output_mismatch', 'processed'], ({ seeds }) =>
      seeds.longMp4.subarray(0, seeds.longMp4.length * share),
    ),
  ),
  film('cut before its index', unreadable, ({ seeds }) => seeds.mp4.subarray(0, seeds.mp4.length / 2)),
  film('a cut Matroska', survived, ({ seeds }) => seeds.mkv.subarray(0, seeds.mkv.length * 0.4), {
    filename: 'film.mkv',
  }),
  film('a cut transport stream', survived, ({ seeds }) => seeds.ts.subarray(0, seeds.ts.length * 0.4), {
    filename: 'film.ts',
  }),
  film('zeros in place of its frames', ['undecodable', 'output_mismatch'], ({ seeds }) =>
    editBoxes(seeds.mp4, 'mdat', (data) => Buffer.alloc(data.length)),
  ),
  film('noise in place of its frames', survived, ({ seeds }) =>
    editBoxes(seeds.mp4, 'mdat', (data) => Buffer.from(data.map((byte, at) => (byte * 31 + at * 17) & 255))),
  ),
  film('a film with an archive behind it', ['processed'], ({ seeds, aims }) =>
    Buffer.concat([seeds.mp4, latin1(`PK\x03\x04${aims.words}<script>`)]),
  ),
]

function wav(channels: number, rate: number, bits: number): Buffer {
  const format = Buffer.concat([u16le(1, channels), u32le(rate, rate * channels), u16le(channels, bits)])
  return riff('RIFF', latin1('WAVE'), riff('fmt ', format), riff('data', Buffer.alloc(100_000, 7)))
}

const sounds: Attack[] = [
  ...[
    [65_535, 44_100, 8],
    [1, 0xffffffff, 8],
    [1, 0, 8],
    [2, 44_100, 0xffff],
    [255, 768_000, 8],
  ].map(([channels = 0, rate = 0, bits = 0]) =>
    film(`sound of ${channels} channels, ${rate} Hz and ${bits} bits`, survived, () => wav(channels, rate, bits), {
      filename: 'song.wav',
      as: 'audio',
    }),
  ),
  film(
    'a tag that claims 256 MiB',
    survived,
    ({ seeds }) => Buffer.concat([latin1('ID3\x04\0\0\x7f\x7f\x7f\x7f'), seeds.mp3]),
    { filename: 'song.mp3', as: 'audio' },
  ),
  film(
    'a cover of 65 535 by 65 535',
    ['processed'],
    ({ seeds }) => {
      const head = Buffer.concat([u32(65_535, 65_535), Buffer.from([8, 6, 0, 0, 0])])
      const cover = Buffer.concat([seeds.png.subarray(0, 8), box('IHDR', head), Buffer.alloc(2000)])
      const frame = Buffer.concat([latin1('APIC'), u32(cover.length + 14), latin1('\0\0\0image/png\0\x03\0'), cover])
      const size = frame.length
      const tag = Buffer.from([
        73,
        68,
        51,
        3,
        0,
        0,
        (size >> 21) & 127,
        (size >> 14) & 127,
        (size >> 7) & 127,
        size & 127,
      ])
      return Buffer.concat([tag, frame, seeds.mp3])
    },
    { filename: 'song.mp3', as: 'audio' },
  ),
]

export const films: Attack[] = [...filmReferences, ...lies, ...large, ...cut, ...sounds]
