import type { Store } from '../embedded/store.ts'
import { type Chance, type Clock, systemChance, systemClock } from '../media/clock.ts'
import { type Log, silentLog } from '../media/log.ts'
import { openEmbeddedMetadata } from './embedded.ts'
import type { Metadata } from './port.ts'
import type { MetadataSettings } from './settings.ts'

export interface MetadataGiven {
  /** Opens the embedded engine's database, which the caller closes; asked only by a driver that stands on it. */
  store: () => Promise<Store>
  clock?: Clock
  chance?: Chance
  log?: Log
}

/** The metadata driver that `settings` names. */
export async function openMetadata(
  settings: MetadataSettings | { driver: 'embedded' },
  { store, clock = systemClock, chance = systemChance, log = silentLog }: MetadataGiven,
): Promise<Metadata> {
  switch (settings.driver) {
    case 'embedded':
      return openEmbeddedMetadata(await store())
    case 'dynamodb': {
      const { openDynamodbMetadata } = await import('./dynamodb.ts')
      return openDynamodbMetadata(settings, { clock, chance, log })
    }
  }
}
