import { codeOf, MediaError } from '../../media/errors.ts'
import { type VideoProfile, videoProfile } from '../profile.ts'
import { decodersOf } from '../tools/codecs.ts'
import type { VideoFacts } from '../tools/probe.ts'
import type { Made, Shelf, VideoWorkbench } from './recipe.ts'
import { cutFilm, isToBeCut } from './segments-cut.ts'
import { joinFilm, type MadeSegments } from './segments-join.ts'
import { makeExtras, ours } from './video-extras.ts'
import { describeFilm } from './video-film.ts'
import { encodedAnew, leanest, passesOf, planVideo, type VideoPlan, withoutCopy } from './video-plan.ts'
import { type RunOfVideo, runVideo } from './video-run.ts'

/**
 * A video: one decode becomes
 *
 * | rendition                       | what                                                                                |
 * |---------------------------------|-------------------------------------------------------------------------------------|
 * | `720p`                          | MP4 within 1280 × 720 (720 × 1280 when it stands): H.264 High, AAC, index first; a    |
 * |                                 | copy of the source's picture when that is so already                                 |
 * | `poster`, `thumbnail`           | JPEG of a typical frame that is not black, as large as `720p` and within 640 × 640;   |
 * |                                 | the placeholder is made of the same frame                                            |
 * | `hls`                           | a stream of each size that the source fills, with all tracks of sound and subtitles   |
 * | `storyboard`, `storyboard.vtt`  | sheets of small pictures, and at which times they stand                              |
 * | `preview`                       | WebP, three seconds that move                                                        |
 * | `audio`                         | M4A of the sound alone                                                               |
 * | `subtitles-en`…                 | WebVTT of each track of text                                                         |
 *
 * What cannot be copied faithfully is encoded; what cannot be encoded with its sound is encoded without it. Once there
 * is an MP4 it is published, and nothing that comes after it makes the media fail for the file's fault: it is left out.
 */
export async function makeVideo(
  workbench: VideoWorkbench,
  video: VideoFacts,
  profile: VideoProfile = videoProfile,
): Promise<Made> {
  return await makeInOnePiece(workbench, planFilm(workbench, video, profile))
}

/** How a film may be made in segments. */
export interface InSegments {
  /** Where a film that is cut now is laid. */
  shelf: Shelf
  /** What the segments of an earlier cut have made; `failed` when one could not be made, null when there was none. */
  made: MadeSegments | 'failed' | null
  /** Told when it is made in one piece after all. */
  onFallback: (error: unknown) => void
}

/**
 * As `makeVideo`, but a film that is long is cut, and put together once its segments are made. Whatever is in the way of
 * that, it is made in one piece: no film fails for having been cut.
 */
export async function makeOrCutVideo(
  workbench: VideoWorkbench,
  video: VideoFacts,
  { profile, film }: { profile: VideoProfile; film: InSegments },
): Promise<Made | { segments: number }> {
  const planned = planFilm(workbench, video, profile)
  const { made, shelf } = film
  const orNull = (error: unknown) => {
    if (workbench.signal.aborted || ours.includes(codeOf(error))) throw error
    film.onFallback(error)
    return null
  }
  if (made === null && isToBeCut(planned.plan, workbench.settings.segmentSeconds)) {
    const segments = await cutFilm(workbench, planned, shelf).catch(orNull)
    if (segments) return { segments }
    await shelf.clear()
  }
  if (made !== null && made !== 'failed') {
    const joined = await joinPlayable(workbench, made).catch(orNull)
    if (joined) return await finish(workbench, joined)
  }
  return await makeInOnePiece(workbench, planned)
}

async function joinPlayable(workbench: VideoWorkbench, made: MadeSegments): Promise<Playing> {
  const { run, notes } = await joinFilm(workbench, made)
  return { plan: run.plan, first: run, film: await describeFilm(workbench, run), notes, later: [], share: 0.95 }
}

interface Planned {
  plan: VideoPlan
  /** Warnings. */
  notes: string[]
}

function planFilm(workbench: VideoWorkbench, video: VideoFacts, profile: VideoProfile): Planned {
  const { facts, raw, tools } = workbench
  refuseTooMuch(workbench, video)
  const planned = planVideo(facts, video, { size: raw.size, canToneMap: tools.canToneMap, profile })
  const sounds = planned.sounds.filter(({ codec }) => decodersOf('audio', codec).length > 0)
  const plan = { ...planned, sounds }
  const notes = [
    ...(sounds.length < planned.sounds.length ? ['audio_unsupported'] : []),
    ...(plan.colour.hdr && !plan.toneMap ? ['hdr_not_mapped'] : []),
  ]
  return { plan, notes }
}

