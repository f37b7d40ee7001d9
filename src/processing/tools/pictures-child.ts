import { pathToFileURL } from 'node:url'
import sharp from 'sharp'
import type { Transform } from '../../media/transform.ts'
import type { ImageProfile } from '../image-profile.ts'
import type { Converted, Heavy, HeavyFormat } from './picture-converters.ts'
import { type MadePicture, makeCover, makeSet, makeThumbnail, type Tell } from './picture-set.ts'
import { openSource, TooHeavy } from './picture-source.ts'
import { makeTransform } from './picture-transform.ts'

/**
 * A program: makes one media's pictures, in the current folder, from the file named by its argument. Its task comes as
 * JSON on standard input, what it has made and its reply go to standard output, and then it ends: it is never used for another media.
 */

export interface PictureTask {
  /** `picture` makes all renditions of a picture, `cover` those of a sound's, `thumbnail` only that, `transform` the one that is described. */
  wanted: 'picture' | 'cover' | 'thumbnail' | 'transform'
  transform?: Transform
  profile: ImageProfile
  maxPixels: number
  isSvg: boolean
  /** Pixels of a HEIC or AVIF that it decodes; of a larger one it says what is to be converted. */
  wholePixels: Record<HeavyFormat, number>
  /** Set when the file is what a larger one was converted to. */
  converted?: Converted
}

export type PictureReply =
  | {
      ok: true
      /** Pixels, upright. */
      width: number
      height: number
      /** ThumbHash, base64; null of a transform. */
      placeholder: string | null
      /** `#rrggbb`; null where nothing can be seen. */
      dominant_color: string | null
      warnings: string[]
      outputs: MadePicture[]
    }
  | { ok: false; code: string; message: string; heavy?: Heavy }

/** What a picture process says, a line of JSON each time: files that are whole, and in the end its reply. */
export type PictureNews = { made: MadePicture[] } | { reply: PictureReply }

export async function makePictures(path: string, task: PictureTask, tell: Tell): Promise<PictureReply> {
  sharp.cache(false)
  const { wanted, profile, transform } = task
  const source = await openSource(path, { ...task, width: profile.master.width })
  const { width, height, warnings } = source
  if (transform) {
    const outputs = [await makeTransform(source, transform, profile)]
    tell(outputs)
    return { ok: true, width, height, warnings, placeholder: null, dominant_color: null, outputs }
  }
  const make = wanted === 'picture' ? makeSet : wanted === 'cover' ? makeCover : makeThumbnail
  return { ok: true, width, height, warnings, ...(await make(source, profile, tell)) }
}

/** Which of our codes a failure of the libraries is; what is not known to be ours is the file's. */
function replyOf(error: unknown): PictureReply {
  const { code, message } = error as { code?: unknown; message?: unknown }
  const said = String(message)
  const found = () => {
    if (code === 'too_many_pixels' || /exceeds pixel limit|too large|dimensions exceed/i.test(said))
      return 'too_many_pixels'
    if (code === 'ENOSPC' || /No space left/.test(said)) return 'storage_full'
    if (code === 'EFBIG' || /File too large/.test(said)) return 'output_too_large'
    if (/out of memory|allocation failed/i.test(said)) return 'memory_exceeded'
    // TIFF holds whatever somebody once thought of.
    if (/compression support is not configured/.test(said)) return 'unsupported_media'
    return 'undecodable'
  }
  const heavy = error instanceof TooHeavy ? { heavy: error.heavy } : {}
  return { ok: false, code: found(), message: said.slice(0, 500), ...heavy }
}

async function main(path: string): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk)
  if (chunks.length === 0) return // dismissed without work
  const task = JSON.parse(Buffer.concat(chunks).toString('utf8')) as PictureTask
  const say = (news: PictureNews, onSaid?: () => void) => process.stdout.write(`${JSON.stringify(news)}\n`, onSaid)
  const reply = await makePictures(path, task, (made) => void say({ made })).catch(replyOf)
  // At once: nothing is left to be done, and taking the process down in order takes long.
  say({ reply }, () => process.exit())
}

const [, program, path] = process.argv
if (program && path && import.meta.url === pathToFileURL(program).href) await main(path)
