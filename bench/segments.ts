import { spawn } from 'node:child_process'
import { createReadStream, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemChance, systemClock } from '../src/media/clock.ts'
import { silentLog } from '../src/media/log.ts'
import { type MediaRecord, newRecord } from '../src/media/record.ts'
import { parseSettings } from '../src/media/setting.ts'
import { openFilesystemObjects } from '../src/objects/filesystem.ts'
import { type OpenProcessor, openProcessor } from '../src/processing/pipeline.ts'
import { processingSettings } from '../src/processing/settings.ts'
import { findTools } from '../src/processing/tools/find.ts'
import { openRunner } from '../src/processing/tools/run.ts'
import { probeSandbox } from '../src/processing/tools/sandbox.ts'

/**
 * A 1080p film made in one piece on all cores, beside the same film cut into four segments and its sound, made two at a
 * time, each on a core of its own, and one at a time on all.
 * `node bench/segments.ts [--seconds 60] [--source clip.mp4]`
 */

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    source: { type: 'string' },
  },
})
const seconds = Number(values.seconds)

async function open(folder: string) {
  const settings = parseSettings(processingSettings, { VIDEO_SEGMENT_SECONDS: String(Math.floor(seconds / 4)) })
  const objects = await openFilesystemObjects({ root: join(folder, 'objects'), clock: systemClock })
  const runner = openRunner({ sandbox: await probeSandbox('weak'), clock: systemClock })
  const { tools } = await findTools(settings)
  const shared = { objects, runner, tools, settings, clock: systemClock, chance: systemChance, log: silentLog }
  const workRoot = join(folder, `work-${process.pid}`)
  const processor = await openProcessor({ ...shared, workRoot, takesVideo: true, processedBucket: 'processed' })
  return { processor, objects }
}

/** Of what this process has waited for. */
function spent(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[13]) + Number(fields[14]) + Number(fields[11]) + Number(fields[12])) / 100
}

const signal = new AbortController().signal
const quiet = { signal, onProgress: () => {} }

/** All segments, so many at a time. */
async function makeAll(processor: OpenProcessor, given: { record: MediaRecord; count: number; atOnce: number }) {
  const { record, count, atOnce } = given
  let next = 0
  const worker = async () => {
    while (next < count) await processor.processSegment({ record, token: 1, segment: { plan: 1, n: next++ }, ...quiet })
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}

async function makeFilm(folder: string): Promise<string> {
  const path = join(folder, 'film.mkv')
  const picture = values.source
    ? ['-stream_loop', '-1', '-i', values.source, '-t', String(seconds), '-vf', 'scale=1920:1080']
    : ['-f', 'lavfi', '-i', `testsrc2=s=1920x1080:r=30:d=${seconds}`]
  const sound = ['-f', 'lavfi', '-i', `sine=440:r=48000:d=${seconds}`, '-map', '0:v', '-map', '1:a', '-c:a', 'aac']
  const args = [...picture, ...sound, '-c:v', 'libx264', '-preset', 'ultrafast', '-b:v', '12M', '-g', '60', path]
  await new Promise((resolve, reject) => {
    const child = spawn('ffmpeg', ['-nostdin', '-v', 'error', '-y', ...args], { stdio: 'inherit' })
    child.on('close', (code) => (code === 0 ? resolve(null) : reject(new Error(`ffmpeg ended with ${code}`))))
  })
  return path
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-segments-'))
  try {
    const { processor, objects } = await open(folder)
    const path = await makeFilm(folder)
    const store = async (): Promise<MediaRecord> => {
      const media_id = systemChance.uuid()
      const staged = await objects.stage(createReadStream(path))
      await staged.commit({ bucket: 'temp', key: media_id }, { content_type: 'video/x-matroska' })
      const about = { media_id, user_id: 'local', title: 'bench', media_type: 'video' as const, upload_time: '' }
      const raw = { status: 'processing' as const, temp_s3_url: `s3://temp/${media_id}` }
      return newRecord({ ...about, ...raw, content_type: 'video/x-matroska' })
    }
    const timed = async (what: string, run: () => Promise<unknown>) => {
      const [began, before] = [systemClock.now(), spent()]
      await run()
      const figures = { wall: (systemClock.now() - began) / 1_000, cpu: spent() - before }
      console.log(`${what.padEnd(28)} ${figures.wall.toFixed(1)} s, processor ${figures.cpu.toFixed(1)} s`)
      return figures
    }
    const inSegments = (atOnce: number) => async () => {
      const record = await store()
      const cut = await processor.processOrCut({ record, token: 1, segments: null, ...quiet })
      if (!('segments' in cut)) throw new Error('it was not cut')
      await makeAll(processor, { record, count: cut.segments, atOnce })
      const tokens = Array.from({ length: cut.segments }, () => 1)
      await processor.processOrCut({ record, token: 2, segments: { plan: 1, tokens }, ...quiet })
    }
    const load = () => `load ${loadavg()[0]?.toFixed(1)}`
    console.log(`${seconds} s of 1080p30, ${availableParallelism()} cores, ${load()}`)
    const whole = await timed('in one piece, all cores', async () =>
      processor.process({ record: await store(), token: 1, ...quiet }),
    )
    for (const [what, atOnce] of [
      ['in segments, two at a time', 2],
      ['in segments, one at a time', 1],
    ] as const) {
      const cut = await timed(what, inSegments(atOnce))
      const [wall, cpu] = [whole.wall / cut.wall, whole.cpu / cut.cpu]
      console.log(`  speed of one piece × ${wall.toFixed(2)}, by processor time × ${cpu.toFixed(2)}, ${load()}`)
    }
    await processor.close()
    await objects.close()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

await main()
