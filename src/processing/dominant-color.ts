/** Pixels that show less of themselves have no colour. */
const visible = 128

/**
 * The colour that most of a picture has, as `#rrggbb`; of four bytes a pixel (red, green, blue, opacity).
 * Null when nothing can be seen.
 */
export function dominantColor(pixels: Uint8Array): string | null {
  // Colours that hardly differ are counted as one, of which the mean is taken.
  const bins = new Map<number, { count: number; sums: [number, number, number] }>()
  let most: { count: number; sums: [number, number, number] } | null = null
  for (let at = 0; at + 3 < pixels.length; at += 4) {
    const [red = 0, green = 0, blue = 0, opacity = 0] = pixels.subarray(at, at + 4)
    if (opacity < visible) continue
    const name = ((red >> 5) << 6) | ((green >> 5) << 3) | (blue >> 5)
    const bin = bins.get(name) ?? { count: 0, sums: [0, 0, 0] }
    bins.set(name, bin)
    bin.count++
    bin.sums[0] += red
    bin.sums[1] += green
    bin.sums[2] += blue
    if (most === null || bin.count > most.count) most = bin
  }
  if (most === null) return null
  const { count, sums } = most
  return `#${sums
    .map((sum) =>
      Math.round(sum / count)
        .toString(16)
        .padStart(2, '0'),
    )
    .join('')}`
}
