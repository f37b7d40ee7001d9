/** What sound becomes: plain data, for operators to change. */
export interface AudioProfile {
  /** How loud all of it is made, by EBU R128: LUFS. Null leaves it as it is. */
  loudness: number | null
  /** What no peak between two samples goes beyond: dBTP. */
  peak: number
  /** Bits per second of stereo; mono has three fifths of it. */
  aac: { bitrate: number }
  /** Null for none. */
  opus: { bitrate: number } | null
  /** Peaks for players to draw, and a picture of them. */
  waveform: boolean
}

export const audioProfile: AudioProfile = Object.freeze({
  loudness: -16,
  peak: -1,
  aac: Object.freeze({ bitrate: 160_000 }),
  opus: Object.freeze({ bitrate: 96_000 }),
  waveform: true,
})
