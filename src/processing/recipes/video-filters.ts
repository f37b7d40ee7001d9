import type { Size } from '../geometry.ts'
import type { RungPlan } from './ladder.ts'
import type { VideoPlan } from './video-plan.ts'

/** A size on the way down, from which the next is scaled. */
interface Level {
  size: Size
  /** Null for the source as it is, beside its copy. */
  rung: RungPlan | null
  isMain: boolean
  /** Whether colours are ours already, not the source's. */
  converted: boolean
}

/** ffmpeg's name of what a rung is encoded from. */
export function rungLabel({ name }: RungPlan): string {
  return `[${name}]`
}

/** The name of the filter that tells the time of each picture of the storyboard. */
export const tileTeller = 'showinfo@tile'

/** Frames of a piece of the source that belong to a window of the film. */
export interface FilmWindow {
  /** Of a tick, in seconds. */
  timeBase: readonly [over: number, under: number]
  /** When the piece begins, in the film's ticks. */
  pieceStart: number
  from: number
  to: number | null
  /** When its first frame is shown: 0 where the film begins. */
  shownFrom: number
}

/** One decoding, scaled down step by step; each size is encoded, and stills are taken from the size that suits them. */
export function videoFilters(plan: VideoPlan, window: FilmWindow | null = null): string {
  const levels = levelsOf(plan)
  const chains = levels.map((level, at) => {
    const isLast = at === levels.length - 1
    const takers = [
      ...(level.rung ? [rungLabel(level.rung)] : []),
      ...(isLast ? [] : [`[below${at}]`]),
      ...(plan.mp4 && level.isMain ? ['[stills]'] : []),
      ...(plan.storyboard && isLast ? ['[moments]'] : []),
      ...(plan.preview && isLast ? ['[clip]'] : []),
      ...(at === 0 ? ['[passed]'] : []),
    ]
    const from = at === 0 ? `[0:${plan.video.index}]` : `[below${at - 1}]`
    return `${from}${[...stepsTo(plan, { level, above: levels[at - 1], window })].join(',')},split=${takers.length}${takers.join('')}`
  })
  const main = levels.find(({ isMain }) => isMain)
  const last = levels.at(-1)
  return [
    ...chains,
    ...(main && plan.mp4 ? [stillFilters(plan, main)] : []),
    ...(plan.storyboard && last ? [storyboardFilters(plan, last)] : []),
    ...(plan.preview && last ? [previewFilters(plan, last)] : []),
    // ffmpeg's own report begins when every output has, and the still comes late: this one tells of each second.
    `[passed]select='${apart(1)}',showinfo=checksum=0,nullsink`,
  ].join(';')
}

function levelsOf({ how, mp4, target, rungs }: VideoPlan): Level[] {
  const encoded = rungs.map((rung) => ({ size: rung.size, rung, isMain: rung.isMain, converted: true }))
  const hasMain = rungs.some(({ isMain }) => isMain)
  return how === 'remux' && mp4 && !hasMain
    ? [{ size: target, rung: null, isMain: true, converted: false }, ...encoded]
    : encoded
}

function* stepsTo(
  plan: VideoPlan,
  { level, above, window }: { level: Level; above: Level | undefined; window: FilmWindow | null },
): Generator<string, void> {
  const { video, closest } = plan
  const { width, height } = level.size
  if (!above) {
    if (window) yield `${baseOf(window)},setpts=PTS+${window.pieceStart}`
    if (video.interlaced) yield 'bwdif=mode=send_frame:deint=interlaced'
    // Deinterlacing counts in halves.
    if (window) yield `${baseOf(window)},select='${within(window)}'`
    // A picture that begins after the sound is shown from the beginning on, as players of streams would do anyway.
    if (plan.copied === null && (window === null || window.shownFrom === 0)) yield "setpts='if(eq(N,0),0,PTS)'"
    if (closest !== null) yield `select='${apart(closest)}'`
  }
  if (level.converted && !above?.converted)
    yield* plan.toneMap ? toneMapped(plan, level.size) : [scaled(plan, level.size)]
  else if (above) yield `scale=${width}:${height}:flags=bicubic`
  yield 'setsar=1'
  yield 'format=yuv420p'
}

function baseOf({ timeBase }: FilmWindow): string {
  return `settb=${timeBase[0]}/${timeBase[1]}`
}

function within({ from, to }: FilmWindow): string {
  return to === null ? `gte(pts,${from})` : `gte(pts,${from})*lt(pts,${to})`
}

