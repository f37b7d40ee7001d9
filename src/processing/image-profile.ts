/** What pictures become: plain data, for operators to change. */
export interface ImageProfile {
  /**
   * Smallest first. `400` is of pictures that fit into 400 × 400 pixels. Names are `{format}-{width}`, and a picture
   * has all of them: those that would not differ, because it is small itself, are one file.
   */
  widths: readonly number[]
  /** JPEG, where nothing shows through the picture; of an animation the first frame. */
  jpeg: Pick<Coding, 'quality'>
  /** Lossless, in the place of JPEG; zlib's level, 0–9. */
  png: { compression: number }
  /** Animations stay animated. */
  webp: Coding
  /** Null for none. Of stills only. */
  avif: Coding | null
  /** A square of what draws the eye. */
  thumbnail: { width: number; quality: number }
  /** What pictures are made of on the fly, once the upload is gone. */
  master: { width: number; quality: number }
}

export interface Coding {
  /** 1–100. */
  quality: number
  /** What an encoder may try: more takes longer, for smaller files. */
  effort: number
}

export const imageProfile: ImageProfile = deepFreeze({
  widths: [400, 800, 1600],
  jpeg: { quality: 82 },
  png: { compression: 6 },
  // 2 takes half of the time of the default, 4, for 3 % more bytes.
  webp: { quality: 80, effort: 2 },
  // 2 takes four times as long as 0, and the default of 4 thirty times, for as many bytes.
  avif: { quality: 55, effort: 0 },
  thumbnail: { width: 400, quality: 80 },
  master: { width: 4096, quality: 90 },
})

function deepFreeze<T extends object>(value: T): T {
  for (const one of Object.values(value)) if (typeof one === 'object' && one !== null) deepFreeze(one)
  return Object.freeze(value)
}
