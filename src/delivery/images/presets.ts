import { readFile } from 'node:fs/promises'
import { type ImageLimits, largestSide, noLimits, readImageOptions } from './options.ts'

/**
 * What `IMAGE_PRESETS_FILE` says: `{"presets": {"card": "width=400,height=300,fit=cover"}, "only_presets": true,
 * "largest_side": 2000}`, each of them optional.
 * @throws Error naming the file and what is wrong in it
 */
export async function readImagePresets(path: string | undefined): Promise<ImageLimits> {
  if (path === undefined) return noLimits
  try {
    return limitsOf(JSON.parse(await readFile(path, 'utf8')))
  } catch (cause) {
    const why = (cause as { detail?: string }).detail ?? (cause as Error).message
    throw new Error(`IMAGE_PRESETS_FILE ${path} cannot be used: ${why} See "On the fly" in docs/delivery.md.`, {
      cause,
    })
  }
}

function limitsOf(given: unknown): ImageLimits {
  const { presets = {}, only_presets = false, largest_side = largestSide, ...rest } = objectOf(given, 'the file')
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined) throw new Error(`"${unknown}" is none of presets, only_presets, largest_side.`)
  if (typeof only_presets !== 'boolean') throw new Error('only_presets takes true or false.')
  if (!Number.isInteger(largest_side) || Number(largest_side) < 1 || Number(largest_side) > largestSide) {
    throw new Error(`largest_side takes pixels, 1–${largestSide}.`)
  }
  const limits = { presets: {}, onlyPresets: false, largestSide: Number(largest_side) }
  const texts = Object.entries(objectOf(presets, 'presets')).map(([name, text]): [string, string] => {
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) throw new Error(`"${name}" is no name: letters, digits, - and _.`)
    if (typeof text !== 'string') throw new Error(`The preset "${name}" takes options as a text.`)
    readImageOptions(text, limits)
    return [name, text]
  })
  if (only_presets && texts.length === 0) throw new Error('only_presets without presets would allow nothing.')
  return { ...limits, presets: Object.fromEntries(texts), onlyPresets: only_presets }
}

function objectOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new Error(`${what} must be a JSON object.`)
}
