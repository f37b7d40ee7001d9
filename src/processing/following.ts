import { MediaError } from '../media/errors.ts'
import type { MediaRecord } from '../media/record.ts'
import { type InStep, untraced } from '../media/trace.ts'
import type { Segmented } from './process.ts'
import type { Profile, Profiles } from './profiles.ts'
import { makeAudio } from './recipes/audio.ts'
import { makeImage } from './recipes/image.ts'
import type { Made, Workbench } from './recipes/recipe.ts'
import { type InSegments, makeOrCutVideo, makeVideo } from './recipes/video.ts'
import type { Tools } from './tools/find.ts'
import { probe } from './tools/probe.ts'

/** The tools that recipes need and this machine has. */
export interface RecipeDeps {
  /** Null when ffmpeg is missing: then only pictures are processed, and the rest fails as `tool_missing`. */
  tools: Tools | null
  /** False where the sandbox is too weak for video and sound: then they fail as `sandbox_missing`. */
  takesVideo: boolean
  /** Runs each step, so that it can be followed. */
  step?: InStep
}

/** A name that was good when the media came in, and is no more, costs no media: the operator's file has changed since. */
export function choose(profiles: Profiles, { profile: name }: MediaRecord): { profile: Profile; warnings: string[] } {
  const profile = profiles.find(name)
  if (profile) return { profile, warnings: [] }
  return { profile: profiles.find(null) as Profile, warnings: ['profile_missing'] }
}

export interface Following {
  bench: Workbench
  profile: Profile
  film: InSegments | null
}

/** Chooses the recipe by what the bytes are: a picture by the door's look at them, all else by ffprobe's. */
export async function follow(
  deps: RecipeDeps,
  record: MediaRecord,
  { bench, profile, film }: Following,
): Promise<Made | Segmented> {
  if (record.media_type === 'image') return await makeImage(bench, record.content_type, profile.image)
  const tools = toolsFor(deps)
  const { raw, runner, newFolder, signal } = bench
  const folder = await newFolder('probe')
  const probing = { runner, ffprobe: tools.ffprobe, folder, path: raw.path, size: raw.size, signal }
  const facts = await (deps.step ?? untraced)('probe', async () => await probe(probing))
  if (facts.video && film) {
    return await makeOrCutVideo({ ...bench, tools, facts }, facts.video, { profile: profile.video, film })
  }
  if (facts.video) return await makeVideo({ ...bench, tools, facts }, facts.video, profile.video)
  if (facts.audio) return corrected(record, await makeAudio({ ...bench, tools, facts }, facts.audio, profile))
  throw new MediaError('no_streams', `a ${facts.container} file without video and sound`)
}

/** For video and sound. */
export function toolsFor({ tools, takesVideo }: RecipeDeps): Tools {
  if (!tools) throw new MediaError('tool_missing', 'ffmpeg is not installed')
  if (!takesVideo) throw new MediaError('sandbox_missing', 'video and sound need bubblewrap, or SANDBOX=weak')
  return tools
}

/** A file that looked like video at the door and holds only sound: `video/mp4` becomes `audio/mp4`. */
function corrected({ content_type }: MediaRecord, made: Made): Made {
  return content_type?.startsWith('video/') ? { ...made, content_type: content_type.replace('video/', 'audio/') } : made
}
