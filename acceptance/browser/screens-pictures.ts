import sharp from 'sharp'

/** Pictures drawn by noise: a library that looks like one, of nobody's photographs. */

type Colour = [number, number, number]
/** @param x across, 0 to the ratio of the sides @param y down, 0–1 */
type Paint = (x: number, y: number) => Colour

export interface Drawing {
  paint: Paint
  width: number
  height: number
}

/** Drawn at this height, and enlarged: what is far away is soft anyway. */
const drawnHeight = 480

export async function draw({ paint, width, height }: Drawing, path: string): Promise<void> {
  const drawnWidth = Math.round((drawnHeight * width) / height)
  const pixels = Buffer.alloc(drawnWidth * drawnHeight * 3)
  for (let row = 0; row < drawnHeight; row++) {
    for (let column = 0; column < drawnWidth; column++) {
      const colour = paint(column / drawnHeight, row / drawnHeight)
      pixels.set(colour.map(byteOf), (row * drawnWidth + column) * 3)
    }
  }
  const raw = { width: drawnWidth, height: drawnHeight, channels: 3 as const }
  await sharp(pixels, { raw }).resize(width, height, { kernel: 'lanczos3' }).jpeg({ quality: 90 }).toFile(path)
}

function byteOf(value: number): number {
  return Math.max(0, Math.min(255, Math.round(value)))
}

function hash(x: number, y: number, seed: number): number {
  const mixed = Math.imul(x * 374_761_393 + y * 668_265_263 + seed * 1_274_126_177, 1_103_515_245)
  return (((mixed ^ (mixed >>> 13)) * 1_274_126_177) >>> 0) / 4_294_967_296
}

function smooth(x: number, y: number, seed: number): number {
  const [left, top] = [Math.floor(x), Math.floor(y)]
  const ease = (t: number) => t * t * (3 - 2 * t)
  const [across, down] = [ease(x - left), ease(y - top)]
  const upper = mix(hash(left, top, seed), hash(left + 1, top, seed), across)
  return mix(upper, mix(hash(left, top + 1, seed), hash(left + 1, top + 1, seed), across), down)
}

/** Noise of several sizes, about 0–1. */
function cloud(x: number, y: number, seed: number, octaves = 5): number {
  let sum = 0
  for (let octave = 0; octave < octaves; octave++) {
    sum += smooth(x * 2 ** octave, y * 2 ** octave, seed + octave) / 2 ** (octave + 1)
  }
  return sum
}

function mix(a: number, b: number, part: number): number {
  return a + (b - a) * part
}

function blend(a: Colour, b: Colour, part: number): Colour {
  const within = Math.max(0, Math.min(1, part))
  return [mix(a[0], b[0], within), mix(a[1], b[1], within), mix(a[2], b[2], within)]
}

/** Ridges behind ridges, paler with the distance, under a sun. */
export function mountains(seed: number, sky: [Colour, Colour], near: Colour, sun: [number, number]): Paint {
  const ridges = 6
  return (x, y) => {
    const glow = Math.exp(-((x - sun[0]) ** 2 + (y - sun[1]) ** 2) * 9)
    const disc = Math.hypot(x - sun[0], y - sun[1]) < 0.055 ? 1 : 0
    const haze = blend(sky[0], sky[1], y * 1.6)
    let seen = blend(blend(haze, [255, 244, 214], glow * 0.75), [255, 250, 236], disc)
    for (let ridge = 0; ridge < ridges; ridge++) {
      const far = 1 - ridge / (ridges - 1)
      const crest =
        0.38 + ridge * 0.105 - cloud(x * (1.4 + far * 2), ridge * 7.3, seed + ridge) * 0.3 * (0.6 + far * 0.5) + 0.1
      if (y < crest) continue
      const mist = Math.min(0.35, (y - crest) * 1.4) * far
      seen = blend(blend(near, sky[1], far * 0.82), sky[1], mist)
    }
    return seen
  }
}

