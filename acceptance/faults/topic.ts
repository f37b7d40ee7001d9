import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BaseOptions, Consumer, stringDeserializers } from '@platformatic/kafka'

export interface Published {
  event_id: string
  media_id: string
  type: string
}

/** Reads the events topic from its beginning, until `enough` of it or the time is over, and a second more. */
export async function readTopic(
  client: BaseOptions,
  { topic, enough, limitMs }: { topic: string; enough: (events: Published[]) => boolean; limitMs: number },
): Promise<Published[]> {
  const options = { ...client, groupId: randomUUID(), autocommit: false, maxWaitTime: 200 }
  const consumer = new Consumer({ ...options, deserializers: stringDeserializers })
  const events: Published[] = []
  try {
    const stream = await consumer.consume({ topics: [topic], mode: 'earliest' })
    stream.on('data', ({ value }) => void events.push(JSON.parse(value ?? '')))
    const deadline = Date.now() + limitMs
    while (!enough(events) && Date.now() < deadline) await sleep(100)
    await sleep(1_000)
    return events
  } finally {
    await consumer.close(true)
  }
}
