import { MediaError } from '../../media/errors.ts'
import type { MediaRecord } from '../../media/record.ts'
import type { Workbench } from '../recipes/recipe.ts'
import { runStep } from './run-step.ts'
import type { Step } from './steps.ts'

/**
 * Asks a step whether a media may be processed.
 * @throws MediaError `refused_by_moderation`, or `step_failed` when it gives no verdict
 */
export async function judge(step: Step, record: MediaRecord, bench: Workbench): Promise<void> {
  const { verdict } = await runStep({ step, record, bench, path: bench.raw.path, content_type: record.content_type })
  const { allow, reason } = parse(step, verdict)
  if (!allow) throw new MediaError('refused_by_moderation', `${step.name}: ${reason}`)
}

function parse({ name }: Step, text: string | null): { allow: boolean; reason: string } {
  try {
    const { allow, reason } = JSON.parse(text ?? '') as { allow?: unknown; reason?: unknown }
    if (typeof allow === 'boolean') return { allow, reason: String(reason ?? 'no reason given').slice(0, 500) }
  } catch {
    // Said below.
  }
  throw new MediaError('step_failed', `${name} gave no verdict: ${(text ?? 'nothing').slice(0, 200)}`)
}
