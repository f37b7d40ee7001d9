import { boxFor, fitEven, type Size } from '../geometry.ts'
import type { Rung } from '../profile.ts'

/** A picture in one size, as it is to be encoded. */
export interface RungPlan {
  /** Of its playlist, by the class that its height belongs to. */
  name: string
  size: Size
  crf: number
  /** Bits per second. */
  ceiling: number
  /** Whether it is the one that the MP4 holds. */
  isMain: boolean
}

export const mainName = '720p'
/** Times as many pixels as the next smaller one: less is not worth a rung. */
const leastStep = 1.2

/**
 * The rungs that a source fills, tallest first, and never a larger one than itself: of those that would all come out as
 * large as the source, the smallest stands. Pure.
 */
export function planLadder(source: Size, rungs: readonly Rung[], rate: number): RungPlan[] {
  const sized = rungs.map((rung) => ({ rung, size: fitEven(source, boxFor(source, rung.width, rung.height)) }))
  const main = mainOf(sized)
  if (!main) throw new Error(`no rung ${mainName}`)
  const kept = [main]
  for (const one of sized.slice(0, sized.indexOf(main)).reverse()) {
    if (area(one.size) >= leastStep * area(kept[0]?.size ?? main.size)) kept.unshift(one)
  }
  for (const one of sized.slice(sized.indexOf(main) + 1)) {
    if (area(one.size) * leastStep <= area(kept.at(-1)?.size ?? main.size)) kept.push(one)
  }
  return kept.map(({ rung, size }) => {
    const { name, width, height, crf } = rung
    const full = rung.maxBitrate * (area(size) / (width * height)) * Math.max(1, Math.sqrt(rate / 30))
    return { name, size, crf, ceiling: Math.round(Math.max(300_000, full)), isMain: size === main.size }
  })
}

interface SizedRung {
  rung: Rung
  size: Size
}

/** `720p`, or the smallest that comes out no smaller. */
function mainOf(sized: readonly SizedRung[]): SizedRung | undefined {
  const at = sized.findIndex(({ rung }) => rung.name === mainName)
  const wanted = sized[at]
  return wanted && sized.slice(at).findLast(({ size }) => area(size) === area(wanted.size))
}

function area({ width, height }: Size): number {
  return width * height
}
