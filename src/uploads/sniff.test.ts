import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { displayName } from './names.ts'
import { sniff } from './sniff.ts'

const latin1 = (text: string) => Buffer.from(text, 'latin1')
const hex = (text: string) => Buffer.from(text.replace(/ /g, ''), 'hex')

/** A box of the ISO base media file format. */
function box(type: string, ...content: Buffer[]): Buffer {
  const body = Buffer.concat(content)
  const head = Buffer.alloc(8)
  head.writeUInt32BE(body.length + 8)
  head.write(type, 4, 'latin1')
  return Buffer.concat([head, body])
}
const ftyp = (...brands: string[]) => box('ftyp', latin1((brands[0] ?? '') + '\0\0\0\0' + brands.slice(1).join('')))
const track = (handler: string) =>
  box('trak', box('mdia', box('hdlr', Buffer.alloc(8), latin1(handler), Buffer.alloc(12))))
const moov = (...handlers: string[]) => box('moov', box('mvhd', Buffer.alloc(100)), ...handlers.map(track))

/** Frames of silence, end to end: 417 bytes of MP3 each, or 100 of AAC. */
const mp3 = (count: number) => Buffer.concat(Array(count).fill(Buffer.concat([hex('fffb9000'), Buffer.alloc(413)])))
const aac = (count: number) =>
  Buffer.concat(Array(count).fill(Buffer.concat([hex('fff15080 0c9ffc'), Buffer.alloc(93)])))
const id3 = (bytes: number) =>
  Buffer.concat([latin1('ID3\x04\0\0'), Buffer.from([0, 0, bytes >> 7, bytes & 127]), Buffer.alloc(bytes)])
const packets = (size: number, at: number) => {
  const bytes = Buffer.alloc(size * 6)
  for (let start = at; start < bytes.length; start += size) bytes[start] = 0x47
  return bytes
}
/** An Ogg page that begins a stream. */
const ogg = (...codecs: string[]) =>
  Buffer.concat(
    codecs.map((codec) =>
      Buffer.concat([latin1('OggS\0\x02'), Buffer.alloc(20), Buffer.from([1, 30]), latin1(codec.padEnd(30, '\0'))]),
    ),
  )

