import type { Context, MSKEvent, SelfManagedKafkaEvent } from 'aws-lambda'
import { codeOf } from '../media/errors.ts'
import { readWakeUp } from '../queue/wake-up.ts'
import { asInvocation } from './invocation.ts'
import { type OpenFunction, openOnce } from './open.ts'
import { openBatch } from './take.ts'

const open = openOnce()

/**
 * Wake-ups of the topic of usual tasks, from MSK or a Kafka of one's own; those of long ones need a worker process. A partition's offsets advance in order, so that
 * one bad record would keep back all behind it: what fails is left to the sweeper, which sends it again.
 * @throws MediaError `unavailable` only while the metadata cannot be asked: then every record would fail, nothing is lost
 *   by waiting, and passing the batch over would leave all of it to the sweeper at once.
 */
export async function handler(event: MSKEvent | SelfManagedKafkaEvent, context: Context): Promise<void> {
  const doing = await open()
  await asInvocation(doing, context, async () => await takeAll(doing, event, context))
}

async function takeAll(
  doing: OpenFunction,
  { records }: MSKEvent | SelfManagedKafkaEvent,
  context: Context,
): Promise<void> {
  const take = openBatch(doing, () => context.getRemainingTimeInMillis())
  for (const { topic, partition, offset, value } of Object.values(records).flat()) {
    const at = { topic, partition, offset }
    // A tombstone, or a record without a value, comes as none.
    const wakeUp = readWakeUp(Buffer.from(value ?? '', 'base64').toString('utf8'))
    if (!wakeUp) {
      doing.log.error(at, 'a record that is no wake-up is passed over')
      continue
    }
    try {
      await take(wakeUp)
    } catch (error) {
      if (codeOf(error) === 'unavailable' && !(await isReachable(doing.metadata))) throw error
      doing.log.warn({ ...at, ...wakeUp, error }, 'wake-up failed; the sweeper sends it again')
    }
  }
}

async function isReachable(metadata: { ping(): Promise<void> }): Promise<boolean> {
  return await metadata.ping().then(
    () => true,
    () => false,
  )
}
