import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MediaError } from '../../media/errors.ts'
import type { MediaRecord } from '../../media/record.ts'
import type { Made, Workbench } from '../recipes/recipe.ts'
import { runStep } from './run-step.ts'
import type { Step } from './steps.ts'

export interface Captions {
  /** BCP 47: `en`, `pt-BR`. */
  language: string
  path: string
}

const languageTag = /^[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}$/

/**
 * Has a step write captions, and keeps of them what WebVTT's cues are.
 * @throws MediaError `step_failed`
 */
export async function makeCaptions(
  step: Step,
  { record, bench, made }: { record: MediaRecord; bench: Workbench; made: Made },
): Promise<Captions[]> {
  const { captions } = await runStep({ step, record, bench, ...inputOf(step, { record, bench, made }) })
  const folder = await bench.newFolder(`${step.name}-captions`)
  const kept: Captions[] = []
  for (const [language, text] of captions) {
    if (!languageTag.test(language)) throw new MediaError('step_failed', `${step.name}: no language "${language}"`)
    const cues = readCues(text)
    if (cues === null) throw new MediaError('step_failed', `${step.name}: what it wrote for ${language} is no WebVTT`)
    if (cues.length === 0) continue
    const path = join(folder, `subtitles-${language}-00001.vtt`)
    await writeFile(path, `WEBVTT\n\n${cues.join('\n\n')}\n`)
    kept.push({ language, path })
  }
  return kept
}

/** The rendition that the step names, else the sound, else what was sent. */
function inputOf(step: Step, { record, bench, made }: { record: MediaRecord; bench: Workbench; made: Made }) {
  const wanted = step.input ?? 'audio'
  const output = wanted === 'raw' ? undefined : made.outputs.find(({ name }) => name === wanted)
  return output ?? { path: bench.raw.path, content_type: record.content_type }
}

const time = String.raw`(?:\d{2,}:)?[0-5]\d:[0-5]\d\.\d{3}`
const timing = new RegExp(`^(${time})[ \\t]+-->[ \\t]+(${time})((?:[ \\t]+[a-z]+:[\\w.,%-]+)*)[ \\t]*$`)

/**
 * The cues of a WebVTT file, each with its times; styles, regions, notes and names are left behind. Null when it is none.
 * https://www.w3.org/TR/webvtt1/
 */
export function readCues(text: string): string[] | null {
  const plain = text.replace(/^\ufeff/, '').replace(/\r\n?/g, '\n')
  if (!/^WEBVTT(?:[ \t\n]|$)/.test(plain) || plain.includes('\0') || plain.includes('\ufffd')) return null
  const cues: string[] = []
  for (const block of plain.split(/\n{2,}/).slice(1)) {
    const lines = block.split('\n').filter((line) => line !== '')
    const at = lines.findIndex((line) => line.includes('-->'))
    if (at < 0) continue
    const match = timing.exec(lines[at] ?? '')
    const words = lines.slice(at + 1)
    if (at > 1 || !match || words.some((line) => line.includes('-->'))) return null
    if (secondsOf(match[1]) >= secondsOf(match[2])) return null
    if (words.length > 0) cues.push([match[0].trim(), ...words].join('\n'))
  }
  return cues
}

function secondsOf(said = ''): number {
  return said.split(':').reduce((sum, part) => sum * 60 + Number(part), 0)
}
