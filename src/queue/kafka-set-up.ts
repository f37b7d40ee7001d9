import { Admin } from '@platformatic/kafka'
import { callKafka, type KafkaAddress } from './kafka-client.ts'

/** Makes the topics that are not there. Resolves with a line on each; one that is there stays as it is. */
export async function setUpKafka(address: KafkaAddress): Promise<string[]> {
  const admin = new Admin(address.client)
  admin.on('error' as never, () => {})
  try {
    const there = await callKafka('listing topics', () => admin.listTopics())
    const lines: string[] = []
    for (const topic of Object.values(address.topics)) {
      if (there.includes(topic)) {
        lines.push(`queue: topic ${topic} is there`)
        continue
      }
      const { partitions, replicas } = address
      await callKafka(`making the topic ${topic}`, () =>
        admin.createTopics({ topics: [topic], partitions, replicas: replicas ?? -1 }),
      )
      lines.push(`queue: topic ${topic} made, ${partitions} partitions`)
    }
    return lines
  } finally {
    await admin.close().catch(() => {})
  }
}
