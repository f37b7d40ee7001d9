import { type Clock, systemClock } from '../media/clock.ts'
import type { MetadataSettings } from './settings.ts'

/** Makes what the driver that `settings` names needs; again changes nothing. @returns what was done, a line each */
export async function setUpMetadata(
  settings: MetadataSettings,
  { clock = systemClock }: { clock?: Clock } = {},
): Promise<string[]> {
  switch (settings.driver) {
    case 'embedded':
      return []
    case 'dynamodb': {
      const { setUpDynamodb } = await import('./dynamodb-set-up.ts')
      return await setUpDynamodb(settings, { clock })
    }
  }
}
