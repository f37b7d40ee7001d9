import { readFile } from 'node:fs/promises'
import { Compile } from 'typebox/compile'
import { type AudioProfile, audioProfile } from './audio-profile.ts'
import { type ImageProfile, imageProfile } from './image-profile.ts'
import { type VideoProfile, videoProfile } from './profile.ts'
import { nameForm, ProfileSchema, takesOf } from './profiles-schema.ts'

/** The recipes' parameters: plain data. */
export interface Profile {
  video: VideoProfile
  image: ImageProfile
  audio: AudioProfile
}

/** What an operator lets uploads name. */
export interface Profiles {
  /** `default` first. */
  names: readonly string[]
  /** Of a name; null is the default. Undefined where there is none of that name. */
  find(name: string | null): Profile | undefined
}

const defaultName = 'default'
const ours: Profile = { video: videoProfile, image: imageProfile, audio: audioProfile }
export const builtInProfiles = onlyProfile({})

/** One profile, whatever is asked for. */
export function onlyProfile(given: Partial<Profile>): Profiles {
  return profilesOf(new Map([[defaultName, { ...ours, ...given }]]))
}

const overrides = Compile(ProfileSchema)

/**
 * The profiles that `PROFILES_FILE` describes; ours alone without it. What a profile does not say it has of `default`,
 * and what that does not say of ours.
 * @throws Error saying what is wrong where, and what belongs there
 */
export async function readProfiles(path: string | undefined): Promise<Profiles> {
  if (path === undefined) return builtInProfiles
  const fail = (what: string, cause?: unknown): never => {
    throw new Error(`PROFILES_FILE ${path}: ${what}. See docs/profiles.md.`, { cause })
  }
  const text = await readFile(path, 'utf8').catch((error) => fail('it cannot be read', error))
  let found: unknown
  try {
    found = JSON.parse(text)
  } catch (error) {
    fail(`it is no JSON: ${(error as Error).message}`, error)
  }
  try {
    return profilesFrom(found)
  } catch (error) {
    return fail((error as Error).message)
  }
}

/** @throws Error with the path of what is wrong */
function profilesFrom(found: unknown): Profiles {
  if (!isPlain(found)) throw new Error('the whole takes an object of profiles by name')
  const { $schema: _, ...said } = found
  for (const [name, one] of Object.entries(said)) {
    if (!nameForm.test(name)) throw new Error(`"${name}" is no name for a profile, which is ${nameForm.source}`)
    const [wrong] = overrides.Errors(one)
    if (wrong) throw new Error(describe(name, wrong))
  }
  const base = merge(ours, said[defaultName] ?? {}, ours) as Profile
  const all = new Map([[defaultName, checked(defaultName, base)]])
  for (const [name, one] of Object.entries(said)) {
    if (name !== defaultName) all.set(name, checked(name, merge(base, one, ours) as Profile))
  }
  return profilesOf(all)
}

interface Wrong {
  keyword: string
  instancePath: string
  message: string
}

function describe(name: string, { keyword, instancePath, message }: Wrong): string {
  const path = [name, ...instancePath.split('/').slice(1)]
  const last = path.at(-1) ?? ''
  // A field that is not foreseen.
  if (keyword === 'boolean') return `${path.slice(0, -1).join('.')} has no "${last}"`
  const takes = takesOf(instancePath)
  return `${path.join('.')} ${message}${takes === null ? '' : `; it takes ${takes}`}`
}

/** What no schema says. */
function checked(name: string, profile: Profile): Profile {
  const { rungs } = profile.video
  const main = rungs.find((rung) => rung.name === '720p')
  if (main?.width !== 1280 || main.height !== 720) {
    throw new Error(`${name}.video.rungs needs one that is called 720p, of 1280 × 720: the MP4 is made of it`)
  }
  if (new Set(rungs.map((rung) => rung.name)).size < rungs.length)
    throw new Error(`${name}.video.rungs has a name twice`)
  const tallestFirst = rungs.toSorted((a, b) => b.width * b.height - a.width * a.height)
  const widths = profile.image.widths.toSorted((a, b) => a - b)
  return { ...profile, video: { ...profile.video, rungs: tallestFirst }, image: { ...profile.image, widths } }
}

function profilesOf(all: ReadonlyMap<string, Profile>): Profiles {
  return { names: [...all.keys()], find: (name) => all.get(name ?? defaultName) }
}

/** Objects key by key, all else as a whole. What was off and is named again has our values for what it does not say. */
function merge(base: unknown, said: unknown, built: unknown): unknown {
  if (!isPlain(said)) return Array.isArray(said) ? said.map((one) => (isPlain(one) ? renamed(one) : one)) : said
  const under = isPlain(base) ? base : isPlain(built) ? built : {}
  const from = isPlain(built) ? built : {}
  const given = Object.entries(said).map(([key, value]) => [key, merge(under[key], value, from[key])])
  return { ...under, ...Object.fromEntries(given) }
}

/** Keys as they are written, and as they are in the code. */
function renamed({ max_bitrate: maxBitrate, ...rung }: Record<string, unknown>): Record<string, unknown> {
  return { ...rung, maxBitrate }
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
