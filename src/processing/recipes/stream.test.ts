import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ffmpeg, openTestbed, run, type Testbed } from '../testbed.test.ts'
import { h264, hashOf, named, openEyes, picture, tone } from './eyes.test.ts'

describe('streams', () => {
  let bed: Testbed
  before(async () => {
    bed = await openTestbed({ env: { VIDEO_PRESET: 'ultrafast' } })
  })
  after(async () => await bed.close())

  const { file, parse, packetsOf, check } = openEyes(() => bed)
  const make = (path: string) => bed.process(path, { media_type: 'video' })

  test('a stream of four sizes whose segments begin together, and all frames in each', async () => {
    const path = file('ladder.mov')
    await ffmpeg(...picture('1920x1080', 6, '30000/1001'), ...tone(6), ...h264, '-c:a', 'pcm_s16le', '-ac', '2', path)
    const made = await make(path)
    assert.deepEqual(made.warnings, [])
    const { variants, folder, master } = await check(made)
    assert.deepEqual(
      variants.map(({ name, size }) => `${name} ${size.width}x${size.height}`),
      ['720p 1280x720', '1080p 1920x1080', '540p 960x540', '360p 640x360'],
    )
    for (const { frames, segments, attributes } of variants) {
      assert.equal(frames, 180)
      assert.deepEqual(
        segments.map(({ duration }) => duration),
        [4.004, 2.002],
      )
      assert.match(String(attributes.CODECS), /^avc1\.(?:42c0|6400)[0-9a-f]{2},mp4a\.40\.2$/)
      assert.equal(Number(attributes['FRAME-RATE']), 29.97)
    }
    const [group] = Object.values(master.mediaGroups?.AUDIO ?? {})
    assert.deepEqual(Object.keys(group ?? {}), ['Sound'])
    const sound = await packetsOf(folder, 'audio.m3u8')
    // The encoder's priming stands before the beginning, and the sound itself at it.
    assert.ok(Math.abs(Number(sound.streams[0]?.start_time)) < 0.05)
    const hls = named(made, 'hls')
    assert.deepEqual([hls?.width, hls?.height, hls?.content_type], [1920, 1080, 'application/vnd.apple.mpegurl'])
    const stored = await run('sh', ['-c', `cat ${folder}/[a-z0-9]* | wc -c`])
    assert.equal(hls?.file_size, Number(stored))
    assert.doesNotMatch(await run('sh', ['-c', `cat ${folder}/*-init.mp4`]), /Lavf/)
  })

  test('the MP4 and the stream of its size hold the same pictures', async () => {
    const path = file('same.mp4')
    await ffmpeg(...picture('1920x1080', 5), ...h264, path)
    const made = await make(path)
    const { folder } = await check(made)
    await packetsOf(folder, '720p.m3u8')
    const filter = 'h264_mp4toannexb'
    const served = await bed.pathOf(made, '720p')
    assert.equal(await hashOf(file('whole-720p.m3u8.mp4'), filter), await hashOf(served, filter))
  })

  test('a source that fits is copied into the stream too, and the smaller sizes have its key frames', async () => {
    const path = file('copy.mp4')
    await ffmpeg(...picture('1280x720', 12), ...h264, '-g', '63', '-bf', '2', path)
    const made = await make(path)
    assert.deepEqual(made.warnings, [])
    const { variants, folder } = await check(made)
    assert.deepEqual(
      variants.map(({ segments }) => segments.map(({ duration }) => duration.toFixed(2)).join()),
      ['5.04,5.04,1.92', '5.04,5.04,1.92', '5.04,5.04,1.92'],
    )
    await packetsOf(folder, '720p.m3u8')
    const filter = 'h264_mp4toannexb,filter_units=remove_types=6'
    assert.equal(await hashOf(file('whole-720p.m3u8.mp4'), filter), await hashOf(path, filter))
  })

  test('one whose key frames are too rare for a stream is copied as MP4 and encoded as a stream', async () => {
    const path = file('rare-keys.mp4')
    await ffmpeg(...picture('640x360', 13), ...tone(13), ...h264, '-g', '9999', '-sc_threshold', '0', path)
    const made = await make(path)
    assert.deepEqual(made.warnings, [])
    const { variants } = await check(made)
    assert.deepEqual(
      variants[0]?.segments.map(({ duration }) => duration),
      [4, 4, 4, 1],
    )
    const keys = [
      '-show_entries',
      'packet=flags',
      '-of',
      'csv=p=0',
      '-select_streams',
      'v',
      await bed.pathOf(made, '720p'),
    ]
    assert.equal((await run('ffprobe', ['-loglevel', 'error', ...keys])).match(/K/g)?.length, 1)
  })

  test('short and small ones have one size; a size that saves nothing is left out', async () => {
    const short = file('short.mp4')
    await ffmpeg(...picture('1920x1080', 2), ...h264, short)
    assert.deepEqual(
      (await check(await make(short))).variants.map(({ name }) => name),
      ['720p'],
    )
    const alike = file('alike.mp4')
    await ffmpeg(...picture('1400x800', 5), ...h264, alike)
    const { variants, folder } = await check(await make(alike))
    assert.deepEqual(
      variants.map(({ name }) => name),
      ['540p', '1080p', '360p'],
    )
    await assert.rejects(stat(join(folder, '720p-00001.m4s')))
  })

  const long: [string, string, number, string][] = [
    ['a copy of two minutes', 'libx264', 125, '4'],
    ['an encoding of twenty', 'mjpeg', 1_205, '1/5'],
  ]
  for (const [what, codec, lasts, rate] of long) {
    test(`${what} can be played before its other sizes are made, which begin their segments with it`, async () => {
      const path = file(`long-${lasts}.mov`)
      const encoding = [...h264, '-g', '17', '-c:v', codec, '-c:a', 'aac']
      await ffmpeg(...picture('960x540', lasts, rate), ...tone(lasts > 1_000 ? 5 : lasts), ...encoding, path)
      const record = await bed.store(path, { media_type: 'video' })
      const told: number[] = []
      let at = -1
      const made = await bed.processor.process({
        ...{ record, token: 1, signal: new AbortController().signal },
        onProgress: (percent) => told.push(percent),
        onPlayable: async () => void (at = told.at(-1) ?? 0),
      })
      assert.deepEqual(made.warnings, [])
      assert.ok(at >= 5 && at < 60, `played from ${at} % on`)
      const { variants } = await check(made)
      assert.ok(variants.length >= 2)
      const durations = variants.map(({ segments }) => segments.map(({ duration }) => duration.toFixed(2)).join())
      assert.equal(new Set(durations).size, 1)
    })
  }

  test('uneven times leave no hole between segments', async () => {
    const path = file('uneven.mkv')
    const kept = "select='lt(n,50)+gt(n,170)*not(mod(n,11))+between(n,200,220)'"
    await ffmpeg(...picture('1400x800', 11), '-vf', kept, '-fps_mode', 'vfr', ...h264, path)
    const { variants } = await check(await make(path))
    const durations = variants.map(({ segments }) => segments.map(({ duration }) => duration).join())
    assert.deepEqual(new Set(durations).size, 1, durations.join(' | '))
  })

  test('a tail too short for players to notice belongs to the segment before', async () => {
    const path = file('tail.mov')
    await ffmpeg(...picture('640x360', 8.08), ...tone(8), '-c:v', 'mpeg4', '-c:a', 'aac', path)
    const made = await make(path)
    await check(made)
    const folder = dirname(await bed.pathOf(made, 'hls'))
    for (const name of ['360p', 'audio']) {
      const { segments = [] } = await parse(join(folder, `${name}.m3u8`))
      assert.equal(segments.length, 2, `${name}: ${segments.map(({ duration }) => duration)}`)
      assert.ok((segments.at(-1)?.duration ?? 0) > 3.9)
      const { packets } = await packetsOf(folder, `${name}.m3u8`)
      assert.ok(Number(packets.at(-1)?.pts_time) > 7.9, `${name} is not whole`)
    }
  })

  test('each track of sound is there, the default one first, by its language', async () => {
    const path = file('tracks.mkv')
    const three = ['-map', '0', '-map', '1', '-map', '2', '-map', '3']
    const told = [
      '-metadata:s:a:0',
      'language=ger',
      '-metadata:s:a:1',
      'language=eng',
      '-metadata:s:a:2',
      'title=Secret',
    ]
    const defaults = ['-disposition:a:0', '0', '-disposition:a:1', 'default']
    const inputs = [...picture('640x360', 5), ...tone(5, 300), ...tone(5, 500), ...tone(5, 700)]
    await ffmpeg(...inputs, ...three, ...told, ...defaults, ...h264, '-c:a', 'libopus', path)
    const made = await make(path)
    assert.deepEqual(made.warnings, [])
    const { folder, master } = await check(made)
    const [group = {}] = Object.values(master.mediaGroups?.AUDIO ?? {})
    assert.deepEqual(
      Object.entries(group).map(([name, track]) => [name, track.language, track.uri, track.default]),
      [
        ['English', 'en', 'audio.m3u8', true],
        ['German', 'de', 'audio-2.m3u8', false],
        ['Sound 3', undefined, 'audio-3.m3u8', false],
      ],
    )
    for (const playlist of ['audio.m3u8', 'audio-2.m3u8', 'audio-3.m3u8']) {
      const { streams } = await packetsOf(folder, playlist)
      assert.equal(streams[0]?.codec_name, 'aac')
    }
    // The MP4 and the sound alone hold the default one.
    for (const name of ['720p', 'audio']) {
      const loud = await run('sh', [
        '-c',
        `ffmpeg -nostdin -i ${await bed.pathOf(made, name)} -af bandpass=f=500:w=50,volumedetect -f null - 2>&1`,
      ])
      assert.ok(Number(/mean_volume: (-?[\d.]+)/.exec(loud)?.[1]) > -30, `${name}: ${loud.slice(-300)}`)
    }
  })

  test('sound that begins late is silent until then, and picture and sound stay together', async () => {
    const path = file('late.mp4')
    await ffmpeg(...picture('640x360', 5), '-itsoffset', '1.5', ...tone(3), ...h264, '-c:a', 'aac', path)
    const made = await make(path)
    const { folder } = await check(made)
    const { streams } = await packetsOf(folder, 'audio.m3u8')
    assert.ok(Math.abs(Number(streams[0]?.start_time)) < 0.05, streams[0]?.start_time)
    for (const one of [await bed.pathOf(made, '720p'), file('whole-audio.m3u8.mp4')]) {
      const said = await run('sh', ['-c', `ffmpeg -nostdin -i ${one} -af silencedetect=d=0.2:n=-50dB -f null - 2>&1`])
      assert.ok(Math.abs(Number(/silence_end: ([\d.]+)/.exec(said)?.[1]) - 1.5) < 0.06, said.slice(-400))
    }
  })

  test('picture that begins after the sound is shown from the beginning, in step', async () => {
    const path = file('sound-before.mkv')
    await ffmpeg('-itsoffset', '1', ...picture('640x360', 4), ...tone(5), '-map', '0', '-map', '1', ...h264, path)
    const { variants } = await check(await make(path))
    assert.equal(variants[0]?.frames, 100)
  })
})