async function makeInOnePiece(workbench: VideoWorkbench, { plan, notes }: Planned): Promise<Made> {
  const { sounds } = plan
  const encode = encodedAnew(plan)
  const tries: Try[] = [
    ...(plan.how === 'remux' ? [{ plan, warnings: [] }] : []),
    { plan: encode, warnings: [] },
    ...(sounds.length > 1 ? [{ plan: { ...encode, sounds: sounds.slice(0, 1) }, warnings: ['audio_damaged'] }] : []),
    ...(sounds.length > 0 ? [{ plan: { ...encode, sounds: [] }, warnings: ['audio_damaged'] }] : []),
    { plan: leanest(plan), warnings: ['only_720p'], onlyFor: 'memory_exceeded' },
  ]
  return await firstThatWorks(tries, (one) => makeFrom(workbench, one.plan, [...notes, ...one.warnings]))
}

interface Try {
  plan: VideoPlan
  warnings: string[]
  /** The failure after which it is worth trying; those of the file's fault when not given. */
  onlyFor?: 'memory_exceeded'
}

function refuseTooMuch({ facts, settings }: VideoWorkbench, { codec, width, height }: VideoFacts): void {
  if (decodersOf('video', codec).length === 0) {
    throw new MediaError('unsupported_media', `no decoder for ${codec}`, {
      detail: `Video in ${codec || 'an unknown format'} is not supported.`,
    })
  }
  if (width < 1 || height < 1) throw new MediaError('undecodable', 'the video has no size')
  if (width * height > settings.maxFramePixels)
    throw new MediaError('too_many_pixels', `frames of ${width} × ${height}`)
  if ((facts.duration ?? 0) > settings.maxSeconds) throw new MediaError('too_long', `claims ${facts.duration} s`)
}

/** A failure that the file may be to blame for is tried the next way; the first one is told. */
async function firstThatWorks(tries: readonly Try[], make: (one: Try) => Promise<Made>): Promise<Made> {
  let first: unknown
  let last = ''
  for (const one of tries) {
    if (one.onlyFor ? last !== one.onlyFor : last === 'memory_exceeded') continue
    try {
      return await make(one)
    } catch (error) {
      first ??= error
      last = codeOf(error)
      if (!['undecodable', 'output_mismatch', 'memory_exceeded'].includes(last)) throw error
    }
  }
  throw first
}

async function makeFrom(workbench: VideoWorkbench, plan: VideoPlan, notes: string[]): Promise<Made> {
  const [pass = plan, ...later] = passesOf(plan)
  const share = later.length === 0 ? 0.95 : plan.how === 'remux' ? 0.1 : 0.5
  const first = await runVideo(workbench, pass, { from: 0, to: share })
  return await finish(workbench, { plan, first, film: await describeFilm(workbench, first), notes, later, share })
}

/** A film that can be played, and what is left to do. */
interface Playing {
  plan: VideoPlan
  first: RunOfVideo
  film: Made
  notes: string[]
  /** Runs for its other sizes, and the share of the work at which they begin. */
  later: readonly VideoPlan[]
  share: number
}

async function finish(workbench: VideoWorkbench, { plan, first, film, notes, later, share }: Playing): Promise<Made> {
  const { settings, publish } = workbench
  if ((film.duration ?? 0) >= settings.maxSeconds) throw new MediaError('too_long', `lasts ${film.duration} s`)
  const warnings = [...notes, ...first.warnings]
  await publish({ ...film, warnings })
  const runs = [first]
  const extras = await makeExtras(workbench, {
    duration: film.duration ?? 0,
    first,
    streams: async () => {
      for (const one of later) runs.push(await runVideo(workbench, one, { from: share, to: 0.95 }))
      return runs
    },
    anew: plan.copied ? async () => [await runVideo(workbench, withoutCopy(plan), { from: share, to: 0.95 })] : null,
  })
  return { ...film, warnings: [...warnings, ...extras.warnings], outputs: [...film.outputs, ...extras.outputs] }
}