function scaled({ colour }: VideoPlan, { width, height }: Size): string {
  const { matrixIn, matrixOut } = colour
  const matrices = `${matrixIn === 'auto' ? '' : `:in_color_matrix=${matrixIn}`}:out_color_matrix=${matrixOut}`
  return `scale=${width}:${height}:flags=bicubic${matrices}:out_range=tv`
}

/** Linear light, narrower colours, fewer lights, and back; on the scaled picture, as it costs most. */
function toneMapped({ video }: VideoPlan, { width, height }: Size): string[] {
  const read = `tin=${video.transfer}:pin=bt2020:min=bt2020nc`
  return [
    // What the frames leave open is what the curve implies; zscale finds no way from an unknown.
    'setparams=color_primaries=bt2020:colorspace=bt2020nc',
    `zscale=w=${width}:h=${height}:${read}:t=linear:npl=100`,
    ...['format=gbrpf32le', 'zscale=p=bt709', 'tonemap=tonemap=hable:desat=0'],
    'zscale=t=bt709:m=bt709:r=tv',
  ]
}

/** JPEG and WebP know one matrix. */
function toStill({ colour }: VideoPlan, { converted }: Level, { width, height }: Size, range: 'pc' | 'tv'): string {
  const matrix = converted && colour.matrixOut !== 'auto' ? `:in_color_matrix=${colour.matrixOut}` : ''
  return `scale=${width}:${height}:flags=bicubic${matrix}:out_color_matrix=smpte170m:out_range=${range},setsar=1`
}

/** A tenth of a picture that is not black is brighter than this, of 16–235. */
const notBlack = 48

/**
 * The most typical of twenty frames of the first half that are not black, or of any when all are; as poster, thumbnail
 * and the placeholder's pixels.
 */
function stillFilters(plan: VideoPlan, level: Level): string {
  const { duration, target, thumbnail, placeholder, colour } = plan
  const step = Math.min(30, Math.max(0.2, (duration ?? 10) * 0.025))
  const matrix = level.converted && colour.matrixOut !== 'auto' ? `:in_color_matrix=${colour.matrixOut}` : ''
  const typical = 'thumbnail=n=20,trim=end_frame=1'
  return [
    `[stills]select='${apart(step)}',split=2[lit][any]`,
    `[lit]signalstats,metadata=mode=select:key=lavfi.signalstats.YHIGH:value=${notBlack}:function=greater,${typical}[first]`,
    `[any]${typical}[second]`,
    '[first][second]concat=n=2:v=1:a=0,trim=end_frame=1,split=3[large][middle][small]',
    `[large]${toStill(plan, level, target, 'pc')},format=yuvj420p[poster]`,
    `[middle]${toStill(plan, level, thumbnail, 'pc')},format=yuvj420p[thumbnail]`,
    `[small]scale=${placeholder.width}:${placeholder.height}:flags=bicubic${matrix},format=rgba[placeholder]`,
  ].join(';')
}

function storyboardFilters(plan: VideoPlan, level: Level): string {
  const { tile, columns, rows, every } = plan.storyboard ?? { tile: plan.target, columns: 1, rows: 1, every: 1 }
  const once = `isnan(prev_selected_t)+gt(floor(t/${every}),floor(prev_selected_t/${every}))`
  const told = `${tileTeller}=checksum=0,tile=${columns}x${rows}`
  return `[moments]select='${once}',${toStill(plan, level, tile, 'pc')},format=yuvj420p,${told}[sheets]`
}

/** Some seconds of the film; where only key frames are decoded, twelve of them, three seconds long. */
function previewFilters(plan: VideoPlan, level: Level): string {
  const { size, start, seconds } = plan.preview ?? { size: plan.target, start: 0, seconds: 0 }
  const moments = plan.onlyKeyFrames
    ? [`select='${apart((plan.duration ?? 0) / 12)}'`, 'trim=end_frame=12', 'setpts=N/4/TB', 'fps=4']
    : [`select='gte(t,${start.toFixed(3)})'`, 'setpts=PTS-STARTPTS', 'fps=10', `trim=end_frame=${seconds * 10}`]
  return `[clip]${moments.join(',')},${toStill(plan, level, size, 'tv')},format=yuv420p[preview]`
}

function apart(seconds: number): string {
  return `isnan(prev_selected_t)+gte(t-prev_selected_t,${seconds.toFixed(6)})`
}
