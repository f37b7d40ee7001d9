import { createWriteStream, openAsBlob } from 'node:fs'
import { copyFile, stat } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream } from 'node:stream/web'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Facts, factsOf } from './facts.ts'

/** A file, and what became of it. */
export interface Exhibit {
  name: string
  bytes: number
  before: Facts
  /** Of what is played or looked at; null when it was refused. */
  after: Facts | null
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

/** No drawings: they may hold programs. */
const shownByBrowsers = ['.jpg', '.jpeg', '.png', '.gif', '.webp', '.avif']
/** What a page can show; a stream and the pictures of its time bar have many files. */
const isShown = ({ name }: { name: string }) => !/^(?:hls|storyboard\.vtt|waveform|opus)$/.test(name)

export async function exhibit({ url, path, name, out, prefix }: Order): Promise<Exhibit> {
  const began = performance.now()
  const sent = await upload(url, path)
  const record = 'media_id' in sent ? await settled(url, sent.media_id) : null
  const seconds = (performance.now() - began) / 1000
  const { size: bytes } = await stat(path)
  const extension = extname(path).toLowerCase()
  const source = shownByBrowsers.includes(extension) ? `assets/${prefix}-before${extension}` : null
  if (source) await copyFile(path, join(out, source))
  const told = {
    ...{ name, bytes, source, seconds, before: await factsOf(path), after: null },
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
  const main = renditions.find(({ name }) => mainNames.includes(name))
  const after = main?.asset ? await factsOf(join(out, main.asset)) : null
  const { media_type, width, height, duration, dominant_color, warnings } = record
  return { ...told, after, media_type, width, height, duration, dominant_color, warnings, renditions }
}

/** What is meant to be played or looked at. */
const mainNames = ['720p', 'audio', 'jpeg-1600', 'png-1600']

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
