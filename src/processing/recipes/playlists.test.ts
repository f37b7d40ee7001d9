import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  averageBitrate,
  masterPlaylist,
  mediaPlaylist,
  peakBitrate,
  type TimedSegment,
  withSubtitles,
} from './playlists.ts'

describe('playlists', () => {
  const segments = (...given: [number, number][]): TimedSegment[] =>
    given.map(([seconds, size], at) => ({ file: `720p-0000${at + 1}.m4s`, seconds, size }))

  test('of one stream', () => {
    const text = mediaPlaylist({ name: '720p', init: '720p-init.mp4', segments: segments([4.004, 9], [2.6, 9]) })
    assert.equal(
      text,
      [
        ...['#EXTM3U', '#EXT-X-VERSION:7', '#EXT-X-TARGETDURATION:4', '#EXT-X-MEDIA-SEQUENCE:1'],
        ...['#EXT-X-PLAYLIST-TYPE:VOD', '#EXT-X-INDEPENDENT-SEGMENTS', '#EXT-X-MAP:URI="720p-init.mp4"'],
        ...['#EXTINF:4.004000,', '720p-00001.m4s', '#EXTINF:2.600000,', '720p-00002.m4s', '#EXT-X-ENDLIST', ''],
      ].join('\n'),
    )
    assert.match(mediaPlaylist({ name: 'a', init: null, segments: segments([0.2, 1]) }), /TARGETDURATION:1\n/)
    assert.match(mediaPlaylist({ name: 'a', init: null, segments: segments([4.5, 1]) }), /TARGETDURATION:5\n/)
  })

  test('the peak is that of neighbours that last about a target duration', () => {
    assert.equal(averageBitrate(segments([4, 1_000], [4, 3_000])), 4_000)
    assert.equal(peakBitrate(segments([4, 1_000], [4, 3_000])), 6_000)
    // A last moment of many bits is not played by itself.
    assert.equal(peakBitrate(segments([4, 1_000], [0.04, 3_000])), Math.ceil((4_000 * 8) / 4.04))
    assert.equal(peakBitrate(segments([0.1, 1_000])), 80_000)
  })

  test('of all: sound and text are groups, and nobody chooses between two of one name', () => {
    const track = { segments: segments([4, 500_000]), init: 'x' }
    const video = { ...track, name: '720p', codec: 'avc1.64001f', width: 1280, height: 720, rate: 29.97003 }
    const sound = { segments: segments([4, 10_000]), init: 'x', codec: 'mp4a.40.2', channels: 2 }
    const text = { segments: segments([4, 100]), init: null, forced: false, isDefault: false }
    const said = masterPlaylist({
      variants: [video],
      sounds: [
        { ...sound, name: 'audio', language: 'en', isDefault: true },
        { ...sound, name: 'audio-2', language: 'en', isDefault: false },
        { ...sound, name: 'audio-3', language: null, isDefault: false },
      ],
      subtitles: [{ ...text, name: 'subtitles-de', language: 'de' }],
    })
    assert.deepEqual(said.split('\n').slice(3), [
      '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="audio.m3u8"',
      '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="English 2",LANGUAGE="en",DEFAULT=NO,AUTOSELECT=YES,CHANNELS="2",URI="audio-2.m3u8"',
      '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Sound 3",DEFAULT=NO,AUTOSELECT=YES,CHANNELS="2",URI="audio-3.m3u8"',
      '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="subtitles",NAME="German",LANGUAGE="de",DEFAULT=NO,AUTOSELECT=YES,URI="subtitles-de.m3u8"',
      '#EXT-X-STREAM-INF:BANDWIDTH=1020000,AVERAGE-BANDWIDTH=1020000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO="audio",SUBTITLES="subtitles",CLOSED-CAPTIONS=NONE',
      '720p.m3u8',
      '',
    ])
    const french = { ...text, name: 'subtitles-fr', language: 'fr' }
    const german = { ...text, name: 'subtitles-de', language: 'de' }
    const given = { variants: [video, { ...video, name: '360p' }], sounds: [] }
    const without = masterPlaylist({ ...given, subtitles: [] })
    assert.equal(withSubtitles(without, [german]), masterPlaylist({ ...given, subtitles: [german] }))
    assert.equal(
      withSubtitles(withSubtitles(without, [german]), [french, { ...german, name: 'subtitles-de-2' }]),
      masterPlaylist({ ...given, subtitles: [german, french, { ...german, name: 'subtitles-de-2' }] }),
    )
    const silent = masterPlaylist({ variants: [video], sounds: [], subtitles: [] })
    assert.doesNotMatch(silent, /AUDIO|mp4a|SUBTITLES/)
  })
})
