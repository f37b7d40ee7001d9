import { spawn } from 'node:child_process'
import { decodersOf } from './codecs.ts'
import { toolEnvironment } from './sandbox.ts'

/** What a build of ffmpeg may lack. */
export interface Part {
  name: string
  kind: 'encoder' | 'decoder' | 'filter'
  /** Whether video and sound cannot be made without it; else only some of it. */
  needed: boolean
  /** What it is for, for the operator. */
  purpose: string
}

interface Wanted extends Part {
  /** One of these is enough. */
  any: readonly string[]
}

const encoders: Wanted[] = [
  encoder('libx264', true, 'all video'),
  encoder('aac', true, 'all sound'),
  encoder('mjpeg', true, 'thumbnails and storyboards of video'),
  encoder('libopus', false, 'sound as Opus'),
  encoder('libwebp_anim', false, 'moving previews'),
  encoder('webvtt', false, 'subtitles'),
]
const filters: Wanted[] = [
  filter('scale', true, 'all video'),
  filter('split', true, 'all video'),
  filter('zscale', false, 'HDR video'),
  filter('tonemap', false, 'HDR video'),
  filter('tile', false, 'storyboards'),
  filter('aresample', true, 'all sound'),
  filter('ebur128', true, 'all sound'),
  filter('alimiter', true, 'sound with high peaks'),
]
const decoders: Wanted[] = [
  ...['h264', 'hevc', 'vp8', 'vp9', 'av1', 'mpeg4', 'prores'].map((codec) => decoder('video', codec)),
  ...['aac', 'mp3', 'opus', 'vorbis', 'flac', 'ac3'].map((codec) => decoder('audio', codec)),
]

function encoder(name: string, needed: boolean, purpose: string): Wanted {
  return { name, kind: 'encoder', needed, purpose, any: [name] }
}

function filter(name: string, needed: boolean, purpose: string): Wanted {
  return { name, kind: 'filter', needed, purpose, any: [name] }
}

function decoder(kind: 'video' | 'audio', codec: string): Wanted {
  return { name: codec, kind: 'decoder', needed: false, purpose: `uploads in ${codec}`, any: decodersOf(kind, codec) }
}

export interface Inventory {
  has: Part[]
  lacks: Part[]
}

/** Which of the codecs and filters that the recipes use are built into an ffmpeg. @param ffmpeg a path */
export async function takeInventory(ffmpeg: string): Promise<Inventory> {
  const lists = [
    ['-encoders', encoders],
    ['-decoders', decoders],
    ['-filters', filters],
  ] as const
  const inventory: Inventory = { has: [], lacks: [] }
  for (const [question, wanted] of lists) {
    const built = namesIn(await ask(ffmpeg, question))
    for (const { any, ...part } of wanted)
      (any.some((name) => built.has(name)) ? inventory.has : inventory.lacks).push(part)
  }
  return inventory
}

/** ` V....D libx264   libx264 H.264…`, ` .SC zscale   V->V …` */
function namesIn(text: string): Set<string> {
  return new Set([...text.matchAll(/^ [A-Z.]{2,6} +(\S+)/gm)].map(([, name = '']) => name))
}

function ask(program: string, question: string): Promise<string> {
  return new Promise((resolve) => {
    let said = ''
    const stdio: ['ignore', 'pipe', 'ignore'] = ['ignore', 'pipe', 'ignore']
    const child = spawn(program, ['-hide_banner', question], { env: toolEnvironment, stdio, timeout: 20_000 })
    child.stdout.on('data', (data) => (said += data))
    child.on('error', () => resolve(''))
    child.on('close', () => resolve(said))
  })
}

/** Kinds of pictures that can be read and written. @throws Error when the library cannot be loaded on this system */
export async function pictureAbilities(): Promise<{ version: string; lacks: string[] }> {
  const { default: sharp } = await import('sharp')
  const wanted = ['jpeg', 'png', 'webp', 'gif', 'tiff', 'svg', 'heif'] as const
  const lacks = wanted.filter((name) => !sharp.format[name]?.input.buffer)
  return { version: sharp.versions.sharp ?? sharp.versions.vips, lacks }
}