const admitted: Record<string, [content_type: string, extension: string, bytes: Buffer]> = {
  jpeg: ['image/jpeg', 'jpg', hex('ffd8ffe0 0010')],
  png: ['image/png', 'png', latin1('\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR....IDAT')],
  apng: ['image/apng', 'png', latin1('\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR....acTL....IDAT')],
  gif: ['image/gif', 'gif', latin1('GIF89a')],
  ac3: ['audio/ac3', 'ac3', hex('0b77')],
  au: ['audio/basic', 'au', latin1('.snd\0\0\0\x18')],
  w64: ['audio/x-w64', 'w64', hex('72696666 2e91cf11')],
  mpegVideo: ['video/mpeg', 'mpg', hex('000001b3')],
  webp: ['image/webp', 'webp', latin1('RIFF\x10\0\0\0WEBPVP8 ')],
  'tiff, little': ['image/tiff', 'tiff', latin1('II*\0\x08\0\0\0')],
  'tiff, big': ['image/tiff', 'tiff', latin1('MM\0*\0\0\0\x08')],
  bigtiff: ['image/tiff', 'tiff', latin1('II+\0\x08\0\0\0')],
  avif: ['image/avif', 'avif', ftyp('avif', 'mif1', 'miaf')],
  'avif by a compatible brand': ['image/avif', 'avif', ftyp('mif1', 'avif')],
  heic: ['image/heic', 'heic', ftyp('heic', 'mif1')],
  'heic of a phone': ['image/heic', 'heic', ftyp('mif1', 'mif1', 'heic')],
  svg: ['image/svg+xml', 'svg', latin1('<svg xmlns="http://www.w3.org/2000/svg"/>')],
  'svg behind a prolog': [
    'image/svg+xml',
    'svg',
    latin1('\xef\xbb\xbf<?xml version="1.0"?>\n<!-- <html> -->\n<!DOCTYPE svg [<!ENTITY a "b">]>\n<svg:svg>'),
  ],
  'svg in UTF-16': ['image/svg+xml', 'svg', Buffer.from('\ufeff<svg >', 'utf16le')],
  mp4: ['video/mp4', 'mp4', ftyp('isom', 'iso2', 'avc1', 'mp41')],
  'mp4 for the web': ['video/mp4', 'mp4', Buffer.concat([ftyp('dash', 'iso6'), moov('vide', 'soun')])],
  'mp4 of an unknown maker': ['video/mp4', 'mp4', ftyp('XAVC', 'mp42')],
  'mp4 with sound only': ['audio/mp4', 'm4a', Buffer.concat([ftyp('isom'), box('free'), moov('soun')])],
  m4a: ['audio/mp4', 'm4a', ftyp('M4A ', 'isom')],
  m4v: ['video/mp4', 'mp4', ftyp('M4V ', 'isom')],
  quicktime: ['video/quicktime', 'mov', ftyp('qt  ')],
  'quicktime before brands': ['video/quicktime', 'mov', moov('vide')],
  'quicktime, film first': ['video/quicktime', 'mov', Buffer.concat([box('wide'), box('mdat', Buffer.alloc(9))])],
  '3gp': ['video/3gpp', '3gp', ftyp('3gp4', 'isom')],
  '3g2': ['video/3gpp2', '3g2', ftyp('3g2a')],
  matroska: ['video/x-matroska', 'mkv', hex('1a45dfa3 93 4282 88 6d6174726f736b61 4287 81 04')],
  webm: ['video/webm', 'webm', hex('1a45dfa3 9f 4286 81 01 4282 84 7765626d')],
  avi: ['video/x-msvideo', 'avi', latin1('RIFF\x10\0\0\0AVI LIST')],
  flv: ['video/x-flv', 'flv', latin1('FLV\x01\x05\0\0\0\x09')],
  'mpeg-ts': ['video/mp2t', 'ts', packets(188, 0)],
  'mpeg-ts of a camera': ['video/mp2t', 'ts', packets(192, 4)],
  'mpeg-ps': ['video/mpeg', 'mpg', hex('000001ba 44000400')],
  wmv: ['video/x-ms-wmv', 'wmv', hex('3026b2758e66cf11a6d900aa0062ce6c c0ef19bc4d5bcf11a8fd00805f5c442b')],
  wma: ['audio/x-ms-wma', 'wma', hex('3026b2758e66cf11a6d900aa0062ce6c 409e69f84d5bcf11a8fd00805f5c442b')],
  mxf: ['application/mxf', 'mxf', hex('060e2b34 02050101 0d010201 01020400')],
  'ogg with film': ['video/ogg', 'ogv', ogg('\x01vorbis', '\x80theora')],
  'ogg vorbis': ['audio/ogg', 'ogg', ogg('\x01vorbis')],
  opus: ['audio/ogg', 'opus', ogg('OpusHead')],
  'mp3 with a tag': ['audio/mpeg', 'mp3', Buffer.concat([id3(100), mp3(4)])],
  'mp3 with a tag and padding': ['audio/mpeg', 'mp3', Buffer.concat([id3(100), Buffer.alloc(900), mp3(6)])],
  'mp3 with a cover larger than the head': ['audio/mpeg', 'mp3', id3(16_000).subarray(0, 9000)],
  'mp3 without a tag': ['audio/mpeg', 'mp3', mp3(4)],
  'mp3 behind padding': ['audio/mpeg', 'mp3', Buffer.concat([Buffer.alloc(300), mp3(4)])],
  'a short mp3': ['audio/mpeg', 'mp3', mp3(2)],
  aac: ['audio/aac', 'aac', aac(4)],
  'aac with a tag': ['audio/aac', 'aac', Buffer.concat([id3(70), aac(40)])],
  flac: ['audio/flac', 'flac', latin1('fLaC\0\0\0\x22')],
  'flac with a tag': ['audio/flac', 'flac', Buffer.concat([id3(20), latin1('fLaC'), Buffer.alloc(3000)])],
  wav: ['audio/wav', 'wav', latin1('RIFF\x10\0\0\0WAVEfmt ')],
  'wav over 4 GiB': ['audio/wav', 'wav', latin1('RF64\xff\xff\xff\xffWAVEds64')],
  aiff: ['audio/aiff', 'aiff', latin1('FORM\0\0\0\x10AIFFCOMM')],
  amr: ['audio/amr', 'amr', latin1('#!AMR\n\x3c')],
  'amr wide': ['audio/amr-wb', 'awb', latin1('#!AMR-WB\n\x3c')],
}

