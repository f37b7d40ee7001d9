import type { Media } from '../../../client/src/index.ts'

/** Of the place that it takes before it is there. */
export function ratioOf({ media_type, width, height }: Media): string {
  if (media_type === 'audio') return '5 / 2'
  return width && height ? `${width} / ${height}` : '16 / 9'
}
