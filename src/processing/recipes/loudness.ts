import type { AudioProfile } from '../audio-profile.ts'

/** How loud a sound is, by EBU R128 (https://tech.ebu.ch/publications/r128). */
export interface Loudness {
  /** Integrated, LUFS; null of silence, of less than a moment, and of what is no number. */
  integrated: number | null
  /** True peak, dBTP; null of silence. */
  peak: number | null
  /** Whether some of it is no number. */
  broken: boolean
}

/** What is done to bring it to the loudness that is wanted. */
export interface Gain {
  decibels: number
  /** Whether its peaks are held down on the way; else the gain is the same throughout. */
  limited: boolean
}

/** The filter that measures; it goes on with the sound as it is. */
export const loudnessMeter = 'ebur128=peak=true'
/** What the meter says ten times a second, which is of no interest. */
const meterChatter = 'TARGET:'

/** Reads what the meter says at its end. */
export function collectLoudness(): { add(line: string): void; read(): Loudness } {
  let integrated: number | null = null
  let peak: number | null = null
  let broken = false
  return {
    add: (line) => {
      if (line.includes(meterChatter)) return
      const [, name, said = ''] = /^\s+(I|Peak):\s+(\S+) (?:LUFS|dBFS)$/.exec(line) ?? []
      if (name === undefined || said === '-inf') return
      const value = Number.parseFloat(said)
      if (!Number.isFinite(value)) broken = true
      // A sound that changes its form midway is measured in pieces: the loudest counts, so that nothing gets too loud.
      else if (name === 'I') integrated = Math.max(value, integrated ?? value)
      else peak = Math.max(value, peak ?? value)
    },
    read: () => ({ integrated: integrated !== null && integrated > silence ? integrated : null, peak, broken }),
  }
}

/** Where the scale ends. */
const silence = -69.9
/** What is quieter by more stays quieter: it would be noise that gets loud. Decibels. */
const mostGain = 30
/** Seconds; the standard's short-term loudness needs as many. */
const shortest = 3
/** Decibels that lossy coding may add to a peak. */
const codingMargin = 2
/** Decibels more, where a sound is hardly more than one attack. */
const attackMargin = 3
/** Closer than this is there. LU. */
export const closeEnough = 0.5

/**
 * The same gain throughout, where peaks allow it; else they are limited. What is too short to be judged has only the gain
 * that its peaks allow, silence none. Pure.
 */
export function planGain({ integrated, peak }: Omit<Loudness, 'broken'>, seconds: number, profile: AudioProfile): Gain {
  const none = { decibels: 0, limited: false }
  if (profile.loudness === null || integrated === null || peak === null) return none
  const wanted = Math.min(mostGain, profile.loudness - integrated)
  const room = ceilingOf(profile) - peak
  if (Math.abs(wanted) <= closeEnough && peak <= profile.peak) return none
  if (seconds < shortest) return { decibels: Math.min(wanted, room - attackMargin), limited: false }
  return { decibels: wanted, limited: wanted > room }
}

/** Decibels to add when limiting took some of the loudness. */
export function missing(measured: Loudness, { decibels }: Gain, source: Loudness, profile: AudioProfile): number {
  if (profile.loudness === null || measured.integrated === null || source.integrated === null) return 0
  const aim = Math.min(profile.loudness, source.integrated + mostGain)
  const less = aim - measured.integrated
  // What is added is limited in its turn, so more is needed than is missing; and there is an end to it.
  return Math.min(Math.max(0, less) * 1.5, mostGain + 12 - decibels)
}

/** Filters that apply it, of sound at 48 kHz. */
export function gainFilters({ decibels, limited }: Gain, profile: AudioProfile): string[] {
  if (decibels === 0 && !limited) return []
  const volume = `volume=${decibels.toFixed(2)}dB`
  if (!limited) return [volume]
  // Peaks between the samples show at four times their rate.
  const limit = (10 ** (ceilingOf(profile) / 20)).toFixed(4)
  return [
    volume,
    'aresample=192000',
    `alimiter=limit=${limit}:attack=1:release=50:level=0:latency=1`,
    'aresample=48000',
  ]
}

function ceilingOf({ peak }: AudioProfile): number {
  return peak - codingMargin
}