const refused: Record<string, Buffer> = {
  nothing: Buffer.alloc(0),
  text: latin1('hello, world'),
  'a playlist': latin1('#EXTM3U\n#EXTINF:1\nfile:///etc/passwd\n'),
  'a playlist behind padding': latin1('\0\0\0\0#EXTM3U\nfile:///etc/passwd\n'),
  'a concatenation': latin1("ffconcat version 1.0\nfile '/etc/passwd'\n"),
  'a session description': latin1('v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n'),
  'a DASH manifest': latin1('<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011">'),
  'a page': latin1('<!DOCTYPE html><html><svg></svg></html>'),
  'a page that calls itself svg': latin1('<!DOCTYPE svg><html><svg></svg>'),
  'xml that never gets to the point': latin1('<!-- <svg>'),
  'svgz and other archives': hex('1f8b0800'),
  zip: latin1('PK\x03\x04'),
  'a program': latin1('MZ\x90\0'),
  elf: latin1('\x7fELF'),
  script: latin1('#!/bin/sh\n'),
  pdf: latin1('%PDF-1.7'),
  postscript: latin1('%!PS-Adobe-3.0 EPSF-3.0'),
  photoshop: latin1('8BPS\0\x01'),
  'jpeg xl, bare': hex('ff0a'),
  'jpeg xl': latin1('\0\0\0\x0cJXL \r\n\x87\n'),
  'jpeg 2000': Buffer.concat([box('jP  ', hex('0d0a870a')), ftyp('jp2 ')]),
  'camera raw in boxes': ftyp('crx ', 'isom'),
  bmp: latin1('BM\x36\0\0\0'),
  ico: hex('00000100 0100'),
  midi: latin1('MThd\0\0\0\x06'),
  'a tag before a page': Buffer.concat([id3(20), latin1('<html>'), Buffer.alloc(4000, 'x')]),
  'counting bytes': Buffer.from(Array.from({ length: 1024 }, (_, n) => n % 256)),
  zeros: Buffer.alloc(65_536),
  ones: Buffer.alloc(65_536, 0xff),
  'one frame in noise': Buffer.concat([mp3(1), Buffer.alloc(3000, 1)]),
  'two packets': packets(188, 0).subarray(0, 376),
  'ebml of another kind': hex('1a45dfa3 8b 4282 88 7878787878787878'),
  'ogg of an unknown codec': ogg('BBCD\0'),
  'riff of another kind': latin1('RIFF\x10\0\0\0ACON'),
  'a box with no size': latin1('\0\0\0\0ftypisom'),
  'a brand that is none': ftyp('\0\0\0\0'),
}

describe('sniffing', () => {
  for (const [name, [content_type, extension, bytes]] of Object.entries(admitted)) {
    test(`admits ${name}`, () => {
      const found = sniff(bytes)
      assert.deepEqual([found?.content_type, found?.extension], [content_type, extension])
      const kind = content_type === 'application/mxf' ? 'video' : content_type.split('/')[0]
      assert.equal(found?.media_type, kind)
    })
  }
  for (const [name, bytes] of Object.entries(refused)) {
    test(`refuses ${name}`, () => assert.equal(sniff(bytes), null))
  }

  test('takes any bytes without an error, and soon', () => {
    const starts = fc.constantFrom(...Object.values(admitted).map(([, , bytes]) => bytes))
    const changed = fc.tuple(starts, fc.uint8Array({ maxLength: 300 }), fc.nat(200)).map(([start, noise, at]) => {
      const bytes = Buffer.concat([start, Buffer.alloc(300)])
      bytes.set(noise, Math.min(at, start.length))
      return bytes
    })
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 2000 }), changed), (bytes) => {
        sniff(bytes)
      }),
      { numRuns: 3000 },
    )
  })

  test('reads a cut head of anything', () => {
    for (const [, , bytes] of Object.values(admitted)) {
      for (let length = 0; length < Math.min(bytes.length, 300); length++) sniff(bytes.subarray(0, length))
    }
  })
})

test('a display name is one short line, whatever was sent', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (given) => {
      const name = displayName(given)
      if (name === null) return
      assert.ok(Buffer.byteLength(name) <= 255)
      assert.ok(name.isWellFormed())
      assert.doesNotMatch(name, /[/\\\p{Cc}\u202a-\u202e\u2066-\u2069]/u)
    }),
  )
})
