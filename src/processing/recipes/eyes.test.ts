import assert from 'node:assert/strict'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Manifest, Parser } from 'm3u8-parser'
import type { Processed } from '../process.ts'
import { run, type Testbed } from '../testbed.test.ts'

/** Films to make streams of, and other eyes than ours to look at them with, for the tests of this folder. */

export const picture = (size: string, seconds: number, rate = '25') => [
  ...['-f', 'lavfi', '-i', `testsrc2=s=${size}:r=${rate}:d=${seconds},noise=alls=3:allf=t`],
]
export const tone = (seconds: number, hertz = 440) => ['-f', 'lavfi', '-i', `sine=${hertz}:d=${seconds}`]
export const h264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-crf', '30', '-pix_fmt', 'yuv420p']

export const named = (made: Processed, name: string) => made.renditions.find((one) => one.name === name)
export const names = (made: Processed) => made.renditions.map(({ name }) => name)

/** Of a film's packed pictures, behind a filter of ffmpeg's that makes those of two containers alike. */
export async function hashOf(path: string, filter: string): Promise<string> {
  const pictures = ['-map', '0:v', '-c', 'copy', '-bsf:v', filter]
  return await run('ffmpeg', ['-loglevel', 'error', '-i', path, ...pictures, '-f', 'hash', '-'])
}

export function openEyes(bedOf: () => Testbed) {
  const file = (name: string) => join(bedOf().folder, name)
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
    const path = await bedOf().pathOf(made, 'hls')
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

  return { file, parse, packetsOf, check }
}
