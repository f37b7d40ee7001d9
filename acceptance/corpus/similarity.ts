import { probe, run } from './outputs.ts'

/** How much of a film's picture is left in its 720p (SSIM). */

/** What keeps a film from being compared frame by frame; null when nothing does. */
export async function whatIsUnlike(source: string): Promise<string | null> {
  const { streams } = await probe(source)
  const video = streams.find(({ codec_type, disposition }) => codec_type === 'video' && !isCover(disposition))
  if (/2084|arib/.test(String(video?.color_transfer ?? ''))) return 'HDR'
  return /^(?:tt|bb|tb|bt)$/.test(String(video?.field_order ?? '')) ? 'interlaced' : null
}

function isCover(disposition: unknown): boolean {
  return (disposition as { attached_pic?: number } | undefined)?.attached_pic === 1
}

/**
 * Against the source, turned and scaled to the same size: frame by frame, whatever time each has.
 * @param frames how many at the most
 */
export async function similarity(
  path: string,
  source: string,
  { width, height, frames }: { width: number; height: number; frames?: number },
): Promise<number> {
  const counted = `${frames ? `trim=end_frame=${frames},` : ''}settb=1/1000,setpts=N*40`
  const size = `scale=${width}:${height}:flags=bicubic,format=yuv420p`
  const graph = `[0:V]format=yuv420p,${counted}[a];[1:V]${size},${counted}[b];[a][b]ssim`
  const said = await run('ffmpeg', [
    '-nostdin',
    '-hide_banner',
    '-i',
    path,
    '-i',
    source,
    '-filter_complex',
    graph,
    ...nowhere,
  ])
  return Number(/All:([\d.]+)/.exec(said)?.[1])
}

const nowhere = ['-f', 'null', '-']

export function medianOf(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
}
