import { spawn } from 'node:child_process'
import { createReadStream, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemChance, systemClock } from '../src/media/clock.ts'
import { silentLog } from '../src/media/log.ts'
import { newRecord } from '../src/media/record.ts'
import { parseSettings } from '../src/media/setting.ts'
import { openFilesystemObjects } from '../src/objects/filesystem.ts'
import { openProcessor } from '../src/processing/pipeline.ts'
import { type VideoProfile, videoProfile } from '../src/processing/profile.ts'
import { onlyProfile } from '../src/processing/profiles.ts'
import { processingSettings } from '../src/processing/settings.ts'
import { findTools } from '../src/processing/tools/find.ts'
import { openRunner } from '../src/processing/tools/run.ts'
import { probeSandbox } from '../src/processing/tools/sandbox.ts'

/**
 * The processor (bring, probe, make, verify, store) beside bare ffmpeg commands with the same settings, on one 1080p30 clip:
 *
 * - `film`: 720p, poster, thumbnail and storyboard, beside the command that makes the 720p MP4 and nothing else;
 * - `ladder`: the HLS stream in four sizes, beside four commands, each of which makes one of them from the source;
 * - `all`: everything that a film becomes, beside the same four commands.
 *
 * Pairs in turn; the medians of their ratios count, in wall time and in processor time, which other work disturbs less.
 * `node bench/video.ts [--pairs 3] [--seconds 20] [--source clip.mp4] [--only film]`
 */

const nothing = { hls: false, storyboard: false, preview: false, audio: false }
const cases: Record<string, { profile: VideoProfile; heights: number[]; aim: number | null }> = {
  film: { profile: { ...videoProfile, ...nothing, storyboard: true }, heights: [720], aim: 1.15 },
  ladder: { profile: { ...videoProfile, ...nothing, hls: true }, heights: [1080, 720, 540, 360], aim: 0.8 },
  all: { profile: videoProfile, heights: [1080, 720, 540, 360], aim: null },
}

/** The settings of the recipe for this clip, as a person would type them. */
function bare(height: number): string[] {
  const rung = videoProfile.rungs.find((one) => one.height === height) ?? { width: 0, crf: 0, maxBitrate: 0 }
  const size = `scale=${rung.width}:${height}:flags=bicubic,setsar=1,format=yuv420p`
  return [
    ...['-filter_complex', `[0:v]${size}[main]`, '-map', '[main]', '-map', '0:a', '-c:v', 'libx264'],
    ...['-profile:v', 'high', '-preset', 'veryfast', '-crf', String(rung.crf)],
    ...['-maxrate', String(rung.maxBitrate), '-bufsize', String(rung.maxBitrate * 2)],
    ...['-force_key_frames', 'expr:gte(t,n_forced*2)', '-c:a', 'aac', '-b:a', '128k', '-ac', '2'],
    ...['-movflags', '+faststart'],
  ]
}

interface Cost {
  wall: number
  processor: number
}

