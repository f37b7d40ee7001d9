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

/** As `fitInside`, in even numbers as 4:2:0 pictures need them; the least is 2 × 2. */
export function fitEven(size: Size, box: Size): Size {
  const scale = Math.min(1, box.width / size.width, box.height / size.height)
  // The nearest even number, but never more than there was.
  const side = (pixels: number) => Math.max(2, Math.min(Math.round((pixels * scale) / 2) * 2, pixels - (pixels % 2)))
  return { width: side(size.width), height: side(size.height) }
}

/** 1280 × 720, standing for a picture that stands. */
export function boxFor({ width, height }: Size, long: number, short: number): Size {
  return width >= height ? { width: long, height: short } : { width: short, height: long }
}
