import type { Transform } from '../../media/transform.ts'
import type { ImageOptions } from './options.ts'

/** What is made for a reader that takes `accept`; only WebP keeps an animation. */
export function chooseFormat(
  { format, animated }: Pick<ImageOptions, 'format' | 'animated'>,
  source: { animated: boolean },
  accept: string | undefined,
): Transform['format'] {
  if (format !== 'auto') return format
  // `image/*` and `*/*` are sent by those who know nothing newer than JPEG as well.
  const moves = animated && source.animated
  if (!moves && takes(accept, 'image/avif')) return 'avif'
  return takes(accept, 'image/webp') ? 'webp' : 'still'
}

function takes(accept = '', type: string): boolean {
  const range = accept.split(',').find((one) => one.split(';', 1)[0]?.trim().toLowerCase() === type)
  return range !== undefined && Number(/;\s*q=([\d.]+)/i.exec(range)?.[1] ?? 1) > 0
}
