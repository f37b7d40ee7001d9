/** What videos become: plain data, for operators to change. */
export interface VideoProfile {
  /** Tallest first. The one called `720p` also becomes the MP4; a smaller source becomes the MP4 in its own size. */
  rungs: readonly Rung[]
  /** A stream of the rungs that the source fills, with its sound and subtitles. */
  hls: boolean
  /** Pictures of moments of the film, for the bar that players show time on. */
  storyboard: boolean
  /** A short moving picture. */
  preview: boolean
  /** The sound alone. */
  audio: boolean
}

export interface Rung {
  /** `1080p`: of the playlist. */
  name: string
  /** Of a picture that lies; one that stands has them the other way round. */
  width: number
  height: number
  /** x264's quality: less is better. */
  crf: number
  /** Bits per second of a full frame at up to 30 frames a second; more for more, in proportion to the root. */
  maxBitrate: number
}

export const videoProfile: VideoProfile = deepFreeze({
  rungs: [
    { name: '1080p', width: 1920, height: 1080, crf: 23, maxBitrate: 8_000_000 },
    { name: '720p', width: 1280, height: 720, crf: 23, maxBitrate: 4_000_000 },
    { name: '540p', width: 960, height: 540, crf: 23, maxBitrate: 2_200_000 },
    { name: '360p', width: 640, height: 360, crf: 23, maxBitrate: 1_000_000 },
  ],
  hls: true,
  storyboard: true,
  preview: true,
  audio: true,
})

function deepFreeze<T extends object>(value: T): T {
  for (const one of Object.values(value)) if (typeof one === 'object' && one !== null) deepFreeze(one)
  return Object.freeze(value)
}
