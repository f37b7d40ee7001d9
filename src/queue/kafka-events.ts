import { type Admin, Consumer, ListOffsetTimestamps, Producer, stringSerializers } from '@platformatic/kafka'
import type { Chance } from '../media/clock.ts'
import { callKafka, type KafkaAddress } from './kafka-client.ts'
import type { EventTopic } from './port.ts'

interface Given {
  admin: Admin
  chance: Chance
}

/**
 * Events for other systems: the key is the media, so that its events stay in order; the value is JSON with `event_id`,
 * `type`, `at`, `media_id`, `user_id`, `seq` and `data`; `id` and `type` are headers too.
 */
export function openEventTopic(
  address: KafkaAddress,
  { admin, chance }: Given,
): { topic: EventTopic; close(): Promise<void> } {
  const topic = address.topics.events
  let producer: Producer<string, string, string, string> | null = null

  /** The first offset there is of each partition, or the next there will be. */
  async function offsetsAt(timestamp: bigint): Promise<Map<number, bigint>> {
    const { topics } = await admin.metadata({ topics: [topic] })
    const partitions = Array.from({ length: topics.get(topic)?.partitionsCount ?? 0 }, (_, partitionIndex) => ({
      partitionIndex,
      timestamp,
    }))
    const [listed] = await admin.listOffsets({ topics: [{ name: topic, partitions }] })
    return new Map(listed?.partitions.map(({ partitionIndex, offset }) => [partitionIndex, offset]))
  }

  function openProducer(): Producer<string, string, string, string> {
    const opened = new Producer({ ...address.client, acks: -1, idempotent: true, serializers: stringSerializers })
    opened.on('error' as never, () => {})
    return opened
  }

  /** Its numbers make a send that is tried again by itself one message; after an error nobody knows them any more. */
  async function drop(): Promise<void> {
    const dropped = producer
    producer = null
    await dropped?.close(true).catch(() => {})
  }

  return {
    topic: {
      mark: async () => {
        const found = await callKafka('marking the events', () => offsetsAt(ListOffsetTimestamps.LATEST))
        return JSON.stringify([...found].map(([partition, offset]) => [partition, String(offset)]))
      },
      since: (mark) => readSince(address, { topic, from: readMark(mark), offsetsAt, chance }),
      publish: async (events) => {
        if (events.length === 0) return
        producer ??= openProducer()
        const messages = events.map((event) => ({
          topic,
          key: event.media_id,
          value: JSON.stringify(event),
          headers: { id: event.event_id, type: event.type },
        }))
        const sending = producer
        try {
          await callKafka('publishing events', () => sending.send({ messages, acks: -1, idempotent: true }))
        } catch (error) {
          await drop()
          throw error
        }
      },
    },
    close: drop,
  }
}

function readMark(mark: string): Map<number, bigint> {
  const pairs = JSON.parse(mark) as [number, string][]
  return new Map(pairs.map(([partition, offset]) => [partition, BigInt(offset)]))
}

interface Reading {
  topic: string
  from: Map<number, bigint>
  offsetsAt(timestamp: bigint): Promise<Map<number, bigint>>
  chance: Chance
}

/** Reads by offsets alone: a member of no group, so that nobody else is disturbed. */
async function* readSince(address: KafkaAddress, { topic, from, offsetsAt, chance }: Reading): AsyncIterable<string> {
  const [first, until] = await callKafka('reading events', () =>
    Promise.all([offsetsAt(ListOffsetTimestamps.EARLIEST), offsetsAt(ListOffsetTimestamps.LATEST)]),
  )
  // What the topic has let go of since the mark is no more to be read.
  const startOf = (partition: number) => {
    const [marked, there] = [from.get(partition) ?? 0n, first.get(partition) ?? 0n]
    return marked > there ? marked : there
  }
  const left = new Map([...until].filter(([partition, end]) => end > startOf(partition)))
  if (left.size === 0) return
  const consumer = new Consumer<string, string, string, string>({
    ...address.client,
    groupId: `${topic}.reader.${chance.uuid()}`,
    autocommit: false,
    maxWaitTime: 500,
    deserializers: { headerKey: String, headerValue: String } as never,
  })
  consumer.on('error' as never, () => {})
  try {
    const offsets = [...until.keys()].map((partition) => ({ topic, partition, offset: startOf(partition) }))
    const stream = await consumer.consume({ topics: [topic], mode: 'manual', offsets })
    for await (const { partition, offset, headers } of stream) {
      const end = left.get(partition)
      if (end === undefined || offset >= end) continue
      const id = headers.get('id')
      if (id !== undefined) yield id
      if (offset + 1n >= end) left.delete(partition)
      if (left.size === 0) return
    }
  } finally {
    await consumer.close(true).catch(() => {})
  }
}
