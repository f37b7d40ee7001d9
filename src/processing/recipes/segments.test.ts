import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { segmentFolder } from '../../media/segments.ts'
import type { CutTask, Playable, Processed } from '../process.ts'
import { openTestbed, run, type Testbed } from '../testbed.test.ts'

/** Films of some seconds, cut every two to four of them, against the same films made in one piece. */
describe('films in segments', () => {
  let bed: Testbed
  const file = (name: string) => join(bed.folder, name)
  const ffmpeg = (...args: string[]) =>
    run('ffmpeg', ['-nostdin', '-hide_banner', '-loglevel', 'error', '-y', '-bitexact', ...args])
  const signal = new AbortController().signal

  before(async () => {
    bed = await openTestbed({ env: { VIDEO_SEGMENT_SECONDS: '3', VIDEO_PRESET: 'superfast' } })
  })
  after(async () => await bed.close())

  const picture = (rate: string, size = '1312x320', seconds = 14) => [
    ...['-f', 'lavfi', '-i', `testsrc2=s=${size}:r=${rate}:d=${seconds}`],
  ]
  const sound = (seconds = 14) => ['-f', 'lavfi', '-i', `sine=440:r=48000:d=${seconds}`, '-c:a', 'aac']
  const h264 = (...options: string[]) => ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', ...options]
  const openGop = h264('-bf', '2', '-x264-params', 'open-gop=1:keyint=40:min-keyint=40:scenecut=0')
  // A recording whose frames come as they like: 30 a second, now and then a late one, some missing.
  const uneven = "select='not(eq(mod(n,7),3))*not(between(n,200,206))',setpts='PTS+eq(mod(N,5),2)*0.011/TB'"

  async function makeBoth(path: string): Promise<{ one: Processed; cut: Processed; early: Playable | null }> {
    const record = await bed.store(path, { media_type: 'video' })
    const task = { record, signal, onProgress: () => {} }
    const one = await bed.processor.process({ ...task, token: 1 })
    const tokens = await makeSegments(task)
    let early: Playable | null = null
    const onPlayable = async (playable: Playable) => void (early = playable)
    const cut = await bed.processor.processOrCut({ ...task, token: 3, segments: { plan: 2, tokens }, onPlayable })
    assert.ok(!('segments' in cut))
    return { one, cut, early }
  }

  /** Each by an attempt of its own. */
  async function makeSegments(task: Pick<CutTask, 'record' | 'signal' | 'onProgress'>): Promise<number[]> {
    const made = await bed.processor.processOrCut({ ...task, token: 2, segments: null })
    assert.ok('segments' in made, 'it was not cut')
    const tokens = Array.from({ length: made.segments }, (_, n) => n + 1)
    for (const [n, token] of tokens.entries()) {
      await bed.processor.processSegment({ ...task, token, segment: { plan: 2, n } })
    }
    return tokens
  }

  const packets = async (path: string, stream: 'v' | 'a') =>
    (
      await run('ffprobe', [
        ...['-loglevel', 'error', '-select_streams', stream, '-show_entries', 'packet=pts,dts,duration,flags'],
        ...['-of', 'csv=p=0', path],
      ])
    ).split('\n')

  /** Names and times of all streams, as a player reads them. */
  async function streams(made: Processed): Promise<Record<string, { playlist: string; pictures: string[] }>> {
    const master = await bed.pathOf(made, 'hls')
    const names = (await readFile(master, 'utf8')).match(/^\w+\.m3u8$/gm) ?? []
    const found: Record<string, { playlist: string; pictures: string[] }> = {}
    for (const name of [...names, 'audio.m3u8']) {
      const playlist = await readFile(join(dirname(master), name), 'utf8').catch(() => '')
      const parts = playlist.match(/[\w-]+\.(?:mp4|m4s)/g) ?? []
      const whole = file('whole.mp4')
      const bytes = await Promise.all(parts.map((part) => readFile(join(dirname(master), part))))
      await writeFile(whole, Buffer.concat(bytes))
      const times = playlist === '' ? [] : await packets(whole, name === 'audio.m3u8' ? 'a' : 'v')
      found[name] = { playlist, pictures: times }
    }
    return found
  }

  async function expectSame(path: string): Promise<void> {
    const { one, cut, early } = await makeBoth(path)
    assert.equal(early?.processed_s3_url, cut.processed_s3_url, 'playable')
    const plain = ({ renditions, warnings, width, height, duration }: Processed) => {
      // The last sound of a copy is a tick longer or shorter.
      const about = (seconds: number | null) => seconds && Math.round(seconds * 100)
      const of = renditions.map(({ name, ...one }) => [name, one.width, one.height, about(one.duration)])
      return { of, warnings, width, height, duration: about(duration) }
    }
    assert.deepEqual(plain(cut), plain(one))
    const times = async (made: Processed, stream: 'v' | 'a') =>
      shownIn(await packets(await bed.pathOf(made, '720p'), stream))
    const frames = await times(one, 'v')
    assert.deepEqual(await times(cut, 'v'), frames)
    assert.deepEqual(await times(cut, 'a'), await times(one, 'a'))
    assert.ok((await worstLikeness(cut, one)) > 0.9)
    const [expected, found] = [await streams(one), await streams(cut)]
    assert.deepEqual(Object.keys(found), Object.keys(expected))
    for (const [name, { playlist, pictures }] of Object.entries(expected)) {
      assert.deepEqual(lengths(found[name]?.playlist ?? ''), lengths(playlist), name)
      const shown = shownIn(found[name]?.pictures ?? [])
      assert.deepEqual(shown, name === 'audio.m3u8' ? shownIn(pictures) : frames, name)
    }
  }

  /** Of the two that are least alike, frame by frame (SSIM): one that stands at another's place is not. */
  async function worstLikeness(found: Processed, expected: Processed): Promise<number> {
    const [path, other] = [await bed.pathOf(found, '720p'), await bed.pathOf(expected, '720p')]
    const said = await run('ffmpeg', [
      ...['-loglevel', 'error', '-i', path, '-i', other, '-lavfi', 'ssim=stats_file=-', '-f', 'null', '-'],
    ])
    return Math.min(...(said.match(/(?<=All:)\d\.\d+/g) ?? []).map(Number))
  }

  /** Of a stream's segments, to a hundredth of a second: how long a last frame lasts is a guess. */
  function lengths(playlist: string): string[] {
    return playlist.match(/(?<=#EXTINF:)\d+\.\d\d|(?<=\n)[\w-]+\.m4s/g) ?? []
  }

  /** When frames are shown, in order. */
  function shownIn(lines: readonly string[]): number[] {
    return lines
      .filter((line) => line !== '')
      .map((line) => Number(line.split(',')[0]))
      .sort((a, b) => a - b)
  }

  const sources: [string, string, () => string[]][] = [
    ['25 frames a second', 'a.mp4', () => [...picture('25'), ...sound(), ...h264()]],
    ['29.97, with open groups of pictures', 'b.mp4', () => [...picture('30000/1001'), ...sound(), ...openGop]],
    ['23.976, in milliseconds', 'c.mkv', () => [...picture('24000/1001'), ...sound(), ...openGop]],
    [
      'uneven times',
      'd.mp4',
      () => [...picture('30'), ...sound(), '-vf', uneven, '-fps_mode', 'vfr', ...h264('-bf', '2', '-g', '45')],
    ],
    ['a transport stream', 'e.ts', () => [...picture('25'), ...sound(), ...openGop, '-muxdelay', '1.2']],
    [
      'interlaced',
      'g.ts',
      () => [
        ...picture('50', '720x576'),
        ...sound(),
        '-vf',
        'tinterlace=interleave_top',
        '-flags',
        '+ilme+ildct',
        '-c:v',
        'mpeg2video',
        '-q:v',
        '3',
        '-g',
        '12',
        '-bf',
        '2',
      ],
    ],
    [
      'turned, without sound',
      'h.mov',
      () => [...picture('30', '1312x320'), ...h264('-g', '30'), '-metadata:s:v', 'rotate=90'],
    ],
    [
      'HEVC',
      'f.mp4',
      () => [
        ...picture('25', '640x360'),
        ...sound(),
        '-c:v',
        'libx265',
        '-preset',
        'ultrafast',
        '-x265-params',
        'log-level=error:keyint=40:open-gop=1',
      ],
    ],
  ]
  for (const [what, name, options] of sources) {
    test(`${what}: the same frames at the same times`, async () => {
      await ffmpeg(...options(), file(name))
      await expectSame(file(name))
    })
  }

  test('what cannot be put together is made in one piece', async () => {
    const path = file('one.mp4')
    await ffmpeg(...picture('25'), ...h264('-g', '25'), path)
    const record = await bed.store(path, { media_type: 'video' })
    const task = { record, signal, onProgress: () => {} }
    const tokens = await makeSegments(task)
    const key = `${segmentFolder(record.media_id, { plan: 2, n: 1 }, tokens[1] ?? 0)}720p.mp4`
    await bed.objects.remove({ bucket: 'processed', key })
    for (const segments of [{ plan: 2, tokens }, 'failed'] as const) {
      const made = await bed.processor.processOrCut({ ...task, token: 4, segments })
      assert.ok('renditions' in made)
      assert.deepEqual(made.warnings, [])
      assert.ok(made.renditions.some(({ name }) => name === 'hls'))
    }
  })

  test('a short film is not cut, nor one that is copied', async () => {
    await ffmpeg(...picture('25', '1312x320', 8), ...h264(), file('short.mp4'))
    await ffmpeg(...picture('25', '320x240', 14), ...h264('-g', '25'), file('copy.mp4'))
    for (const name of ['short.mp4', 'copy.mp4']) {
      const record = await bed.store(file(name), { media_type: 'video' })
      const made = await bed.processor.processOrCut({ record, signal, onProgress: () => {}, token: 1, segments: null })
      assert.ok(!('segments' in made), name)
    }
  })
})
