import assert from 'node:assert/strict'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type Manifest, Parser } from 'm3u8-parser'
import sharp from 'sharp'
import type { Processed } from '../process.ts'
import { ffmpeg, openTestbed, run, type Testbed } from '../testbed.test.ts'

describe('what stands beside the MP4', () => {
  let bed: Testbed
  before(async () => {
    bed = await openTestbed({ env: { VIDEO_PRESET: 'ultrafast' } })
  })
  after(async () => await bed.close())

  const file = (name: string) => join(bed.folder, name)
  const make = (path: string) => bed.process(path, { media_type: 'video' })
  const named = (made: Processed, name: string) => made.renditions.find((one) => one.name === name)
  const names = (made: Processed) => made.renditions.map(({ name }) => name)
  const picture = (size: string, seconds: number, rate = '25') => [
    ...['-f', 'lavfi', '-i', `testsrc2=s=${size}:r=${rate}:d=${seconds},noise=alls=3:allf=t`],
  ]
  const tone = (seconds: number, hertz = 440) => ['-f', 'lavfi', '-i', `sine=${hertz}:d=${seconds}`]
  const h264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-crf', '30', '-pix_fmt', 'yuv420p']

  const parse = async (path: string): Promise<Manifest> => {
    const parser = new Parser()
    parser.push(await readFile(path, 'utf8'))
    parser.end()
    return parser.manifest
  }

  /** Packets of a stream as others see them: its init segment and segments in a row. */
  const packetsOf = async (folder: string, playlist: string) => {
    const { segments = [] } = await parse(join(folder, playlist))
    const parts = [segments[0]?.map?.uri ?? '', ...segments.map(({ uri }) => uri)].map((one) => join(folder, one))
    const whole = file(`whole-${playlist}.mp4`)
    await writeFile(whole, Buffer.concat(await Promise.all(parts.map(async (path) => await readFile(path)))))
    const shown = ['-show_entries', 'packet=pts_time,flags:stream=codec_name,width,height,start_time', '-of', 'json']
    const said = JSON.parse(await run('ffprobe', ['-loglevel', 'error', ...shown, whole]))
    assert.equal(await run('ffmpeg', ['-nostdin', '-loglevel', 'error', '-i', whole, '-f', 'null', '-']), '')
    return { ...said, segments } as {
      packets: { pts_time: string; flags: string }[]
      streams: { codec_name: string; width: number; height: number; start_time: string }[]
      segments: NonNullable<Manifest['segments']>
    }
  }

  /** What must be true of every stream, seen with a parser's and ffmpeg's eyes. */
  const check = async (made: Processed) => {
    const path = await bed.pathOf(made, 'hls')
    const folder = dirname(path)
    const master = await parse(path)
    const variants = []
    for (const { uri, attributes } of master.playlists ?? []) {
      const { packets, streams, segments } = await packetsOf(folder, uri)
      const playlist = await parse(join(folder, uri))
      assert.deepEqual([playlist.endList, playlist.playlistType], [true, 'VOD'])
      const total = segments.reduce((sum, { duration }) => sum + duration, 0)
      assert.ok(Math.abs(total - (made.duration ?? 0)) < 0.2, `${uri}: ${total} s`)
      assert.ok(segments.every(({ duration }) => Math.round(duration) <= (playlist.targetDuration ?? 0)))
      const keys = packets.filter(({ flags }) => flags.startsWith('K')).map(({ pts_time }) => Number(pts_time))
      let begins = 0
      for (const { duration } of segments) {
        assert.ok(
          keys.some((key) => Math.abs(key - begins) < 0.002),
          `${uri}: a key frame at ${begins}`,
        )
        begins += duration
      }
      const sizes = await Promise.all(segments.map(async ({ uri: one }) => (await stat(join(folder, one))).size))
      const rates = sizes.map((size, at) => (size * 8) / (segments[at]?.duration ?? 1))
      const long = rates.filter((_, at) => (segments[at]?.duration ?? 0) >= (playlist.targetDuration ?? 0) / 2)
      assert.ok(Number(attributes.BANDWIDTH) >= Math.max(...long, 0), `${uri}: at its peak`)
      assert.ok(Number(attributes.BANDWIDTH) >= Number(attributes['AVERAGE-BANDWIDTH']))
      assert.ok(Number(attributes['AVERAGE-BANDWIDTH']) * total >= sizes.reduce((a, b) => a + b, 0) * 8)
      const [stream] = streams
      const size = attributes.RESOLUTION as { width: number; height: number }
      assert.deepEqual([stream?.codec_name, stream?.width, stream?.height], ['h264', size.width, size.height])
      assert.ok(Math.abs(Number(stream?.start_time)) < 0.001, `${uri} starts at ${stream?.start_time}`)
      variants.push({ name: uri.replace('.m3u8', ''), size, attributes, frames: packets.length, segments })
    }
    return { folder, master, variants }
  }

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
    const hash = async (one: string) =>
      await run('ffmpeg', [
        '-loglevel',
        'error',
        '-i',
        one,
        '-map',
        '0:v',
        '-c',
        'copy',
        '-bsf:v',
        'h264_mp4toannexb',
        '-f',
        'hash',
        '-',
      ])
    assert.equal(await hash(file('whole-720p.m3u8.mp4')), await hash(await bed.pathOf(made, '720p')))
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
    const hash = async (one: string) =>
      await run('ffmpeg', [
        '-loglevel',
        'error',
        '-i',
        one,
        '-map',
        '0:v',
        '-c',
        'copy',
        '-bsf:v',
        'h264_mp4toannexb,filter_units=remove_types=6',
        '-f',
        'hash',
        '-',
      ])
    assert.equal(await hash(file('whole-720p.m3u8.mp4')), await hash(path))
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

  test('subtitles in text become WebVTT and a part of the stream', async () => {
    const path = file('subtitles.mkv')
    const srt = (words: string) =>
      `1\n00:00:00,500 --> 00:00:02,000\n${words}\n\n2\n00:00:03,000 --> 00:00:04,000\n<i>Two</i>\n`
    await writeFile(file('en.srt'), srt('One & all'))
    await writeFile(file('de.srt'), srt('Eins'))
    const maps = ['-map', '0', '-map', '1', '-map', '2', '-map', '2']
    const told = ['-metadata:s:s:0', 'language=eng', '-metadata:s:s:1', 'language=ger']
    const codecs = ['-c:s:0', 'subrip', '-c:s:1', 'ass', '-c:s:2', 'subrip']
    await ffmpeg(
      ...picture('640x360', 5),
      '-i',
      file('en.srt'),
      '-i',
      file('de.srt'),
      ...maps,
      ...told,
      ...codecs,
      ...h264,
      path,
    )
    const made = await make(path)
    assert.deepEqual(made.warnings, [])
    assert.deepEqual(
      names(made).filter((name) => name.startsWith('sub')),
      ['subtitles-en', 'subtitles-de', 'subtitles-3'],
    )
    const text = await readFile(await bed.pathOf(made, 'subtitles-en'), 'utf8')
    assert.match(
      text,
      /^WEBVTT\n\n00:00\.500 --> 00:02\.000\nOne &amp; all|^WEBVTT\n\n00:00\.500 --> 00:02\.000\nOne & all/,
    )
    const { folder, master } = await check(made)
    const [group = {}] = Object.values(master.mediaGroups?.SUBTITLES ?? {})
    assert.deepEqual(
      Object.entries(group).map(([name, track]) => [name, track.language, track.uri]),
      [
        ['English', 'en', 'subtitles-en.m3u8'],
        ['German', 'de', 'subtitles-de.m3u8'],
        ['Subtitles 3', undefined, 'subtitles-3.m3u8'],
      ],
    )
    const { segments = [] } = await parse(join(folder, 'subtitles-de.m3u8'))
    assert.match(await readFile(join(folder, segments[0]?.uri ?? ''), 'utf8'), /Eins/)
  })

  test('subtitles that are rubbish cost themselves, and nothing else', async () => {
    const path = file('rubbish.mkv')
    const cue = (at: number) => `${at + 1}\n00:00:0${at},000 --> 00:00:0${at},900\nRUBBISH-${at} ${'x'.repeat(200)}\n`
    await writeFile(file('rubbish.srt'), [0, 1, 2].map(cue).join('\n'))
    const inputs = [...picture('320x240', 4), '-i', file('rubbish.srt'), '-i', file('rubbish.srt')]
    await ffmpeg(...inputs, '-map', '0', '-map', '1', '-map', '2', '-c:s:0', 'ass', '-c:s:1', 'subrip', ...h264, path)
    const bytes = await readFile(path)
    for (let at = bytes.indexOf('RUBBISH'); at > 0; at = bytes.indexOf('RUBBISH', at + 1)) {
      for (let byte = 0; byte < 200; byte++) bytes[at + byte] = 128 + ((byte * 37) % 128)
    }
    await writeFile(path, bytes)
    const made = await make(path)
    assert.ok(names(made).includes('hls') && names(made).includes('720p'))
    const { master } = await check(made)
    for (const name of names(made).filter((one) => one.startsWith('subtitles'))) {
      assert.match(await readFile(await bed.pathOf(made, name), 'utf8'), /^WEBVTT\n\n00:/)
    }
    assert.ok(Object.keys(Object.values(master.mediaGroups?.SUBTITLES ?? {})[0] ?? {}).length <= 2)
  })

  test('the poster is not black where anything else is to be had, and a black film has one all the same', async () => {
    const path = file('black-at-first.mp4')
    const black = 'color=black:s=640x360:r=25:d=8[a];testsrc2=s=640x360:r=25:d=2[b];[a][b]concat'
    await ffmpeg('-f', 'lavfi', '-i', black, ...h264, path)
    const brightness = async (made: Processed, name: string) => {
      const { channels } = await sharp(await bed.pathOf(made, name)).stats()
      return channels.reduce((sum, { mean }) => sum + mean, 0) / 3
    }
    const made = await make(path)
    assert.deepEqual(made.warnings, [])
    assert.ok((await brightness(made, 'poster')) > 60)
    assert.ok((await brightness(made, 'thumbnail')) > 60)
    const all = file('black.mp4')
    await ffmpeg('-f', 'lavfi', '-i', 'color=black:s=640x360:r=25:d=5', ...h264, all)
    assert.ok((await brightness(await make(all), 'poster')) < 5)
  })

  test('the storyboard has a picture a second, each at its place', async () => {
    const path = file('board.mp4')
    // Every second in another grey.
    const greys = "color=black:s=320x180:r=10:d=30,geq=lum='8+7*floor(T)':cb=128:cr=128"
    await ffmpeg('-f', 'lavfi', '-i', greys, ...h264, '-crf', '10', path)
    const made = await make(path)
    const vtt = await readFile(await bed.pathOf(made, 'storyboard.vtt'), 'utf8')
    const cues = [...vtt.matchAll(/^(\S+) --> (\S+)\n(sheet-\d{3}\.jpg)#xywh=(\d+),(\d+),(\d+),(\d+)$/gm)]
    assert.equal(cues.length, 30)
    assert.deepEqual([cues[0]?.[1], cues.at(-1)?.[2]], ['00:00:00.000', '00:00:30.000'])
    const folder = dirname(await bed.pathOf(made, 'storyboard.vtt'))
    const greyOf = async ([, , , sheet = '', ...place]: string[]) => {
      const [left = 0, top = 0, width = 0, height = 0] = place.map(Number)
      const data = await sharp(join(folder, sheet)).extract({ left, top, width, height }).raw().toBuffer()
      return data.reduce((sum, one) => sum + one, 0) / data.length
    }
    const found: number[] = []
    for (const cue of cues) found.push(await greyOf([...cue]))
    assert.ok(
      found.every((grey, at) => at === 0 || grey > (found[at - 1] ?? 0)),
      found.map(Math.round).join(),
    )
    assert.equal(named(made, 'storyboard')?.content_type, 'image/jpeg')
  })

  test('the preview moves, the sound alone is sound alone', async () => {
    const path = file('all.mp4')
    await ffmpeg(...picture('1280x720', 6), ...tone(6), ...h264, path)
    const made = await make(path)
    const { pages, width, height, delay } = await sharp(await bed.pathOf(made, 'preview'), {
      animated: true,
    }).metadata()
    assert.equal(width, 320)
    assert.ok((pages ?? 0) >= 28 && (pages ?? 0) <= 31, `${pages} pictures of ${height}`)
    assert.ok(Math.abs((delay ?? []).reduce((a, b) => a + b, 0) - 3_000) < 250, `${delay}`)
    assert.ok((named(made, 'preview')?.file_size ?? 1e9) < 500_000)
    const said = JSON.parse(
      await run('ffprobe', ['-loglevel', 'error', '-show_streams', '-of', 'json', await bed.pathOf(made, 'audio')]),
    )
    assert.deepEqual(
      said.streams.map((one: { codec_name: string }) => one.codec_name),
      ['aac'],
    )
    const silent = file('silent.mp4')
    await ffmpeg(...picture('320x240', 1), ...h264, silent)
    assert.ok(!names(await make(silent)).includes('audio'))
  })
})
