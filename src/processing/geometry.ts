/** Width and height in pixels. */
export interface Size {
  width: number
  height: number
}

/** The largest size of the same shape within a box, never larger than it is. */
export function fitInside({ width, height }: Size, box: Size): Size {
  const scale = Math.min(1, box.width / width, box.height / height)
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) }
}

/** As `fitInside`, in even numbers as 4:2:0 pictures need them: rounded down, so that nothing is enlarged. */
export function fitEven(size: Size, box: Size): Size {
  const { width, height } = fitInside(size, box)
  return { width: even(width), height: even(height) }
}

/** 1280 × 720, standing for a picture that stands. */
export function boxFor({ width, height }: Size, long: number, short: number): Size {
  return width >= height ? { width: long, height: short } : { width: short, height: long }
}

function even(pixels: number): number {
  return Math.max(2, pixels - (pixels % 2))
}
