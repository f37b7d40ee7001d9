/** Loudness over time of mono 16-bit sound at 8 kHz, whatever its length, in at most `mostPeaks` numbers. */
export interface Peaks {
  add(chunk: Buffer): void
  /** Seconds of sound taken in: the one measure of duration that no header can lie about. */
  seconds(): number
  /** Peaks of `count` equal stretches, 0–1. */
  read(count: number): number[]
}

export const peakRate = 8_000
const mostPeaks = 8_192

export function collectPeaks(): Peaks {
  let peaks: number[] = []
  let perPeak = 80
  let inPeak = 0
  let highest = 0
  let samples = 0
  let odd: number | null = null

  const take = (sample: number) => {
    samples++
    highest = Math.max(highest, Math.abs(sample))
    if (++inPeak < perPeak) return
    peaks.push(highest)
    inPeak = highest = 0
    if (peaks.length < mostPeaks) return
    // Full: two become one, and the next ones count twice as many samples.
    peaks = Array.from({ length: mostPeaks / 2 }, (_, at) => Math.max(peaks[at * 2] ?? 0, peaks[at * 2 + 1] ?? 0))
    perPeak *= 2
  }

  return {
    add: (chunk) => {
      let at = 0
      if (odd !== null && chunk.length > 0) {
        take((((chunk[0] ?? 0) << 24) >> 16) | odd)
        at = 1
        odd = null
      }
      for (; at + 1 < chunk.length; at += 2) take(chunk.readInt16LE(at))
      if (at < chunk.length) odd = chunk[at] ?? 0
    },
    seconds: () => samples / peakRate,
    read: (count) => {
      const all = inPeak > 0 ? [...peaks, highest] : peaks
      return Array.from({ length: count }, (_, at) => {
        const from = Math.floor((at * all.length) / count)
        const to = Math.max(from + 1, Math.floor(((at + 1) * all.length) / count))
        return Math.max(0, ...all.slice(from, to)) / 32_768
      })
    },
  }
}

const bars = 80
const barStep = 8
const height = 200

/** The picture of a sound without a cover: 640 × 200, bars on a plain ground. */
export function drawWaveform(peaks: Peaks): string {
  const marks = peaks.read(bars).map((peak, at) => {
    // The ear hears in powers: a root makes quiet passages visible.
    const tall = Math.max(2, Math.round(Math.sqrt(peak) * (height - 24)))
    return `<rect x="${at * barStep + 2}" y="${(height - tall) / 2}" width="4" height="${tall}" rx="2"/>`
  })
  const size = `width="${bars * barStep}" height="${height}"`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}><rect ${size} fill="#f4f5f7"/><g fill="#3d5a80">${marks.join('')}</g></svg>`
}
