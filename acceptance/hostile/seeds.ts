import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import sharp from 'sharp'

/** Small sound files of which attacks are made by changing them. */
export interface Seeds {
  /** A second of film and sound, its index at the end. */
  mp4: Buffer
  /** The same with the index first, five seconds. */
  longMp4: Buffer
  mkv: Buffer
  /** Film in JPEGs. */
  avi: Buffer
  ts: Buffer
  mp3: Buffer
  jpeg: Buffer
  png: Buffer
  gif: Buffer
  avif: Buffer
  svg: string
}

const clip = (seconds: number) => [
  ...['-f', 'lavfi', '-i', `testsrc2=size=160x120:rate=25:duration=${seconds}`],
  ...['-f', 'lavfi', '-i', `sine=duration=${seconds}`],
]
const h264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-c:a', 'aac']

export async function makeSeeds(): Promise<Seeds> {
  const folder = await mkdtemp(join(tmpdir(), 'seeds-'))
  const make = async (name: string, ...args: string[]) => {
    await promisify(execFile)('ffmpeg', ['-nostdin', '-v', 'error', '-y', ...args, join(folder, name)])
    return await readFile(join(folder, name))
  }
  const picture = () => sharp({ create: { width: 64, height: 48, channels: 3, background: '#336699' } })
  try {
    return {
      mp4: await make('a.mp4', ...clip(1), ...h264),
      longMp4: await make('b.mp4', ...clip(5), ...h264, '-movflags', '+faststart'),
      mkv: await make('a.mkv', ...clip(1), ...h264),
      avi: await make('a.avi', ...clip(1), '-c:v', 'mjpeg', '-an'),
      ts: await make('a.ts', ...clip(1), ...h264),
      mp3: await make('a.mp3', '-f', 'lavfi', '-i', 'sine=duration=1'),
      jpeg: await picture().jpeg().toBuffer(),
      png: await picture().png().toBuffer(),
      gif: await picture().gif().toBuffer(),
      avif: await picture().avif({ effort: 0 }).toBuffer(),
      svg: '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="64" height="48">',
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
