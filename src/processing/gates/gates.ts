import { MediaError } from '../../media/errors.ts'
import type { Log } from '../../media/log.ts'
import type { MediaRecord } from '../../media/record.ts'
import { addSubtitles, type SubtitleFile } from '../recipes/hls.ts'
import type { Made, Workbench } from '../recipes/recipe.ts'
import type { TextTrack } from '../recipes/text-track.ts'
import type { ProcessingSettings } from '../settings.ts'
import { makeCaptions } from './captions.ts'
import { scanFile } from './clamav.ts'
import { captionersOf, judgesOf, type Step } from './steps.ts'
import { judge } from './verdict.ts'

/** What the operator has put before and beside the recipes. */
export interface Gates {
  /**
   * Looks at the raw bytes before anything else does.
   * @returns warnings for the record
   * @throws MediaError `malware_found`, `too_large_to_scan`, `scanner_unavailable`, `refused_by_moderation`, `step_failed`
   */
  admit(record: MediaRecord, bench: Workbench): Promise<string[]>
  /** Adds what steps of the operator's make beside the recipe's outputs. @throws MediaError `step_failed` */
  complete(record: MediaRecord, bench: Workbench, made: Made): Promise<Made>
}

export interface GatesDeps {
  settings: Pick<ProcessingSettings, 'clamd' | 'clamdOversize'>
  /** As `readSteps` gives them. */
  steps?: readonly Step[]
  log: Log
}

export function openGates(deps: GatesDeps): Gates {
  const { steps = [], log } = deps
  return {
    admit: async (record, bench) => {
      const warnings = await scan(record, bench, deps)
      for (const step of judgesOf(steps, record.media_type)) {
        warnings.push(...(await optional(step, bench, log, () => judge(step, record, bench))))
      }
      return warnings
    },
    complete: async (record, bench, made) => {
      const warnings: string[] = []
      const captions: TextTrack[] = []
      for (const step of captionersOf(steps, made.media_type)) {
        const failed = await optional(step, bench, log, async () => {
          captions.push(...(await makeCaptions(step, { record, bench, made })))
        })
        warnings.push(...failed)
      }
      return await withCaptions({ ...made, warnings: [...made.warnings, ...warnings] }, captions)
    },
  }
}

async function scan(
  { media_id, user_id }: MediaRecord,
  { raw, signal }: Workbench,
  { settings, log }: GatesDeps,
): Promise<string[]> {
  const { clamd: address, clamdOversize } = settings
  if (address === undefined) return []
  const result = await scanFile(raw.path, { address, signal })
  if (result === 'too_large') {
    if (clamdOversize === 'skip') return ['not_scanned']
    throw new MediaError('too_large_to_scan', `${raw.size} bytes are more than clamd's StreamMaxLength`)
  }
  if (result.found === null) return []
  const checksum = await raw.checksum
  log.warn({ security: 'malware_found', media_id, user_id, found: result.found, checksum }, 'malware found')
  throw new MediaError('malware_found', `clamd found ${result.found}`)
}

/** A step that need not succeed fails as a warning; its verdict stands all the same. */
async function optional(step: Step, bench: Workbench, log: Log, run: () => Promise<void>): Promise<string[]> {
  try {
    await run()
    return []
  } catch (error) {
    const refused = error instanceof MediaError && error.code === 'refused_by_moderation'
    if (refused || step.required || bench.signal.aborted) throw error
    log.warn({ step: step.name, error }, 'a step failed that need not succeed')
    return [`${step.name}_failed`]
  }
}

/** What the sender brought along stands before what was made. */
async function withCaptions(made: Made, captions: readonly TextTrack[]): Promise<Made> {
  const outputs = [...made.outputs]
  const tracks: SubtitleFile[] = []
  for (const { output, stream } of captions) {
    if (outputs.some(({ name }) => name === output.name)) continue
    outputs.push(output)
    tracks.push(stream)
  }
  const at = outputs.findIndex(({ name }) => name === 'hls')
  const stream = outputs[at]
  if (stream) outputs[at] = await addSubtitles(stream, tracks)
  return { ...made, outputs }
}
