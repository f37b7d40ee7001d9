import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Parser } from 'm3u8-parser'
import { codeOf } from '../media/errors.ts'
import { addressOf, rewritePlaylistLine, rewriteStoryboardLine, rewriteText } from './hls.ts'

const rewriting = {
  folder: 'https://cdn.example.com/m/v1/hls',
  playlists: 'https://media.example.com/api/media/m/hls',
  signature: 'Policy=p_&Key-Pair-Id=K&Signature=s~-_',
}
const cdn = (file: string) => `${rewriting.folder}/${file}?${rewriting.signature}`
const api = (file: string) => `${rewriting.playlists}/${file}?${rewriting.signature}`

async function rewritten(text: string, chunk = 7, rewriteLine = rewritePlaylistLine): Promise<string> {
  const bytes = Buffer.from(text)
  async function* body() {
    for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk)
  }
  let out = ''
  for await (const piece of rewriteText(body(), rewriteLine, rewriting)) out += piece
  return out
}

function parse(text: string) {
  const parser = new Parser()
  parser.push(text)
  parser.end()
  return parser.manifest
}

const master = `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Ton, laut",LANGUAGE="de",DEFAULT=YES,AUTOSELECT=YES,URI="audio.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="subs",NAME="Ünter,URI=",LANGUAGE="de",URI="subtitles-de.m3u8"
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1000,URI="iframes.m3u8",CODECS="avc1.64001f"
#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI="skd://key",KEYFORMAT="com.apple.streamingkeydelivery"
#EXT-X-STREAM-INF:BANDWIDTH=3000000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,AUDIO="audio",SUBTITLES="subs"
720p.m3u8
`
const media = `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:4
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-MAP:URI="720p-init.mp4",BYTERANGE="800@0"
#EXT-X-KEY:METHOD=AES-128,IV=0x00000000000000000000000000000001,URI="720p.key"
#EXTINF:4.000,A title, URI="not.one"
720p-00001.m4s
#EXTINF:2.500,
720p-00002.m4s
#EXT-X-ENDLIST
`

describe('playlists', () => {
  test('every address of a master plays, and nothing else is touched', async () => {
    const text = await rewritten(master)
    const [audio, subtitles] = [api('audio.m3u8'), api('subtitles-de.m3u8')]
    assert.equal(
      text,
      master
        .replace('"audio.m3u8"', `"${audio}"`)
        .replace('"subtitles-de.m3u8"', `"${subtitles}"`)
        .replace('iframes.m3u8', api('iframes.m3u8'))
        .replace('720p.m3u8', api('720p.m3u8')),
    )
    const { playlists, mediaGroups } = parse(text)
    assert.equal(playlists?.[0]?.uri, api('720p.m3u8'))
    assert.equal(mediaGroups?.AUDIO?.audio?.['Ton, laut']?.uri, audio)
    assert.equal(mediaGroups?.SUBTITLES?.subs?.['Ünter,URI=']?.uri, subtitles)
  })

  test('every address of a media playlist', async () => {
    const { segments = [] } = parse(await rewritten(media))
    assert.deepEqual(
      segments.map(({ uri }) => uri),
      [cdn('720p-00001.m4s'), cdn('720p-00002.m4s')],
    )
    assert.equal(segments[0]?.map?.uri, cdn('720p-init.mp4'))
    assert.equal(segments[0]?.key?.uri, cdn('720p.key'))
    assert.equal(segments[0]?.title, 'A title, URI="not.one"')
  })

  test('wherever the pieces are cut, whatever ends the lines', async () => {
    const whole = await rewritten(master, master.length * 2)
    for (let chunk = 1; chunk < 40; chunk++) assert.equal(await rewritten(master, chunk), whole)
    assert.equal(await rewritten(master.replaceAll('\n', '\r\n')), whole.replaceAll('\n', '\r\n'))
    assert.equal(await rewritten(master.trimEnd()), whole.trimEnd())
    assert.equal(await rewritten(''), '')
  })

  test('an address elsewhere is left alone, and is never given the signature', () => {
    for (const uri of [
      'https://other.example/a.m4s',
      '//other.example/a.m4s',
      '/a.m4s',
      '../v2/a.m4s',
      'a/../b.m4s',
      './a.m4s',
      'data:text/plain;base64,eA==',
      'skd://x',
      '..',
      'https:a.m4s',
      '\\\\other\\a.m4s',
      'a b.m4s',
      '%2e%2e/a.m4s',
    ]) {
      assert.equal(addressOf(uri, rewriting), uri)
    }
    assert.equal(addressOf('a.m4s?b=c', rewriting), `${rewriting.folder}/a.m4s?b=c&${rewriting.signature}`)
    assert.equal(addressOf('deep/a.m4s', rewriting), cdn('deep/a.m4s'))
  })

  test('no line, of whatever characters, sends the signature elsewhere or breaks', () => {
    const part = fc.constantFrom(
      '#EXT-X-MEDIA:',
      'URI="',
      '"',
      ',',
      'NAME=',
      '//',
      'a.m4s',
      '..',
      'https:',
      '?',
      '#',
      '\t',
      'ü',
    )
    const line = fc.oneof(
      fc.string(),
      fc.array(part).map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(line, (text) => {
        const ours =
          /https:\/\/(cdn\.example\.com\/m\/v1|media\.example\.com\/api\/media\/m)\/hls\/[^\s"#]*[?&]Policy=/g
        assert.doesNotMatch(rewritePlaylistLine(text, rewriting).replace(ours, ''), /Policy=/)
      }),
      { numRuns: 2_000 },
    )
  })

  test('a line without end is no playlist', async () => {
    await assert.rejects(rewritten('a'.repeat(200_000), 50_000), (error) => codeOf(error) === 'internal')
  })

  test('a film of twelve hours goes through in pieces', async () => {
    const segments = Array.from(
      { length: 10_800 },
      (_, n) => `#EXTINF:4.0,\n720p-${String(n + 1).padStart(5, '0')}.m4s\n`,
    )
    const bytes = Buffer.from(media.replace(/#EXTINF[^]*m4s\n/, segments.join('')))
    async function* body() {
      yield bytes
    }
    let count = 0
    for await (const piece of rewriteText(body(), rewritePlaylistLine, rewriting)) {
      assert.ok(piece.length < 70_000)
      count += piece.match(/Policy=/g)?.length ?? 0
    }
    assert.equal(count, 10_800 + 2)
  })
})

test('storyboards: the pictures of the cues', async () => {
  const stored = 'WEBVTT\n\n1\n00:00:00.000 --> 00:00:05.000\nsheet-001.jpg#xywh=0,0,160,90\n\nNOTE see sheet.jpg\n'
  const text = await rewritten(stored, 5, rewriteStoryboardLine)
  const sheet = 'https://cdn.example.com/m/v1/hls/sheet-001.jpg?Policy=p_&Key-Pair-Id=K&Signature=s~-_#xywh=0,0,160,90'
  assert.equal(text, stored.replace('sheet-001.jpg#xywh=0,0,160,90', sheet))
})
