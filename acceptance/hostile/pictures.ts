import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { deflateSync } from 'node:zlib'
import sharp from 'sharp'
import { type Attack, textAttack, unreadable } from './attack.ts'
import { latin1, packedZeros, patched, pngChunk, riff, u16le, u32, u32le } from './bytes.ts'

/** Pictures that are larger than they look, never end, or are something else besides. */

function picture(
  name: string,
  filename: string,
  ends: Attack['ends'],
  bytes: Attack['bytes'],
  more: Partial<Attack> = {},
): Attack {
  return { name, filename, as: 'image', ends, bytes, quick: true, ...more }
}

const survived = ['processed', ...unreadable, 'too_many_pixels', 'memory_exceeded'] as const
const heavy = { quick: undefined } as unknown as Partial<Attack>

const pngMark = Buffer.from('89504e470d0a1a0a', 'hex')
const pngHead = (width: number, height: number, depth = 8, kind = 2) =>
  pngChunk('IHDR', u32(width, height), Buffer.from([depth, kind, 0, 0, 0]))

/** A PNG with more chunks behind its head. */
function pngWith(png: Buffer, ...chunks: Buffer[]): Buffer {
  return Buffer.concat([png.subarray(0, 33), ...chunks, png.subarray(33)])
}

/** One bit a pixel, all of it zeros: the smallest file of its size. */
async function blackPng(side: number): Promise<Buffer> {
  const rows = await packedZeros((side * (Math.ceil(side / 8) + 1)) / 1024 ** 2)
  return Buffer.concat([pngMark, pngHead(side, side, 1, 0), pngChunk('IDAT', rows), pngChunk('IEND')])
}

const plain = (side: number) =>
  sharp({ create: { width: side, height: side, channels: 3, background: '#336699' }, limitInputPixels: false })

