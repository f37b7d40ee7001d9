import type { QueueSettings } from './settings.ts'
import { sqsAddressOf } from './sqs-address.ts'

/** Makes what the driver needs and is not there yet; a second time it changes nothing. Resolves with a line on each step. */
export async function setUpQueue(settings: QueueSettings): Promise<string[]> {
  switch (settings.driver) {
    case 'embedded':
      return ['queue: the embedded one needs nothing made before']
    case 'kafka': {
      const [{ setUpKafka }, { kafkaAddressOf }] = await Promise.all([
        import('./kafka-set-up.ts'),
        import('./kafka-client.ts'),
      ])
      return await setUpKafka(await kafkaAddressOf(settings))
    }
    case 'sqs': {
      const { setUpSqs } = await import('./sqs-set-up.ts')
      return await setUpSqs(sqsAddressOf(settings))
    }
  }
}
