/** A picture to be made of another: what delivery asks for, and processing makes. */
export interface Transform {
  /** Pixels of the box that `fit` speaks of; null where the other side decides. */
  width: number | null
  height: number | null
  /** `scale-down`: all of it, within the box. `cover`: the box is filled and what sticks out goes. `pad`: all of it, on `background`. */
  fit: 'scale-down' | 'cover' | 'pad'
  /** What `cover` keeps: what draws the eye, or a point as shares of width and height from the upper left. */
  gravity: 'auto' | { x: number; y: number }
  /** `still`: PNG when something shows through, else JPEG. */
  format: 'avif' | 'webp' | 'jpeg' | 'png' | 'still'
  /** 1–100; null for the format's usual. */
  quality: number | null
  /** Whether an animation stays one, which WebP alone can. */
  animated: boolean
  /** `#rrggbb`, where nothing of the picture lies. */
  background: string
}
