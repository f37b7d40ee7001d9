import { MediaError } from '../../media/errors.ts'
import type { MediaRecord } from '../../media/record.ts'
import type { Made, Workbench } from '../recipes/recipe.ts'
import { readCues, type TextTrack, writeTextTrack } from '../recipes/text-track.ts'
import { runStep } from './run-step.ts'
import type { Step } from './steps.ts'

/** BCP 47: `en`, `pt-BR`. */
const languageTag = /^[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}$/

/**
 * Has a step write captions, and keeps of them what WebVTT's cues are.
 * @throws MediaError `step_failed`
 */
export async function makeCaptions(
  step: Step,
  { record, bench, made }: { record: MediaRecord; bench: Workbench; made: Made },
): Promise<TextTrack[]> {
  const { captions } = await runStep({ step, record, bench, ...inputOf(step, { record, bench, made }) })
  const folder = await bench.newFolder(`${step.name}-captions`)
  const tracks: TextTrack[] = []
  for (const [language, text] of captions) {
    if (!languageTag.test(language)) throw new MediaError('step_failed', `${step.name}: no language "${language}"`)
    const cues = readCues(text)
    if (cues === null) throw new MediaError('step_failed', `${step.name}: what it wrote for ${language} is no WebVTT`)
    if (cues.length === 0) continue
    const about = { name: `subtitles-${language}`, language, duration: made.duration }
    tracks.push(await writeTextTrack(folder, { ...about, cues }))
  }
  return tracks
}

/** The rendition that the step names, else the sound, else what was sent. */
function inputOf(step: Step, { record, bench, made }: { record: MediaRecord; bench: Workbench; made: Made }) {
  const wanted = step.input ?? 'audio'
  const output = wanted === 'raw' ? undefined : made.outputs.find(({ name }) => name === wanted)
  return output ?? { path: bench.raw.path, content_type: record.content_type }
}
