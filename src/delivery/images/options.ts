import { MediaError } from '../../media/errors.ts'
import type { Transform } from '../../media/transform.ts'

/**
 * What a picture is asked to be, as one segment of an address: `width=400,height=300,fit=cover,gravity=auto,format=auto`.
 * Names and values are those of Cloudflare Images, and so are the short ones.
 * https://developers.cloudflare.com/images/transform-images/transform-via-url/
 */
export interface ImageOptions extends Omit<Transform, 'format'> {
  /** `auto`: the best that the reader takes. */
  format: 'auto' | Exclude<Transform['format'], 'still'>
}

/** What an operator allows; see `readImagePresets`. */
export interface ImageLimits {
  /** Options by the name that `preset=` gives. */
  presets: Readonly<Record<string, string>>
  /** Whether a preset is needed, and only its format and density may be chosen besides. */
  onlyPresets: boolean
  /** Pixels of either side. */
  largestSide: number
}

export const largestSide = 4096
export const noLimits: ImageLimits = { presets: {}, onlyPresets: false, largestSide }

const shortNames: Record<string, string> = {
  w: 'width',
  h: 'height',
  q: 'quality',
  f: 'format',
  g: 'gravity',
  crop: 'gravity',
}
const besidePresets = ['preset', 'format', 'dpr']
const longest = 300

const corners: Record<string, { x: number; y: number }> = {
  center: { x: 0.5, y: 0.5 },
  left: { x: 0, y: 0.5 },
  right: { x: 1, y: 0.5 },
  top: { x: 0.5, y: 0 },
  bottom: { x: 0.5, y: 1 },
}

/** Each takes a value apart, or answers null when it is none. */
const readers = {
  width: (text: string) => whole(text, 1, largestSide * 3),
  height: (text: string) => whole(text, 1, largestSide * 3),
  dpr: (text: string) => (/^[1-3](?:\.\d{1,2})?$/.test(text) && Number(text) <= 3 ? Number(text) : null),
  fit: (text: string) => own(fits, text),
  gravity: (text: string) => (text === 'auto' || text === 'attention' ? 'auto' : (own(corners, text) ?? point(text))),
  format: (text: string) => formats.find((one) => one === (text === 'jpg' ? 'jpeg' : text)) ?? null,
  quality: (text: string) => whole(text, 1, 100),
  anim: (text: string) => own({ true: { on: true }, false: { on: false } }, text),
  background: (text: string) => (/^[0-9a-fA-F]{6}$/.test(text) ? `#${text.toLowerCase()}` : null),
}
const formats = ['auto', 'avif', 'webp', 'jpeg', 'png'] as const
const fits: Record<string, Transform['fit']> = {
  'scale-down': 'scale-down',
  contain: 'scale-down',
  cover: 'cover',
  crop: 'cover',
  pad: 'pad',
}

const taken: Record<keyof typeof readers | 'preset', string> = {
  preset: 'the name of a preset',
  width: 'pixels',
  height: 'pixels',
  dpr: '1–3',
  fit: 'scale-down, contain, cover, crop or pad',
  gravity: 'auto, center, left, right, top, bottom, or a point such as 0.5x0.2',
  format: formats.join(', '),
  quality: '1–100',
  anim: 'true or false',
  background: 'a colour as six hexadecimal digits',
}

type Given = { [K in keyof typeof readers]?: NonNullable<ReturnType<(typeof readers)[K]>> }

/** @throws MediaError `invalid_request`, naming the option and what it takes */
export function readImageOptions(text: string, limits: ImageLimits): ImageOptions {
  if (text.length > longest) throw refused(`Options take at most ${longest} characters.`)
  const pairs = pairsOf(text)
  const preset = pairs.get('preset')
  if (limits.onlyPresets) checkAllowed(pairs, limits)
  const base = preset === undefined ? new Map<string, string>() : pairsOf(presetNamed(preset, limits))
  const given: Record<string, unknown> = {}
  for (const [name, value] of [...base, ...pairs]) if (name !== 'preset') given[name] = valueOf(name, value)
  return complete(given as Given, limits)
}

