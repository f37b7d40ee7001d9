import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { segmentFolder } from '../../media/segments.ts'
import { openTestbed, type Testbed } from '../testbed.test.ts'
import { cutEarly, draw, expectSame, makeSegments, picture, signal, sound } from './segments-bed.test.ts'

describe('films in segments', () => {
  let bed: Testbed
  const file = (name: string) => join(bed.folder, name)

  before(async () => {
    bed = await openTestbed({ env: cutEarly })
  })
  after(async () => await bed.close())

  const h264 = (...options: string[]) => ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', ...options]
  const openGop = h264('-bf', '2', '-x264-params', 'open-gop=1:keyint=40:min-keyint=40:scenecut=0')
  // A recording whose frames come as they like: 30 a second, now and then a late one, some missing.
  const uneven = "select='not(eq(mod(n,7),3))*not(between(n,200,206))',setpts='PTS+eq(mod(N,5),2)*0.011/TB'"

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
      await draw(...options(), file(name))
      await expectSame(bed, file(name))
    })
  }

  test('what cannot be put together is made in one piece', async () => {
    const path = file('one.mp4')
    await draw(...picture('25'), ...h264('-g', '25'), path)
    const record = await bed.store(path, { media_type: 'video' })
    const task = { record, signal, onProgress: () => {} }
    const tokens = await makeSegments(bed, task)
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
    await draw(...picture('25', '1312x320', 8), ...h264(), file('short.mp4'))
    await draw(...picture('25', '320x240', 14), ...h264('-g', '25'), file('copy.mp4'))
    for (const name of ['short.mp4', 'copy.mp4']) {
      const record = await bed.store(file(name), { media_type: 'video' })
      const made = await bed.processor.processOrCut({ record, signal, onProgress: () => {}, token: 1, segments: null })
      assert.ok(!('segments' in made), name)
    }
  })
})
