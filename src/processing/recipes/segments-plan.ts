import type { Facts } from '../tools/probe.ts'
import type { VideoPlan } from './video-plan.ts'

/** How a film is cut into windows, each of which can be encoded by itself and yet fits the others. Pure. */

/** What all segments of a film share: what it is to become, and what it is. */
export interface FilmCut {
  plan: VideoPlan
  facts: Facts
  /** Warnings that come of the plan. */
  notes: string[]
  /** Their number; one more segment makes the sound, when there is any. */
  windows: number
  /** Frames of the film. */
  frames: number
  preset: string
}

/** A packet of the source's picture, at the times that ffmpeg gives to it: the film begins at 0. */
export interface Packet {
  /** Ticks of the time base. */
  pts: number
  isKey: boolean
  /** Tells it from others. */
  mark: number
}

/** What making one window takes, beside its piece of the source. */
export interface WindowPlan {
  /** Of a tick, in seconds. */
  timeBase: readonly [over: number, under: number]
  /** Its first frame, and the first that is none of its; null for the last window. Ticks. */
  from: number
  to: number | null
  /** When its first frame is shown. Ticks of 1/90000 s. */
  shownFrom: number
  /** When each of its frames is shown, after its first. Ticks of 1/90000 s. */
  shown: number[]
  /** How long before its first frame is shown its first packet is decoded. */
  lead: number
  /** When its first packets are decoded, as those of the window before go on; null where the film begins. */
  decoded: number[] | null
  /** How long all its packets last, so that the next window's follow; null for the last window. */
  lasts: number | null
  /** How long the last one of its packets does. */
  lastLasts: number | null
}

/** With the tick at which its piece begins: before the window, so that all of the window can be decoded. */
export interface CutWindow extends WindowPlan {
  pieceStart: number
}

export interface WindowPiece {
  window: WindowPlan
  /** The source's packets that its piece must hold, by their place in the order of decoding. */
  firstPacket: number
  lastPacket: number
}

/** Ticks of what we make. */
const ticks = 90_000
/** Streams begin a segment every so often, and key frames stand at half of that: seconds. */
export const grid = 4
/** What is decoded twice may be this share of a film, and some seconds of each window. */
const overlapLimit = 0.3
const overlapSeconds = 10
/** Deinterlacing looks at the frames around. Seconds beyond a window. */
const beyond = 1

/**
 * Windows of a film, or null when it is none that can be cut: one whose packets do not say when each frame is shown, or
 * which has too few places where decoding can begin.
 * @param delay frames by which the encoder decodes before it shows
 */
export function planWindows(
  packets: readonly Packet[],
  given: { timeBase: readonly [number, number]; count: number; seconds: number; delay: number; interlaced: boolean },
): WindowPiece[] | null {
  const { timeBase, count, delay, interlaced } = given
  const times = packets.map(({ pts }) => pts).sort((a, b) => a - b)
  const shown = times.map((time) => Math.round((time * timeBase[0] * ticks) / timeBase[1]))
  if (times.length === 0 || shown.some((time, at) => at > 0 && time <= (shown[at - 1] as number))) return null
  shown[0] = 0
  const bounds = boundsOf(shown, { count, step: Math.ceil(given.seconds / count / grid) * grid })
  if (bounds === null || bounds.some((bound, at) => (bounds[at + 1] ?? times.length) - bound < 25)) return null
  const keys = packets.flatMap(({ isKey }, at) => (isKey ? [at] : []))
  const pieces = bounds.map((first, at) => {
    const end = bounds[at + 1] ?? null
    const window = windowOf({ times, shown, first, end, delay, timeBase })
    const piece = pieceFor({ packets, keys }, { from: window.from, to: window.to, timeBase, interlaced })
    return piece && { ...piece, window }
  })
  const whole = pieces.filter((piece) => piece !== null)
  const rate = packets.length / given.seconds
  const limit = overlapLimit * packets.length + overlapSeconds * rate * whole.length
  const total = whole.reduce((sum, { firstPacket, lastPacket }) => sum + lastPacket - firstPacket + 1, 0)
  return whole.length < bounds.length || total > packets.length + limit ? null : whole
}

/** The first frame of each window, by number. */
function boundsOf(shown: readonly number[], { count, step }: { count: number; step: number }): number[] | null {
  const bounds: number[] = []
  for (let window = 0; window < count; window++) {
    const first = shown.findIndex((time) => time >= window * step * ticks)
    if (first === -1) break
    bounds.push(first)
  }
  return bounds.length > 1 && new Set(bounds).size === bounds.length ? bounds : null
}

function windowOf(given: {
  times: readonly number[]
  shown: readonly number[]
  first: number
  end: number | null
  delay: number
  timeBase: readonly [number, number]
}): WindowPlan {
  const { times, shown, first, end, delay, timeBase } = given
  const at = (frame: number) => (shown[frame] ?? 0) as number
  // What is decoded as the nth is so when the frame `delay` before the nth is shown; before the film there is as much time.
  const decodedAt = (nth: number) => (nth >= delay ? at(nth - delay) : at(nth) - (at(delay) - at(0)))
  const shownFrom = at(first)
  return {
    timeBase,
    from: times[first] ?? 0,
    to: end === null ? null : (times[end] ?? null),
    shownFrom,
    shown: shown.slice(first, end ?? shown.length).map((time) => time - shownFrom),
    lead: shownFrom - decodedAt(first),
    decoded: first === 0 ? null : Array.from({ length: delay }, (_, nth) => decodedAt(first + nth) - shownFrom),
    lasts: end === null ? null : decodedAt(end) - decodedAt(first),
    lastLasts: end === null ? null : decodedAt(end) - decodedAt(end - 1),
  }
}

/**
 * From the last key frame before the window: what follows that and is shown before it may need the one before, but is
 * no part of the window. When interlaced, from one more, to a little beyond the window's end.
 */
function pieceFor(
  { packets, keys }: { packets: readonly Packet[]; keys: readonly number[] },
  given: { from: number; to: number | null; timeBase: readonly [number, number]; interlaced: boolean },
): { firstPacket: number; lastPacket: number } | null {
  const { from, to, timeBase, interlaced } = given
  if (packets[0]?.isKey !== true) return null
  const before = keys.filter((at) => (packets[at]?.pts ?? 0) <= from)
  const firstPacket = before.at(interlaced ? -2 : -1) ?? 0
  const after = interlaced ? (beyond * timeBase[1]) / timeBase[0] : 0
  const until = to === null ? Number.POSITIVE_INFINITY : to + after
  const lastPacket = packets.findLastIndex(({ pts }) => pts <= until)
  return { firstPacket, lastPacket }
}
