import type { VideoFacts } from '../tools/probe.ts'

/** How a video's colours are read, and written. */
export interface Colour {
  /** High dynamic range, by its transfer curve. */
  hdr: boolean
  /** swscale's name of the matrix to read with. */
  matrixIn: string
  /** …and to write with. */
  matrixOut: string
  /** Tags of the output, as ffmpeg's options. */
  tags: string[]
}

const rec709 = tags('bt709', 'bt709', 'bt709')

/**
 * A matrix is never changed without need, as that costs quality. What carries no tag is read as players read it:
 * BT.709 from 720 lines on, BT.601 below.
 */
export function colourOf(video: VideoFacts): Colour {
  const { matrix, transfer, pixelFormat, width, height } = video
  if (/^(?:rgb|bgr|gbr|argb|abgr|pal8|0rgb|x2rgb)/.test(pixelFormat)) {
    return { hdr: false, matrixIn: 'auto', matrixOut: 'bt709', tags: rec709 }
  }
  if (transfer === 'smpte2084' || transfer === 'arib-std-b67') {
    return { hdr: true, matrixIn: 'bt2020', matrixOut: 'bt709', tags: rec709 }
  }
  if (matrix?.startsWith('bt2020')) return { hdr: false, matrixIn: 'bt2020', matrixOut: 'bt709', tags: rec709 }
  if (isStandard(matrix) || (matrix !== 'bt709' && Math.min(width, height) < 720)) {
    const primaries = video.primaries === 'bt470bg' ? 'bt470bg' : 'smpte170m'
    return {
      hdr: false,
      matrixIn: 'smpte170m',
      matrixOut: 'smpte170m',
      tags: tags('smpte170m', primaries, 'smpte170m'),
    }
  }
  return { hdr: false, matrixIn: 'bt709', matrixOut: 'bt709', tags: rec709 }
}

function isStandard(matrix: string | null): boolean {
  return matrix === 'smpte170m' || matrix === 'bt470bg'
}

function tags(matrix: string, primaries: string, transfer: string): string[] {
  return ['-colorspace', matrix, '-color_primaries', primaries, '-color_trc', transfer, '-color_range', 'tv']
}
