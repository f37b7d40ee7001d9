import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { codeOf } from '../../media/errors.ts'
import { ffmpeg, inspect, openTestbed, type Testbed } from '../testbed.test.ts'

const bed: Testbed = await openTestbed()
after(() => bed.close())

const picture = (seconds: number) => ['-f', 'lavfi', '-i', `testsrc2=size=64x48:rate=10:duration=${seconds}`]
const hdr = ['-color_trc', 'smpte2084']

/** What once failed though players show it: seconds it lasts, and how to make it. */
const films: Record<string, [seconds: number, file: string, args: string[]]> = {
  'uncompressed 10 bit': [1, 'v210.mov', [...picture(1), '-c:v', 'v210']],
  'CineForm of cameras': [1, 'cfhd.mov', [...picture(1), '-s', '320x240', '-c:v', 'cfhd']],
  'screens as PNG': [1, 'png.mov', [...picture(1), '-c:v', 'png']],
  'screens in Flash': [1, 'screen.flv', [...picture(1), '-c:v', 'flashsv']],
  'a single JPEG': [0.1, 'one.avi', [...picture(1), '-frames:v', '1', '-c:v', 'mjpeg']],
  'one picture of MPEG-1': [0.04, 'one.mpg', [...picture(1), '-r', '25', '-frames:v', '1', '-c:v', 'mpeg1video']],
  'HDR that names its curve only': [1, 'pq.mp4', [...picture(1), '-pix_fmt', 'yuv420p10', '-c:v', 'libx264', ...hdr]],
  'HDR in RGB': [1, 'rgb.mkv', [...picture(1), '-pix_fmt', 'gbrp10', '-c:v', 'libx264rgb', ...hdr]],
  'a minute of black': [60, 'black.webm', ['-f', 'lavfi', '-i', 'color=black:s=320x240:d=60:r=1', '-c:v', 'libvpx']],
}

describe('films of rare kinds', () => {
  for (const [kind, [seconds, file, args]] of Object.entries(films)) {
    test(kind, async () => {
      const path = join(bed.folder, file)
      await ffmpeg(...args, path)
      const made = await bed.process(path, { media_type: 'video' })
      assert.equal(made.media_type, 'video')
      assert.ok(Math.abs((made.duration ?? 0) - seconds) <= seconds * 0.05, `lasts ${made.duration} s`)
      const { streams } = await inspect(await bed.pathOf(made, '720p'))
      assert.deepEqual([streams[0]?.codec_name, streams[0]?.pix_fmt], ['h264', 'yuv420p'])
    })
  }

  test('a codec that we leave closed is told by its name', async () => {
    const path = join(bed.folder, 'snow.avi')
    await ffmpeg(...picture(1), '-c:v', 'snow', '-strict', '-2', path)
    await assert.rejects(bed.process(path, { media_type: 'video' }), (error: Error & { detail?: string }) => {
      return codeOf(error) === 'unsupported_media' && /snow/.test(error.detail ?? '')
    })
  })
})
