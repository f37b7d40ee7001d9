/** Loudness over time of mono 16-bit sound at 8 kHz, whatever its length, in at most `mostPeaks` pairs of numbers. */
export interface Peaks {
  add(chunk: Buffer): void
  /** Seconds of sound taken in: the one measure of duration that no header can lie about. */
  seconds(): number
  /** The lowest and the highest sample of each of at most `most` equal stretches; the last may be shorter. */
  stretches(most: number): Stretches
}

export interface Stretches {
  /** Samples of each, at 8 kHz. */
  length: number
  /** −32 768 to 32 767. */
  lowest: Int16Array
  highest: Int16Array
}

export const peakRate = 8_000
const mostPeaks = 4_096
/** Of a short sound: 2 ms. */
const finest = 16

export function collectPeaks(): Peaks {
  let stretches: Stretches = { length: finest, lowest: new Int16Array(mostPeaks), highest: new Int16Array(mostPeaks) }
  let count = 0
  let inStretch = 0
  let low = 0
  let high = 0
  let samples = 0
  let odd: number | null = null

  const close = () => {
    stretches.lowest[count] = low
    stretches.highest[count] = high
    inStretch = low = high = 0
    if (++count < mostPeaks) return
    // Full: two become one, and the next ones count twice as many samples.
    const { lowest, highest, length } = halve(stretches)
    stretches.lowest.set(lowest)
    stretches.highest.set(highest)
    stretches = { ...stretches, length }
    count = lowest.length
  }
  const take = (chunk: Buffer) => {
    for (let at = 0; at + 1 < chunk.length; ) {
      const end = Math.min(chunk.length - 1, at + (stretches.length - inStretch) * 2)
      if (inStretch === 0) low = high = chunk.readInt16LE(at)
      inStretch += (end - at + 1) >> 1
      for (; at < end; at += 2) {
        const sample = (((chunk[at + 1] ?? 0) << 24) >> 16) | (chunk[at] ?? 0)
        if (sample < low) low = sample
        if (sample > high) high = sample
      }
      if (inStretch === stretches.length) close()
    }
    samples += chunk.length >> 1
  }

  return {
    add: (chunk) => {
      if (chunk.length === 0) return
      const from = odd === null ? 0 : 1
      if (odd !== null) take(Buffer.from([odd, chunk[0] ?? 0]))
      odd = (chunk.length - from) % 2 === 1 ? (chunk.at(-1) ?? 0) : null
      take(chunk.subarray(from, odd === null ? chunk.length : -1))
    },
    seconds: () => samples / peakRate,
    stretches: (most) => {
      const { length, lowest, highest } = stretches
      const open = inStretch > 0
      const all = (from: Int16Array, last: number) => Int16Array.of(...from.subarray(0, count), ...(open ? [last] : []))
      let read: Stretches = { length, lowest: all(lowest, low), highest: all(highest, high) }
      while (read.lowest.length > most) read = halve(read)
      return read
    },
  }
}

/** Two become one. */
function halve({ length, lowest, highest }: Stretches): Stretches {
  const pairs = Math.ceil(lowest.length / 2)
  const join = (from: Int16Array, pick: (a: number, b: number) => number) =>
    Int16Array.from({ length: pairs }, (_, at) => pick(from[at * 2] ?? 0, from[at * 2 + 1] ?? from[at * 2] ?? 0))
  return { length: length * 2, lowest: join(lowest, Math.min), highest: join(highest, Math.max) }
}

const mostPoints = 2_000
/** Samples of what is heard for one of those that are looked at. */
const perSample = 48_000 / peakRate

/** audiowaveform's format, version 2, 8 bits: https://github.com/bbc/audiowaveform/blob/master/doc/DataFormat.md */
export function waveformJson(peaks: Peaks): string {
  const { length, lowest, highest } = peaks.stretches(mostPoints)
  const data = Array.from(lowest).flatMap((low, at) => [low >> 8, (highest[at] ?? 0) >> 8])
  const scale = { channels: 1, sample_rate: peakRate * perSample, samples_per_pixel: length * perSample, bits: 8 }
  return JSON.stringify({ version: 2, ...scale, length: lowest.length, data })
}

/** Values of `count` columns, from the stretches that fall to each. */
export function columnsOf({ lowest, highest }: Stretches, count: number): { low: number; high: number }[] {
  return Array.from({ length: count }, (_, at) => {
    const from = Math.floor((at * lowest.length) / count)
    const to = Math.max(from + 1, Math.floor(((at + 1) * lowest.length) / count))
    if (lowest.length === 0) return { low: 0, high: 0 }
    return {
      low: Math.min(...lowest.subarray(from, to)) / 32_768,
      high: Math.max(...highest.subarray(from, to)) / 32_768,
    }
  })
}

const bars = 80
const barStep = 8
const height = 200

/** The picture of a sound without a cover: 640 × 200, bars on a plain ground. */
export function drawWaveform(peaks: Peaks): string {
  const marks = columnsOf(peaks.stretches(mostPeaks), bars).map(({ low, high }, at) => {
    // The ear hears in powers: a root makes quiet passages visible.
    const tall = Math.max(2, Math.round(Math.sqrt(Math.max(-low, high)) * (height - 24)))
    return `<rect x="${at * barStep + 2}" y="${(height - tall) / 2}" width="4" height="${tall}" rx="2"/>`
  })
  const size = `width="${bars * barStep}" height="${height}"`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}><rect ${size} fill="#f4f5f7"/><g fill="#3d5a80">${marks.join('')}</g></svg>`
}
