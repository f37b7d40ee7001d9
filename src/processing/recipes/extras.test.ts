import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import sharp from 'sharp'
import type { Processed } from '../process.ts'
import { ffmpeg, openTestbed, run, type Testbed } from '../testbed.test.ts'
import { h264, named, names, openEyes, picture, tone } from './eyes.test.ts'

describe('what stands beside film and stream', () => {
  let bed: Testbed
  before(async () => {
    bed = await openTestbed({ env: { VIDEO_PRESET: 'ultrafast' } })
  })
  after(async () => await bed.close())

  const { file, parse, check } = openEyes(() => bed)
  const make = (path: string) => bed.process(path, { media_type: 'video' })

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
    const { content_type, width, height } = named(made, 'storyboard') ?? {}
    // Thirty are two sheets of fifteen, with no place left empty.
    assert.deepEqual([content_type, width, height], ['image/jpeg', 5 * 160, 3 * 90])
  })

  test('the storyboard of a short film is as large as its pictures need', async () => {
    for (const [seconds, columns, rows] of [
      [0.5, 1, 1],
      [3, 3, 1],
      [7, 4, 2],
    ] as const) {
      const path = file(`short-${seconds}.mp4`)
      await ffmpeg(...picture('320x180', seconds), ...h264, path)
      const made = await make(path)
      const { width, height } = await sharp(await bed.pathOf(made, 'storyboard')).metadata()
      assert.deepEqual([width, height], [columns * 160, rows * 90])
      const vtt = await readFile(await bed.pathOf(made, 'storyboard.vtt'), 'utf8')
      assert.equal(vtt.match(/sheet-001\.jpg/g)?.length, Math.ceil(seconds))
      assert.doesNotMatch(vtt, /sheet-002/)
    }
  })

  test('the storyboard of a film that is shorter than it says has no place left empty', async () => {
    const path = file('longer-sound.mkv')
    await ffmpeg(...picture('320x180', 6.5), ...tone(19), ...h264, '-c:a', 'aac', path)
    const made = await make(path)
    const { width, height } = await sharp(await bed.pathOf(made, 'storyboard')).metadata()
    assert.deepEqual([width, height], [5 * 160, 2 * 90])
    assert.deepEqual([named(made, 'storyboard')?.width, named(made, 'storyboard')?.height], [width, height])
    const vtt = await readFile(await bed.pathOf(made, 'storyboard.vtt'), 'utf8')
    assert.equal(vtt.match(/sheet-001\.jpg/g)?.length, 7)
    assert.match(vtt, /00:00:06\.\d+ --> 00:00:19\.\d+\nsheet-001\.jpg#xywh=160,90,160,90/)
  })

  test('the storyboard of a film that begins late has a place for its last picture', async () => {
    const path = file('late.mp4')
    await ffmpeg(
      ...tone(9),
      '-itsoffset',
      '2.5',
      ...picture('320x180', 6),
      ...h264,
      '-fps_mode',
      'passthrough',
      '-c:a',
      'aac',
      path,
    )
    const made = await make(path)
    const vtt = await readFile(await bed.pathOf(made, 'storyboard.vtt'), 'utf8')
    assert.doesNotMatch(vtt, /sheet-002/)
    assert.match(vtt, /00:00:08\.\d+ --> 00:00:09\.\d+\nsheet-001/)
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

  test('sound that ends before its film lasts as long as it is', async () => {
    const path = file('ends.mp4')
    await ffmpeg(...picture('320x240', 4), ...tone(1), ...h264, path)
    const made = await make(path)
    const [film, sound] = [named(made, '720p')?.duration ?? 0, named(made, 'audio')?.duration ?? 0]
    assert.ok(Math.abs(film - 4) < 0.1 && Math.abs(sound - 1) < 0.1, `${film} s, and ${sound} s of sound`)
  })
})
