import { spawn } from 'node:child_process'
import { globSync, openAsBlob } from 'node:fs'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { medianOf, similarity } from '../acceptance/corpus/similarity.ts'
import { startTarget } from '../acceptance/target.ts'

/**
 * How much of each film's picture is left in its 720p: SSIM against the source, turned and scaled to the same size, beside
 * x264's preset `fast` in two passes at the bitrate that ours came out with. What is mapped from HDR, deinterlaced or has
 * other frames than its source cannot be compared and is named.
 * `node bench/quality.ts FOLDER [--preset fast] [--longest 60]`: all films below the folder; seconds.
 */

interface Source {
  width: number
  height: number
  seconds: number
  frames: number
  /** What keeps it from being compared. */
  unlike: string | null
}

interface Row {
  name: string
  kilobits: number
  ours: number
  fast: number
}

async function main(): Promise<void> {
  const text = { type: 'string' } as const
  const { values, positionals } = parseArgs({ options: { preset: text, longest: text }, allowPositionals: true })
  const [given] = positionals
  if (!given) throw new Error('Name a folder of films: node bench/quality.ts FOLDER')
  const folder = await mkdtemp(join(tmpdir(), 'bench-quality-'))
  try {
    const rows: Row[] = []
    const films = globSync('**/*.{mp4,mov,mkv,webm,ts,avi,3gp,flv}', { cwd: given }).toSorted()
    for await (const made of makeAll(
      films.map((film) => join(given, film)),
      { folder, ...values },
    )) {
      const row = await compare(made, folder)
      if (typeof row === 'string') console.log(`${basename(made.path)}: ${row}`)
      else rows.push(row)
      if (typeof row !== 'string') console.log(lineOf(row))
    }
    const [ours, fast] = [medianOf(rows.map((row) => row.ours)), medianOf(rows.map((row) => row.fast))]
    console.log(`median of ${rows.length}: ours ${ours.toFixed(4)}, fast ${fast.toFixed(4)} (aim: 0.98, and no lower)`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function lineOf({ name, kilobits, ours, fast }: Row): string {
  return `${name}: ${kilobits} kbit/s, ours ${ours.toFixed(4)}, fast ${fast.toFixed(4)}, ${(ours - fast).toFixed(4)}`
}

interface Made {
  path: string
  source: Source
  /** Of the MP4; null when the service refused it. */
  output: string | null
}

/** Each film through a service that makes no more than its MP4. */
async function* makeAll(
  films: string[],
  { folder, preset, longest = '60' }: { folder: string; preset?: string; longest?: string },
): AsyncGenerator<Made> {
  const PROFILES_FILE = join(folder, 'profiles.json')
  const video = { hls: false, storyboard: false, preview: false, audio: false }
  await writeFile(PROFILES_FILE, JSON.stringify({ default: { video } }))
  const target = await startTarget({ env: { PROFILES_FILE, ...(preset && { VIDEO_PRESET: preset }) } })
  try {
    for (const path of films) {
      const source = await look(path)
      if (source && source.seconds <= Number(longest)) {
        yield { path, source, output: await make(target.url, path, join(folder, 'made.mp4')) }
      }
    }
  } finally {
    await target.stop()
  }
}

async function make(url: string, path: string, to: string): Promise<string | null> {
  const form = new FormData()
  form.set('title', basename(path))
  form.set('file', await openAsBlob(path), basename(path))
  const { media_id } = (await (await fetch(`${url}/api/media/upload`, { method: 'POST', body: form })).json()) as any
  for (;;) {
    const record = (await (await fetch(`${url}/api/media/${media_id}`)).json()) as any
    if (!record.status || record.status === 'failed') return null
    if (record.status === 'processed' && record.media_type !== 'video') return null
    if (record.status === 'processed') break
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  const reply = await fetch(`${url}/api/media/download/${media_id}?rendition=720p`)
  await writeFile(to, await reply.bytes())
  return to
}

async function look(path: string): Promise<Source | null> {
  const asked =
    'stream=width,height,color_transfer,field_order,nb_read_packets,codec_type:format=duration:side_data=rotation'
  const args = ['-loglevel', 'quiet', '-count_packets', '-select_streams', 'V:0', '-show_entries', asked, '-of', 'json']
  try {
    const { streams, format } = JSON.parse((await run('ffprobe', [...args, path])).out)
    const [video] = streams
    if (!video) return null
    const { color_transfer: transfer = '', field_order: order = 'progressive' } = video
    const unlike = /2084|arib/.test(transfer) ? 'HDR' : /^(?:tt|bb|tb|bt)$/.test(order) ? 'interlaced' : null
    const { width, height, nb_read_packets } = video
    return { width, height, seconds: Number(format.duration), frames: Number(nb_read_packets), unlike }
  } catch {
    return null
  }
}

async function compare({ path, source, output }: Made, folder: string): Promise<Row | string> {
  if (source.unlike) return `${source.unlike}, not compared`
  if (!output) return 'refused'
  const made = await look(output)
  if (made?.frames !== source.frames) return `${made?.frames} frames of ${source.frames}, not compared`
  const size = `scale=${made.width}:${made.height}:flags=bicubic,format=yuv420p`
  const bits = Math.round((await videoBytes(output)) * 8 * (1 / Math.max(0.04, made.seconds)))
  const fast = join(folder, 'fast.mp4')
  for (const pass of ['1', '2']) {
    const log = ['-pass', pass, '-passlogfile', join(folder, 'pass')]
    const encode = ['-c:v', 'libx264', '-preset', 'fast', '-b:v', String(bits), ...log, '-fps_mode', 'passthrough']
    await run('ffmpeg', ['-y', '-i', path, '-map', '0:V:0', '-vf', size, ...encode, '-an', fast])
  }
  const seen = async (one: string) => await similarity(one, path, made)
  return {
    name: basename(path),
    kilobits: Math.round(bits / 1000),
    ours: await seen(output),
    fast: await seen(fast),
  }
}

async function videoBytes(path: string): Promise<number> {
  const { size } = await stat(path)
  const args = ['-loglevel', 'quiet', '-select_streams', 'V:0', '-show_entries', 'packet=size', '-of', 'csv=p=0', path]
  const sizes = (await run('ffprobe', args)).out.trim().split('\n').map(Number.parseFloat)
  return Math.min(
    size,
    sizes.reduce((sum, one) => sum + one, 0),
  )
}

function run(program: string, args: string[]): Promise<{ out: string; said: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, program === 'ffmpeg' ? ['-nostdin', '-hide_banner', ...args] : args)
    let [out, said] = ['', '']
    child.stdout.on('data', (data) => {
      out += data
    })
    child.stderr.on('data', (data) => {
      said += data
    })
    child.on('error', reject)
    child.on('close', (code) => (code === 0 ? resolve({ out, said }) : reject(new Error(`${program}: ${said}`))))
  })
}

if (import.meta.main) await main()