async function main(): Promise<void> {
  const text = { type: 'string' } as const
  const { values } = parseArgs({ options: { pairs: text, seconds: text, source: text, only: text } })
  const folder = await mkdtemp(join(tmpdir(), 'bench-video-'))
  try {
    const clip = values.source ?? join(folder, 'clip.mp4')
    if (!values.source) await makeClip(clip, Number(values.seconds ?? 20))
    for (const name of values.only ? values.only.split(',') : Object.keys(cases)) {
      await compare(name, { folder, clip, pairs: Number(values.pairs ?? 3) })
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function compare(name: string, given: { folder: string; clip: string; pairs: number }): Promise<void> {
  const { folder, clip, pairs } = given
  const { profile, heights, aim } = cases[name] ?? fail(`no case ${name}`)
  const ours = await openOurs(folder, clip, profile)
  const runBare = async () => {
    for (const height of heights) await runFfmpeg(clip, bare(height), join(folder, `bare-${height}.mp4`))
  }
  const ratios: Cost[] = []
  for (let pair = 1; pair <= pairs; pair++) {
    // Turns change places, so that neither always finds the warmer machine.
    const inTurn = pair % 2 === 0
    const before = inTurn ? await costOf(ours.process) : null
    const theirs = await costOf(runBare)
    const own = before ?? (await costOf(ours.process))
    const ratio = { wall: own.wall / theirs.wall, processor: own.processor / theirs.processor }
    ratios.push(ratio)
    console.log(`${name} ${pair}: ffmpeg ${say(theirs, ' s')}; processor ${say(own, ' s')}; ratio ${say(ratio)}`)
  }
  await ours.close()
  const median = { wall: middle(ratios.map(({ wall }) => wall)), processor: middle(ratios.map((one) => one.processor)) }
  const wanted = aim === null ? '' : `; aim: at most ${aim}`
  console.log(`${name}: median ratio ${say(median)} on ${availableParallelism()} cores${wanted}`)
}

function say({ wall, processor }: Cost, unit = ''): string {
  return `${wall.toFixed(2)}${unit} wall, ${processor.toFixed(2)}${unit} processor`
}

function middle(numbers: number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
}

async function costOf(work: () => Promise<void>): Promise<Cost> {
  const [began, used] = [performance.now(), processorSeconds()]
  await work()
  return { wall: (performance.now() - began) / 1000, processor: processorSeconds() - used }
}

/** Of this process and of all that it has started and seen end; the kernel counts in hundredths of a second. */
function processorSeconds(): number {
  const stat = readFileSync('/proc/self/stat', 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) / 100, 0)
}

async function openOurs(
  folder: string,
  clip: string,
  profile: VideoProfile,
): Promise<{ process: () => Promise<void>; close: () => Promise<void> }> {
  // What ends within bubblewrap is not counted as ours; `SANDBOX=bwrap` measures it by the clock.
  const settings = parseSettings(processingSettings, { SANDBOX: 'weak', ...process.env })
  const { tools, problem } = await findTools(settings)
  if (problem) throw new Error(problem)
  const [clock, chance, log] = [systemClock, systemChance, silentLog]
  const objects = await openFilesystemObjects({ root: join(folder, 'objects'), clock })
  const runner = openRunner({ sandbox: await probeSandbox(settings.sandbox), clock })
  const shared = {
    objects,
    runner,
    tools,
    settings,
    profiles: onlyProfile({ video: profile }),
    clock,
    chance,
    log,
    takesVideo: true,
  }
  const processor = await openProcessor({ ...shared, workRoot: join(folder, 'work'), processedBucket: 'processed' })
  const staged = await objects.stage(createReadStream(clip))
  await staged.commit({ bucket: 'temp', key: 'clip' }, { content_type: 'video/mp4' })
  const given = { media_id: 'clip', user_id: 'local', title: '', media_type: 'video', status: 'processing' } as const
  const record = newRecord({ ...given, upload_time: '', temp_s3_url: 's3://temp/clip' })
  let token = 0
  return {
    process: async () => {
      const signal = new AbortController().signal
      const { warnings } = await processor.process({ record, token: ++token, signal, onProgress: () => {} })
      if (warnings.length > 0) throw new Error(`made with ${warnings}`)
      await objects.removePrefix('processed', 'clip/')
    },
    close: async () => {
      await processor.close()
      await objects.close()
    },
  }
}

async function makeClip(path: string, seconds: number): Promise<void> {
  const picture = ['-f', 'lavfi', '-i', `testsrc2=s=1920x1080:r=30:d=${seconds},noise=alls=4:allf=t`]
  const sound = ['-f', 'lavfi', '-i', `sine=440:d=${seconds}`]
  const codecs = ['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '26', '-pix_fmt', 'yuv420p', '-c:a', 'aac']
  await runProgram(['-y', ...picture, ...sound, ...codecs, path])
}

async function runFfmpeg(clip: string, options: string[], out: string): Promise<void> {
  const threads = ['-threads', String(availableParallelism())]
  await runProgram(['-y', ...threads, '-i', clip, ...options, ...threads, out])
}

function runProgram(args: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    // The same priority, and a session of its own as the processor's tools have: on a busy machine a session is what gets a share.
    const given = ['-n', '19', 'ffmpeg', '-nostdin', '-loglevel', 'error', ...args]
    const child = spawn('nice', given, { stdio: ['ignore', 'ignore', 'inherit'], detached: true })
    child.on('error', reject)
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`ffmpeg ended with ${code}`))))
  })
}

function fail(what: string): never {
  throw new Error(what)
}

if (import.meta.main) await main()
