import type { Store } from '../embedded/store.ts'
import type { Chance, Clock } from '../media/clock.ts'
import type { Log } from '../media/log.ts'
import { openEmbeddedQueue } from './embedded.ts'
import type { Queue } from './port.ts'
import type { QueueSettings } from './settings.ts'
import { sqsAddressOf } from './sqs-address.ts'

export interface QueueGiven {
  /** Opens the embedded engine's database, which the caller closes. */
  store: () => Promise<Store>
  clock: Clock
  chance: Chance
  log: Log
}

/** The queue driver that `settings` names. */
export async function openQueue(settings: QueueSettings, given: QueueGiven): Promise<Queue> {
  switch (settings.driver) {
    case 'embedded':
      return openEmbeddedQueue(await given.store(), { clock: given.clock })
    case 'kafka': {
      const [{ openKafkaQueue }, { kafkaAddressOf }] = await Promise.all([
        import('./kafka.ts'),
        import('./kafka-client.ts'),
      ])
      return await openKafkaQueue(await kafkaAddressOf(settings), given)
    }
    case 'sqs': {
      const { openSqsQueue } = await import('./sqs.ts')
      return openSqsQueue(sqsAddressOf(settings), given)
    }
  }
}