/** One spelling for what is the same. */
export function writeImageOptions(options: ImageOptions): string {
  const { width, height, fit, gravity, format, quality, animated, background } = options
  const parts = [
    width === null ? '' : `width=${width}`,
    height === null ? '' : `height=${height}`,
    fit === 'scale-down' ? '' : `fit=${fit}`,
    fit === 'cover' ? `gravity=${gravity === 'auto' ? 'auto' : `${gravity.x}x${gravity.y}`}` : '',
    `format=${format}`,
    quality === null ? '' : `quality=${quality}`,
    animated ? '' : 'anim=false',
    background === white ? '' : `background=${background.slice(1)}`,
  ]
  return parts.filter((part) => part !== '').join(',')
}

const white = '#ffffff'

function pairsOf(text: string): Map<string, string> {
  const pairs = new Map<string, string>()
  for (const part of text.split(',')) {
    const [written = '', value, ...rest] = part.split('=')
    const name = own(shortNames, written) ?? written
    if (!Object.hasOwn(taken, name))
      throw refused(`"${written}" is no option. There are: ${Object.keys(taken).join(', ')}.`)
    if (value === undefined || rest.length > 0) throw refused(`Options are written as ${name}=value.`)
    if (pairs.has(name)) throw refused(`"${name}" is given twice.`)
    pairs.set(name, value)
  }
  return pairs
}

function checkAllowed(pairs: Map<string, string>, { presets }: ImageLimits): void {
  const other = [...pairs.keys()].find((name) => !besidePresets.includes(name))
  if (other === undefined && pairs.has('preset')) return
  const names = Object.keys(presets).join(', ')
  throw refused(`Only presets are made here: preset=${names || 'none'}, with format and dpr besides.`)
}

function presetNamed(name: string, { presets }: ImageLimits): string {
  const found = own(presets, name)
  if (found !== null) return found
  throw refused(`There is no preset "${name}". There are: ${Object.keys(presets).join(', ') || 'none'}.`)
}

function valueOf(name: string, text: string): unknown {
  const value = readers[name as keyof typeof readers](text)
  if (value !== null) return value
  throw refused(`"${name}" takes ${taken[name as keyof typeof taken]}.`)
}

function complete(given: Given, limits: ImageLimits): ImageOptions {
  const { dpr = 1, quality = null, background = white, format = 'auto' } = given
  const scaled = (side: number | undefined) => (side === undefined ? null : Math.round(side * dpr))
  const [width, height] = [scaled(given.width), scaled(given.height)]
  if (Math.max(width ?? 0, height ?? 0) > limits.largestSide) {
    throw refused(`"width" and "height" take at most ${limits.largestSide} pixels, dpr counted in.`)
  }
  // What is to be filled has two sides.
  const fit = width === null || height === null ? 'scale-down' : (given.fit ?? 'scale-down')
  const gravity = given.gravity ?? { x: 0.5, y: 0.5 }
  return { width, height, fit, gravity, format, quality, background, animated: given.anim?.on ?? true }
}

function own<T>(table: Readonly<Record<string, T>>, name: string): T | null {
  return Object.hasOwn(table, name) ? (table[name] as T) : null
}

function whole(text: string, least: number, most: number): number | null {
  const number = Number(text)
  return /^\d{1,5}$/.test(text) && number >= least && number <= most ? number : null
}

/** `0.5x0.25` */
function point(text: string): { x: number; y: number } | null {
  const found = /^([01](?:\.\d{1,3})?)x([01](?:\.\d{1,3})?)$/.exec(text)
  const [x, y] = [Number(found?.[1]), Number(found?.[2])]
  return found && x <= 1 && y <= 1 ? { x, y } : null
}

function refused(detail: string): MediaError {
  return new MediaError('invalid_request', 'options of a picture', { detail })
}