async function plainHeic(side: number): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'heic-'))
  const [png, heic] = [join(folder, 'plain.png'), join(folder, 'plain.heic')]
  try {
    await plain(side).png({ compressionLevel: 1 }).toFile(png)
    await promisify(execFile)('heif-enc', ['-q', '20', '-p', 'preset=ultrafast', png, '-o', heic])
    return await readFile(heic)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const bombs: Attack[] = [
  picture('a PNG of 65 535 by 65 535', 'photo.png', ['too_many_pixels'], ({ seeds }) =>
    Buffer.concat([pngMark, pngHead(65_535, 65_535), seeds.png.subarray(33)]),
  ),
  picture('a PNG of two thousand million by one', 'photo.png', survived, ({ seeds }) =>
    Buffer.concat([pngMark, pngHead(0x7fffffff, 1), seeds.png.subarray(33)]),
  ),
  picture('a PNG of 40 000 by 40 000, whole', 'photo.png', ['too_many_pixels'], () => blackPng(40_000), heavy),
  picture('a PNG as large as we take', 'photo.png', ['processed', 'memory_exceeded'], () => blackPng(10_000), heavy),
  picture('a JPEG of 65 500 by 65 500', 'photo.jpg', ['too_many_pixels'], ({ seeds }) =>
    patched(seeds.jpeg, seeds.jpeg.indexOf(Buffer.from('ffc0', 'hex')) + 5, Buffer.from('ffdcffdc', 'hex')),
  ),
  picture('a WebP of 16 383 by 16 383', 'photo.webp', ['too_many_pixels'], () =>
    riff('RIFF', latin1('WEBP'), riff('VP8L', Buffer.from([0x2f, 0xfe, 0xbf, 0xff, 0x0f]), Buffer.alloc(64))),
  ),
  picture('a WebP canvas of 16 million by 16 million', 'photo.webp', survived, () =>
    riff(
      'RIFF',
      latin1('WEBP'),
      riff('VP8X', Buffer.from([2, 0, 0, 0, 255, 255, 255, 255, 255, 255])),
      riff('ANIM', Buffer.alloc(6)),
    ),
  ),
  picture(
    'a WebP as large as we take',
    'photo.webp',
    ['processed', 'memory_exceeded'],
    () => plain(10_000).webp({ effort: 0 }).toBuffer(),
    heavy,
  ),
  picture(
    'a progressive JPEG as large as we take',
    'photo.jpg',
    ['processed', 'memory_exceeded'],
    () => plain(10_000).jpeg({ progressive: true, quality: 20 }).toBuffer(),
    heavy,
  ),
  picture(
    'a GIF as large as we take',
    'photo.gif',
    ['processed', 'memory_exceeded'],
    () => plain(10_000).gif({ effort: 1 }).toBuffer(),
    heavy,
  ),
  picture(
    'a TIFF as large as we take, in one strip',
    'photo.tiff',
    ['processed', 'memory_exceeded'],
    () => plain(10_000).tiff({ compression: 'deflate' }).toBuffer(),
    heavy,
  ),
  picture(
    'an AVIF of 8 000 by 8 000',
    'photo.avif',
    ['processed'],
    () => plain(8_000).avif({ effort: 0, chromaSubsampling: '4:4:4' }).toBuffer(),
    heavy,
  ),
  picture('a HEIC of 8 000 by 8 000', 'photo.heic', ['processed'], () => plainHeic(8_000), heavy),
  picture(
    'an AVIF as large as we take',
    'photo.avif',
    ['processed', 'memory_exceeded'],
    () => plain(10_000).avif({ effort: 0 }).toBuffer(),
    heavy,
  ),
  picture(
    'an animation as long and as large as we take',
    'photo.gif',
    ['processed', 'memory_exceeded', 'deadline_exceeded'],
    () => noisyAnimation(170, 99),
    heavy,
  ),
  picture(
    'an interlaced PNG as large as we take',
    'photo.png',
    ['processed', 'memory_exceeded'],
    async () => await plain(10_000).png({ progressive: true, compressionLevel: 1 }).toBuffer(),
    heavy,
  ),
  picture('a GIF of ten thousand frames', 'photo.gif', survived, ({ seeds }) => manyFrames(seeds.gif, 10_000, 1000)),
  picture(
    'a GIF of fifty thousand frames',
    'photo.gif',
    survived,
    ({ seeds }) => manyFrames(seeds.gif, 50_000, 2000),
    heavy,
  ),
]

/** Twenty frames of noise, again and again. */
async function noisyAnimation(side: number, rounds: number): Promise<Buffer> {
  const noise = Buffer.alloc(side * side * 20 * 3)
  for (let at = 0, state = 1; at < noise.length; at++) noise[at] = state = (state * 1103515245 + 12345) >>> 16
  const raw = { width: side, height: side * 20, channels: 3 as const, pageHeight: side }
  const gif = await sharp(noise, { raw }).gif({ effort: 1 }).toBuffer()
  const frames = gif.subarray(gif.indexOf(Buffer.from('21f904', 'hex')), -1)
  return Buffer.concat([gif.subarray(0, -1), ...Array<Buffer>(rounds - 1).fill(frames), gif.subarray(-1)])
}

/** The same frame again and again, on a larger canvas. */
function manyFrames(gif: Buffer, count: number, side: number): Buffer {
  const table = gif[10] ?? 0
  const start = 13 + (table & 0x80 ? 3 * 2 ** ((table & 7) + 1) : 0)
  const frame = Buffer.concat([
    Buffer.from('21f904000100000000', 'hex').subarray(0, 8),
    gif.subarray(gif.indexOf(0x2c, start), gif.length - 1),
  ])
  return Buffer.concat([
    patched(gif.subarray(0, start), 6, u16le(side, side)),
    ...Array<Buffer>(count).fill(frame),
    latin1(';'),
  ])
}

const swelling: Attack[] = [
  ...(
    [
      ['zTXt', latin1('Comment\0\0')],
      ['iTXt', latin1('Comment\0\x01\0\0\0')],
      ['iCCP', latin1('profile\0\0')],
    ] as const
  ).map(([type, head]) =>
    picture(`a PNG with a gibibyte in ${type}`, 'photo.png', ['processed', 'undecodable'], async ({ seeds }) =>
      pngWith(seeds.png, pngChunk(type, head, await packedZeros(1024))),
    ),
  ),
  picture('a PNG with two hundred thousand texts', 'photo.png', survived, ({ seeds }) =>
    pngWith(seeds.png, Buffer.concat(Array<Buffer>(200_000).fill(pngChunk('tEXt', latin1('Comment\0hello'))))),
  ),
  picture(
    'a PNG with a text of 100 MB, not packed',
    'photo.png',
    survived,
    ({ seeds }) => pngWith(seeds.png, pngChunk('tEXt', latin1('Comment\0'), Buffer.alloc(90_000_000, 65))),
    heavy,
  ),
  picture(
    'a JPEG of ninety scans as large as we take',
    'photo.jpg',
    [...survived, 'deadline_exceeded'],
    () => manyScans(10_000, 90),
    heavy,
  ),
  picture(
    'a JPEG of a thousand scans',
    'photo.jpg',
    [...survived, 'deadline_exceeded'],
    () => manyScans(2000, 1000),
    heavy,
  ),
  picture('a JPEG of thirty thousand scans', 'photo.jpg', [...survived, 'deadline_exceeded'], () =>
    manyScans(64, 30_000),
  ),
]

/** The last scan of a progressive picture again and again: each is a walk over all of it. */
async function manyScans(side: number, count: number): Promise<Buffer> {
  const jpeg = await plain(side).jpeg({ progressive: true }).toBuffer()
  const start = jpeg.lastIndexOf(Buffer.from('ffda', 'hex'))
  const scan = jpeg.subarray(start, jpeg.length - 2)
  return Buffer.concat([jpeg.subarray(0, start), ...Array<Buffer>(count).fill(scan), jpeg.subarray(-2)])
}

/** A directory of a TIFF, little endian: entries of tag, type, count and value, then where the next one is. */
function tiff(next: number, tags: Record<number, number>): Buffer {
  const entries = Object.entries(tags).map(([tag, value]) => Buffer.concat([u16le(Number(tag), 4), u32le(1, value)]))
  return Buffer.concat([latin1('II*\0'), u32le(8), u16le(entries.length), ...entries, u32le(next), Buffer.alloc(256)])
}
const gray = { 258: 8, 259: 1, 262: 1, 277: 1 }
const small = { 256: 16, 257: 16, ...gray, 273: 150, 278: 16, 279: 256 }

const lies: Attack[] = [
  picture('a TIFF whose directories go in a circle', 'photo.tiff', survived, () => tiff(8, small)),
  picture('a TIFF of four thousand million by four thousand million', 'photo.tiff', survived, () =>
    tiff(0, { ...small, 256: 0xffffffff, 257: 0xffffffff }),
  ),
  picture('a TIFF whose strip is larger than the file', 'photo.tiff', survived, () =>
    tiff(0, { ...small, 279: 0xffffffff }),
  ),
  picture('a TIFF whose strip lies behind the end', 'photo.tiff', survived, () =>
    tiff(0, { ...small, 273: 0xfffffff0 }),
  ),
  picture('a TIFF of sixty-five thousand samples a pixel', 'photo.tiff', survived, () =>
    tiff(0, { ...small, 277: 65_535 }),
  ),
  picture('a TIFF with one strip a row, four thousand million', 'photo.tiff', survived, () =>
    tiff(0, { ...small, 257: 0x7fffffff, 278: 1 }),
  ),
  picture('an AVIF that claims 65 535 by 65 535', 'photo.avif', survived, ({ seeds }) =>
    patched(seeds.avif, seeds.avif.indexOf('ispe') + 8, u32(65_535, 65_535)),
  ),
  picture('an AVIF that claims to be a grid', 'photo.avif', survived, ({ seeds }) =>
    patched(seeds.avif, seeds.avif.indexOf('av01', seeds.avif.indexOf('infe')), latin1('grid')),
  ),
  picture('an AVIF that claims to be a HEIC', 'photo.heic', survived, ({ seeds }) =>
    latin1(
      seeds.avif.toString('latin1').replaceAll('avif', 'heic').replaceAll('av01', 'hvc1').replaceAll('av1C', 'hvcC'),
    ),
  ),
  picture('a cut JPEG', 'photo.jpg', ['undecodable'], async () =>
    (await plain(400).jpeg().toBuffer()).subarray(0, 900),
  ),
  picture('a cut PNG', 'photo.png', ['undecodable'], async () =>
    (
      await sharp({
        create: {
          width: 300,
          height: 300,
          channels: 3,
          background: '#000',
          noise: { type: 'gaussian', mean: 99, sigma: 50 },
        },
      })
        .png()
        .toBuffer()
    ).subarray(0, 9000),
  ),
]

const polyglots: Attack[] = [
  picture('a GIF that is a script', 'photo.gif', survived, ({ seeds, aims }) =>
    Buffer.concat([seeds.gif, latin1(`*/=1;fetch('http://127.0.0.1:${aims.tcp.v4}/');/*${aims.words}`)]),
  ),
  picture('a GIF that is a script from its first byte', 'photo.gif', survived, ({ aims }) =>
    latin1(`GIF89a/*${'\0'.repeat(20)}*/=1;alert('${aims.words}')`),
  ),
  picture('a JPEG that is an archive', 'photo.jpg', ['processed'], ({ seeds, aims }) =>
    Buffer.concat([seeds.jpeg, latin1(`PK\x03\x04${aims.words}`)]),
  ),
  picture('a JPEG with a page in its comment', 'photo.jpg', ['processed'], ({ seeds, aims }) => {
    const comment = latin1(`<html><script>${aims.words}</script><?php system('id') ?>`)
    return Buffer.concat([
      seeds.jpeg.subarray(0, 2),
      Buffer.from([0xff, 0xfe, 0, comment.length + 2]),
      comment,
      seeds.jpeg.subarray(2),
    ])
  }),
  picture('a PNG with a page in its text', 'photo.png', ['processed'], ({ seeds, aims }) =>
    pngWith(seeds.png, pngChunk('tEXt', latin1(`Comment\0<script>${aims.words}</script>`))),
  ),
  picture('a PNG whose colour profile is none', 'photo.png', survived, ({ seeds }) =>
    pngWith(seeds.png, pngChunk('iCCP', latin1('p\0\0'), deflateSync(Buffer.alloc(5000, 0xff)))),
  ),
  textAttack('a document with a picture in it', 'photo.jpg', 'image', () => '%PDF-1.7\n\xff\xd8\xff\xe0'),
  textAttack(
    'a drawing of ImageMagick',
    'photo.jpg',
    'image',
    (aims) =>
      `push graphic-context\nviewbox 0 0 640 480\nfill 'url(http://127.0.0.1:${aims.tcp.v4}/x.jpg"|cat "${aims.trap}")'\nimage over 0,0 0,0 'label:@${aims.trap}'\npop graphic-context\n`,
  ),
  textAttack(
    'a script of ImageMagick',
    'photo.png',
    'image',
    (aims) => `<?xml version="1.0"?><image><read filename="${aims.trap}"/><write filename="/tmp/x.png"/></image>`,
  ),
  textAttack('PostScript', 'photo.jpg', 'image', (aims) => `%!PS-Adobe-3.0 EPSF-3.0\n(${aims.trap}) (r) file\n`),
  textAttack('an XPM', 'photo.png', 'image', () => '/* XPM */\nstatic char *x[] = {"1 1 1 1","a c None","a"};'),
]

export const pictures: Attack[] = [...bombs, ...swelling, ...lies, ...polyglots]
