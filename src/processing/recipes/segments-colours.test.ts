import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openTestbed, type Testbed } from '../testbed.test.ts'
import { cutEarly, draw, expectSame, picture, sound } from './segments-bed.test.ts'

/** What is mapped to SDR, and codecs whose frames say little of their colours, is cut as well as any other. */
describe('films in segments: codecs and colours', () => {
  let bed: Testbed
  before(async () => {
    bed = await openTestbed({ env: cutEarly })
  })
  after(async () => await bed.close())

  const seconds = 13.4
  const small = picture('25', '320x180', seconds)
  const aac = sound(seconds)
  const opus = ['-f', 'lavfi', '-i', `sine=440:r=48000:d=${seconds}`, '-c:a', 'libopus']
  const tenBits = (transfer: string) => [
    ...['-pix_fmt', 'yuv420p10le', '-color_primaries', 'bt2020', '-colorspace', 'bt2020nc', '-color_trc', transfer],
    ...['-color_range', 'tv'],
  ]
  const x265 = (more: string) => ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', `log-level=error:${more}`]
  const light = 'master-display=G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(10000000,1):max-cll=1000,400'
  const av1 = ['-c:v', 'libsvtav1', '-preset', '12', '-g', '50']
  const vp9 = ['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8', '-b:v', '1M', '-g', '40']

  const sources: [string, string, string[]][] = [
    ['HDR10', 'hdr10.mp4', [...aac, ...tenBits('smpte2084'), ...x265(`hdr10=1:${light}:keyint=40:open-gop=1`)]],
    ['HLG', 'hlg.mov', [...tenBits('arib-std-b67'), ...x265('keyint=40'), '-tag:v', 'hvc1']],
    ['HDR10 in AV1', 'av1.mp4', [...aac, ...tenBits('smpte2084'), ...av1]],
    ['AV1 in Matroska', 'av1.mkv', [...opus, ...av1]],
    ['VP9', 'vp9.webm', [...opus, ...vp9, '-auto-alt-ref', '1', '-lag-in-frames', '16']],
    ['HLG in VP9', 'vp9-hlg.webm', [...opus, ...tenBits('arib-std-b67'), ...vp9, '-profile:v', '2']],
    ['ProRes', 'prores.mov', [...aac, '-c:v', 'prores_ks', '-profile:v', '0']],
  ]
  for (const [what, name, options] of sources) {
    test(`${what}: the same frames and colours at the same times`, async () => {
      const path = join(bed.folder, name)
      await draw(...small, ...options, path)
      await expectSame(bed, path)
    })
  }
})
