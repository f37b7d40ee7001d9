import { spawn } from 'node:child_process'
import { MediaError } from '../../media/errors.ts'
import type { Size } from '../geometry.ts'
import { asCoded, type Turn } from './picture-turn.ts'
import type { Runner } from './run.ts'
import { findProgram, toolEnvironment } from './sandbox.ts'

/**
 * Programs that turn HEIC and AVIF into JPEG or PNG. Their decoders, as all of these formats, hold the whole picture,
 * but once and not as RGB with copies: at 64 megapixels they take 340–415 MB where sharp and heic-decode take 1 200.
 */
export type Converters = Record<HeavyFormat, Converter | null>
export type HeavyFormat = 'heic' | 'avif'

export interface Converter {
  /** Absolute path. */
  program: string
  version: string
  /** Whether what it writes is cut and turned as the file says. */
  turnsUpright: boolean
}

/** A picture that is too large to be decoded in the picture process, as that process describes it. */
export interface Heavy extends Size {
  format: HeavyFormat
  hasAlpha: boolean
  /** Of how many, and which of them it is, from 0. */
  pages: number
  page: number
  turn: Turn
}

/** What became of it: a picture that is decoded a piece at a time, and has these pixels when it was turned so. */
export interface Converted extends Size {
  turn: Turn
}

/** Names of the programs, and Debian's packages of them. */
export const converterNames: Record<HeavyFormat, { names: readonly string[]; debian: string }> = {
  // Renamed by libheif 1.19.
  heic: { names: ['heif-convert', 'heif-dec'], debian: 'libheif-examples' },
  avif: { names: ['avifdec'], debian: 'libavif-bin' },
}

/** Of what they write. */
const fileBytes = 1024 ** 3
/** HEVC is decoded by one thread: 64 megapixels take it 5–8 s of a core. */
const seconds = 120

export async function findConverters(path = process.env.PATH ?? ''): Promise<Converters> {
  const [heic, avif] = await Promise.all([find('heic', path), find('avif', path)])
  return { heic, avif }
}

async function find(format: HeavyFormat, path: string): Promise<Converter | null> {
  for (const name of converterNames[format].names) {
    const program = await findProgram(name, path)
    const said = program === null ? '' : await ask(program, format === 'avif' ? '--version' : '--help')
    const version = /version: *(\d+\.\d+[.\d]*)/i.exec(said)?.[1]
    if (program !== null && version) return { program, version, turnsUpright: turns(format, version) }
  }
  return null
}

/** libheif always has; avifdec began with it in 1.4. https://github.com/AOMediaCodec/libavif/pull/3059 */
function turns(format: HeavyFormat, version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return format === 'heic' || major > 1 || (major === 1 && minor >= 4)
}

function ask(program: string, question: string): Promise<string> {
  return new Promise((resolve) => {
    let said = ''
    const child = spawn(program, [question], {
      env: toolEnvironment,
      timeout: 20_000,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data) => (said = `${said}${data}`.slice(0, 4_096)))
    child.on('error', () => resolve(''))
    child.on('close', () => resolve(said))
  })
}

/** Pixels of such pictures that the picture process decodes by itself, of so many bytes of memory. */
export function pixelsDecodedWhole({ heic, avif }: Converters, memory: number): Record<HeavyFormat, number> {
  // Of 512 MiB 8 megapixels, beyond which the program is as fast; without it 14, which is as far as memory goes.
  const most = (converter: Converter | null) => Math.floor(memory / (converter === null ? 38 : 64))
  return { heic: most(heic), avif: most(avif) }
}

interface Conversion {
  heavy: Heavy
  /** The picture. */
  path: string
  /** New, empty, and given to the program alone. */
  folder: string
  /** Bytes. */
  memory: number
  signal: AbortSignal
}

/**
 * Turns it into `folder`/`file`.
 * @throws MediaError `too_many_pixels` where the program is not installed, `undecodable`, or what `Runner.run` throws.
 */
export async function convert(
  { runner, converters }: { runner: Runner; converters: Converters },
  { heavy, path, folder, memory, signal }: Conversion,
): Promise<{ file: string; converted: Converted }> {
  const { format, width, height, hasAlpha, pages, page } = heavy
  const converter = converters[format]
  if (converter === null) throw tooLarge(heavy)
  const { program, turnsUpright } = converter
  const extension = hasAlpha ? '.png' : '.jpg'
  const { exitCode, stderr } = await runner.run({
    program,
    args: [
      ...(format === 'avif' ? avifArgs(heavy) : []),
      ...(hasAlpha ? [] : ['-q', '98']),
      path,
      `converted${extension}`,
    ],
    folder,
    reads: [path],
    limits: { memory, seconds, fileBytes, fewAddresses: true, niceness: 10 },
    signal,
  })
  if (exitCode !== 0) throw new MediaError('undecodable', `the ${format} could not be converted: ${stderr}`)
  // Of several, libheif's program writes all, and counts them.
  const file = format === 'heic' && pages > 1 ? `converted-${page + 1}${extension}` : `converted${extension}`
  return { file, converted: { width, height, turn: turnsUpright ? asCoded : heavy.turn } }
}

/** 8 bits a channel, little time on packing, and one picture at a time in memory. */
function avifArgs({ hasAlpha }: Heavy): string[] {
  return ['--jobs', '1', ...(hasAlpha ? ['--depth', '8', '--png-compress', '1'] : [])]
}

function tooLarge({ format, width, height }: Heavy): MediaError {
  const { names, debian } = converterNames[format]
  const name = format.toUpperCase()
  return new MediaError(
    'too_many_pixels',
    `${width} × ${height} pixels of ${name} need ${names[0]}, which is not installed (Debian: apt-get install ${debian})`,
    { detail: `${name} pictures of this size cannot be opened here. Make it smaller, or send it as JPEG.` },
  )
}
