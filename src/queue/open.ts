import type { Store } from '../embedded/store.ts'
import type { Clock } from '../media/clock.ts'
import { openEmbeddedQueue } from './embedded.ts'
import type { Queue } from './port.ts'
import type { QueueSettings } from './settings.ts'

/** The queue driver that `settings` names. @param given.store opens the embedded engine's database, which the caller closes. */
export async function openQueue(
  settings: QueueSettings,
  given: { store: () => Promise<Store>; clock: Clock },
): Promise<Queue> {
  switch (settings.driver) {
    case 'embedded':
      return openEmbeddedQueue(await given.store(), { clock: given.clock })
  }
}
