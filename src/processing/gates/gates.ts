import { MediaError } from '../../media/errors.ts'
import type { Log } from '../../media/log.ts'
import type { MediaRecord } from '../../media/record.ts'
import type { Workbench } from '../recipes/recipe.ts'
import type { ProcessingSettings } from '../settings.ts'
import { scanFile } from './clamav.ts'

/** What the operator has put before the recipes. */
export interface Gates {
  /**
   * Looks at the raw bytes before anything else does.
   * @returns warnings for the record
   * @throws MediaError `malware_found`, `too_large_to_scan`, `scanner_unavailable`
   */
  admit(record: MediaRecord, bench: Workbench): Promise<string[]>
}

interface GatesDeps {
  settings: Pick<ProcessingSettings, 'clamd' | 'clamdOversize'>
  log: Log
}

export function openGates(deps: GatesDeps): Gates {
  return { admit: async (record, bench) => await scan(record, bench, deps) }
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
