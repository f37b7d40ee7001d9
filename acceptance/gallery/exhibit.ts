import { spawn } from 'node:child_process'
import { createWriteStream, openAsBlob } from 'node:fs'
import { copyFile, stat } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream } from 'node:stream/web'
import { setTimeout as sleep } from 'node:timers/promises'

/** A file, and what became of it. */
export interface Exhibit {
  name: string
  bytes: number
  /** What ffprobe says of it. */
  before: Facts
  /** Beside the page; of pictures that browsers show. */
  source: string | null
  /** From the upload until it was processed. */
  seconds: number
  refused: { code: string; message: string } | null
  media_type: string
  width: number | null
  height: number | null
  duration: number | null
  dominant_color: string | null
  warnings: string[]
  renditions: Shown[]
}

export interface Facts {
  format: string
  streams: string[]
}

export interface Shown {
  name: string
  content_type: string
  file_size: number
  width: number | null
  height: number | null
  /** Beside the page; null of what is only counted. */
  asset: string | null
}

interface Order {
  url: string
  path: string
  /** Within its folder. */
  name: string
  out: string
  prefix: string
}

const shownByBrowsers = ['.jpg', '.jpeg', '.png', '.gif', '.webp', '.avif']
/** What a page can show; a stream and the pictures of its time bar have many files. */
const isShown = ({ name }: { name: string }) => !/^(?:hls|storyboard\.vtt|waveform|opus)$/.test(name)

export async function exhibit({ url, path, name, out, prefix }: Order): Promise<Exhibit> {
  const began = performance.now()
  const sent = await upload(url, path)
  const record = 'media_id' in sent ? await settled(url, sent.media_id) : null
  const seconds = (performance.now() - began) / 1000
  const { size: bytes } = await stat(path)
  const source = shownByBrowsers.includes(extname(path)) ? `assets/${prefix}-before${extname(path)}` : null
  if (source) await copyFile(path, join(out, source))
  const told = {
    ...{ name, bytes, source, seconds, before: await factsOf(path) },
    ...{ media_type: 'other', width: null, height: null, duration: null, dominant_color: null },
    ...{ warnings: [], renditions: [], refused: null },
  }
  if ('code' in sent) return { ...told, refused: sent }
  if (record?.error) return { ...told, media_type: record.media_type, refused: record.error }
  const renditions: Shown[] = []
  for (const rendition of record.renditions as Shown[]) {
    const asset = isShown(rendition)
      ? `assets/${prefix}-${rendition.name}${endings[rendition.content_type] ?? ''}`
      : null
    if (asset)
      await fetchTo(`${url}/api/media/download/${record.media_id}?rendition=${rendition.name}`, join(out, asset))
    renditions.push({ ...rendition, asset })
  }
  const { media_type, width, height, duration, dominant_color, warnings } = record
  return { ...told, media_type, width, height, duration, dominant_color, warnings, renditions }
}

const endings: Record<string, string> = {
  'video/mp4': '.mp4',
  'audio/mp4': '.m4a',
  'image/jpeg': '.jpg',
  'image/png': '.png',
  'image/webp': '.webp',
  'image/avif': '.avif',
  'text/vtt': '.vtt',
}

async function upload(url: string, path: string): Promise<{ media_id: string } | { code: string; message: string }> {
  const form = new FormData()
  form.set('title', basename(path).slice(0, 100))
  form.set('file', await openAsBlob(path), basename(path))
  const reply = await fetch(`${url}/api/media/upload`, { method: 'POST', body: form })
  const told: any = await reply.json()
  return reply.ok ? told : { code: told.code, message: told.detail ?? told.title }
}

async function settled(url: string, media_id: string): Promise<any> {
  for (;;) {
    const record: any = await (await fetch(`${url}/api/media/${media_id}`)).json()
    if (record.status === 'processed' || record.status === 'failed') return record
    await sleep(100)
  }
}

async function fetchTo(url: string, path: string): Promise<void> {
  const reply = await fetch(url)
  if (!reply.ok || !reply.body) throw new Error(`${url}: ${reply.status}`)
  await pipeline(Readable.fromWeb(reply.body as ReadableStream), createWriteStream(path))
}

/** Short words of the file as it came. */
async function factsOf(path: string): Promise<Facts> {
  const asked = ['-loglevel', 'quiet', '-protocol_whitelist', 'file', '-show_format', '-show_streams', '-of', 'json']
  const { format, streams = [] } = JSON.parse((await run('ffprobe', [...asked, `file:${path}`])) || '{}')
  return { format: format?.format_name?.split(',')[0] ?? '', streams: streams.map(wordsOf) }
}

function wordsOf(stream: Record<string, any>): string {
  const { codec_name = 'unknown', codec_type, width, height, pix_fmt, avg_frame_rate, sample_rate, channels } = stream
  const turned = stream.side_data_list?.find(({ rotation }: { rotation?: number }) => rotation)?.rotation
  const hdr = /2084|arib/.test(stream.color_transfer ?? '') ? 'HDR' : ''
  if (codec_type === 'video') {
    const rate = rateOf(avg_frame_rate)
    return [codec_name, `${width} × ${height}`, pix_fmt, rate && `${rate} fps`, hdr, turned && `turned by ${turned}°`]
      .filter(Boolean)
      .join(', ')
  }
  if (codec_type === 'audio')
    return `${codec_name}, ${sample_rate} Hz, ${channels === 1 ? 'mono' : `${channels} channels`}`
  return `${codec_name} (${codec_type})`
}

function rateOf(fraction = '0/0'): string {
  const [over = 0, under = 0] = fraction.split('/').map(Number)
  return under > 0 && over > 0 ? String(Math.round((over / under) * 100) / 100) : ''
}

function run(program: string, args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = ''
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'], timeout: 20_000 })
    child.stdout.on('data', (data) => {
      said += data
    })
    child.on('error', reject)
    child.on('close', () => resolve(said))
  })
}
