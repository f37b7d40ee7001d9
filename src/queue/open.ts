import type { Store } from '../embedded/store.ts'
import type { Clock } from '../media/clock.ts'
import { openEmbeddedQueue } from './embedded.ts'
import type { Queue } from './port.ts'
import type { QueueSettings } from './settings.ts'

/** The queue driver that `settings` names. @param given.store the embedded engine's, which the caller closes. */
export async function openQueue(settings: QueueSettings, given: { store: Store; clock: Clock }): Promise<Queue> {
  switch (settings.driver) {
    case 'embedded':
      return openEmbeddedQueue(given.store, { clock: given.clock })
  }
}
