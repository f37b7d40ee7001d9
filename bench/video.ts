import { spawn } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemChance, systemClock } from '../src/media/clock.ts'
import { silentLog } from '../src/media/log.ts'
import { newRecord } from '../src/media/record.ts'
import { parseSettings } from '../src/media/setting.ts'
import { openFilesystemObjects } from '../src/objects/filesystem.ts'
import { openProcessor } from '../src/processing/pipeline.ts'
import { processingSettings } from '../src/processing/settings.ts'
import { findTools } from '../src/processing/tools/find.ts'
import { openRunner } from '../src/processing/tools/run.ts'
import { probeSandbox } from '../src/processing/tools/sandbox.ts'

/**
 * Wall time of a 60 s 1080p30 clip through the processor (bring, probe, encode, thumbnail, placeholder, verify, store)
 * beside the bare ffmpeg command with the same settings, which makes the MP4 and nothing else. Pairs in turn; the median
 * of their ratios counts. `node bench/video.ts [pairs] [clip]`
 */

const aim = 1.1

/** The settings of the recipe for this clip, as a person would type them. */
const bare = [
  ...[
    '-filter_complex',
    '[0:v]scale=1280:720:flags=bicubic,setsar=1,format=yuv420p[main]',
    '-map',
    '[main]',
    '-map',
    '0:a',
  ],
  ...['-c:v', 'libx264', '-profile:v', 'high', '-preset', 'veryfast', '-crf', '23', '-maxrate', '4M', '-bufsize', '8M'],
  ...[
    '-force_key_frames',
    'expr:gte(t,n_forced*2)',
    '-c:a',
    'aac',
    '-b:a',
    '128k',
    '-ac',
    '2',
    '-movflags',
    '+faststart',
  ],
]

async function main([pairs = '3', given]: string[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-video-'))
  try {
    const clip = given ?? join(folder, 'clip.mp4')
    if (!given) await makeClip(clip)
    await compare(folder, clip, Number(pairs))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function compare(folder: string, clip: string, pairs: number): Promise<void> {
  const { process: processClip, close } = await openOurs(folder, clip)
  const ratios: number[] = []
  for (let pair = 1; pair <= pairs; pair++) {
    // Turns change places, so that neither always finds the warmer machine.
    const both = [() => seconds(() => runBare(clip, join(folder, 'bare.mp4'))), () => seconds(processClip)]
    if (pair % 2 === 0) both.reverse()
    const times = [await both[0]?.(), await both[1]?.()]
    if (pair % 2 === 0) times.reverse()
    const [theirs = 0, ours = 0] = times
    ratios.push(ours / theirs)
    console.log(
      `pair ${pair}: ffmpeg ${theirs.toFixed(2)} s, processor ${ours.toFixed(2)} s, ratio ${(ours / theirs).toFixed(3)}`,
    )
  }
  await close()
  const median = ratios.toSorted((a, b) => a - b)[Math.floor(ratios.length / 2)] ?? Number.NaN
  console.log(`median ratio ${median.toFixed(3)} on ${availableParallelism()} cores (aim: at most ${aim})`)
}

async function openOurs(
  folder: string,
  clip: string,
): Promise<{ process: () => Promise<void>; close: () => Promise<void> }> {
  const settings = parseSettings(processingSettings, process.env)
  const { tools, problem } = await findTools(settings)
  if (problem) throw new Error(problem)
  const [clock, chance, log] = [systemClock, systemChance, silentLog]
  const objects = await openFilesystemObjects({ root: join(folder, 'objects'), clock })
  const runner = openRunner({ sandbox: await probeSandbox(settings.sandbox), clock })
  const shared = { objects, runner, tools, settings, clock, chance, log, takesVideo: true }
  const processor = await openProcessor({ ...shared, workRoot: join(folder, 'work'), processedBucket: 'processed' })
  const staged = await objects.stage(createReadStream(clip))
  await staged.commit({ bucket: 'temp', key: 'clip' }, { content_type: 'video/mp4' })
  const given = { media_id: 'clip', user_id: 'local', title: '', media_type: 'video', status: 'processing' } as const
  const record = newRecord({ ...given, upload_time: '', temp_s3_url: 's3://temp/clip' })
  let token = 0
  return {
    process: async () => {
      const signal = new AbortController().signal
      await processor.process({ record, token: ++token, signal, onProgress: () => {} })
    },
    close: async () => {
      await processor.close()
      await objects.close()
    },
  }
}

async function makeClip(path: string): Promise<void> {
  const picture = ['-f', 'lavfi', '-i', 'testsrc2=s=1920x1080:r=30:d=60,noise=alls=4:allf=t']
  const sound = ['-f', 'lavfi', '-i', 'sine=440:d=60']
  await runProgram([
    '-y',
    ...picture,
    ...sound,
    '-c:v',
    'libx264',
    '-preset',
    'veryfast',
    '-crf',
    '26',
    '-pix_fmt',
    'yuv420p',
    '-c:a',
    'aac',
    path,
  ])
}

async function runBare(clip: string, out: string): Promise<void> {
  // Read once before, as the processor's own copy is: both find it in memory.
  const threads = ['-threads', String(availableParallelism())]
  await runProgram(['-y', ...threads, '-i', clip, ...bare, ...threads, out])
}

async function seconds(work: () => Promise<void>): Promise<number> {
  const began = performance.now()
  await work()
  return (performance.now() - began) / 1000
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

if (import.meta.main) await main(process.argv.slice(2))