/** Waves towards the horizon, which the light lies on. */
export function sea(seed: number, sky: [Colour, Colour], water: [Colour, Colour]): Paint {
  const horizon = 0.46
  return (x, y) => {
    if (y < horizon) {
      const veil = cloud(x * 1.6, y * 6, seed) - 0.42
      return blend(blend(sky[0], sky[1], y / horizon), [255, 247, 238], Math.max(0, veil) * 1.6)
    }
    const depth = (y - horizon) / (1 - horizon)
    const wave = cloud(x * (2 + 6 * (1 - depth)), 6 / (0.06 + depth), seed + 40, 4)
    const path = Math.exp(-((x - 0.95) ** 2) * 14) * (wave > 0.5 ? 1 : 0.2)
    return blend(
      blend(sky[1], blend(water[0], water[1], depth), 0.35 + depth * 0.6),
      [255, 240, 214],
      path * 0.6 * (1.1 - depth),
    )
  }
}

/** Gas and stars. */
export function nebula(seed: number, [first, second]: [Colour, Colour]): Paint {
  return (x, y) => {
    const bent = cloud(x * 2, y * 2, seed) * 2
    const gas = cloud(x * 1.8 + bent, y * 1.8 - bent, seed + 9, 6)
    const other = cloud(x * 2.6 - bent, y * 2.2, seed + 21, 6)
    const star = hash(Math.floor(x * 240), Math.floor(y * 240), seed) > 0.9975 ? 190 : 0
    const lit = blend(blend([8, 9, 20], first, (gas - 0.36) * 3.1), second, (other - 0.47) * 3.4)
    return [lit[0] + star, lit[1] + star, lit[2] + star]
  }
}

/** Sand, its light side and its shadow. */
export function dunes(seed: number, sky: Colour, light: Colour, shade: Colour): Paint {
  return (x, y) => {
    const crest = 0.36 + cloud(x * 1.1, 3, seed) * 0.24
    if (y < crest) return blend(sky, [255, 250, 240], y * 1.1)
    const bend = y + cloud(x * 0.9, y * 1.6, seed + 5) * 0.75
    const slope = (bend * 3.4) % 1
    const ripple = Math.sin((y * 210 + cloud(x * 3, y * 3, seed + 8) * 90) / (0.6 + y)) * 0.035
    return blend(shade, light, (slope < 0.78 ? slope / 0.78 : (1 - slope) / 0.22) + ripple)
  }
}

/** Leaves, out of focus. */
export function leaves(seed: number, [dark, bright, glint]: [Colour, Colour, Colour]): Paint {
  const spots = Array.from({ length: 46 }, (_, n) => ({
    x: hash(n, 1, seed) * 1.8,
    y: hash(n, 2, seed),
    size: 0.03 + hash(n, 3, seed) * 0.11,
    light: hash(n, 4, seed),
  }))
  return (x, y) => {
    let seen = blend(dark, bright, cloud(x * 2.2, y * 2.2, seed) * 1.5 - 0.35)
    for (const spot of spots) {
      const away = Math.hypot(x - spot.x, y - spot.y) / spot.size
      if (away < 1) seen = blend(seen, glint, (away > 0.86 ? 0.34 : 0.22) * spot.light * Math.min(1, (1 - away) * 14))
    }
    return seen
  }
}

/** Ink in water. */
export function ink(seed: number, colours: [Colour, Colour, Colour]): Paint {
  return (x, y) => {
    const one = cloud(x * 1.7, y * 1.7, seed)
    const two = cloud(x * 1.7 + one * 2.6, y * 1.7 + one * 1.9, seed + 3)
    const three = cloud(x * 1.5 + two * 3, y * 1.5 - two * 2, seed + 6, 6)
    return blend(blend(colours[0], colours[1], (two - 0.25) * 2.1), colours[2], (three - 0.42) * 3)
  }
}
