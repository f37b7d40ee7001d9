import type { Measured } from '../media/measured.ts'
import type { MediaRecord, Rendition } from '../media/record.ts'
import type { Processed } from './process.ts'
import type { Made } from './recipes/recipe.ts'

/** What the record says of what was made. */
export function describe(
  { content_type }: MediaRecord,
  made: Made,
  renditions: Rendition[],
): Omit<Processed, 'checksum'> {
  const urlOf = (wanted: string) => renditions.find(({ name }) => name === wanted)?.s3_url ?? null
  return {
    media_type: made.media_type,
    content_type: made.content_type ?? content_type,
    processed_s3_url: urlOf(made.main),
    thumbnail_s3_url: urlOf('thumbnail'),
    width: made.width,
    height: made.height,
    duration: made.duration,
    placeholder: made.placeholder,
    dominant_color: made.dominant_color ?? null,
    warnings: [...new Set(made.warnings)],
    renditions,
  }
}

export function secondsOf<K extends string>(ms: Record<K, number>): Record<K, number> {
  return Object.fromEntries(Object.entries<number>(ms).map(([step, took]) => [step, took / 1_000])) as Record<K, number>
}

/** @param of.cut whether its segments were made elsewhere: then its speed says nothing */
export function measure(
  { media_type, duration }: Made,
  of: { renditions: Rendition[]; steps: Measured['steps']; cut: boolean },
): Measured {
  const bytes = of.renditions.reduce((sum, { file_size }) => sum + file_size, 0)
  return { media_type, steps: of.steps, duration: of.cut ? null : duration, bytes }
}
