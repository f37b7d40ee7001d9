import { Admin, MultipleErrors } from '@platformatic/kafka'
import { callKafka, type KafkaAddress } from './kafka-client.ts'

/** Makes the topics that are not there. Resolves with a line on each; one that is there stays as it is. */
export async function setUpKafka(address: KafkaAddress): Promise<string[]> {
  const admin = new Admin(address.client)
  admin.on('error' as never, () => {})
  try {
    const there = await callKafka('listing topics', () => admin.listTopics())
    const lines: string[] = []
    for (const topic of Object.values(address.topics)) {
      const made = !there.includes(topic) && (await make(admin, topic, address))
      lines.push(`queue: topic ${topic} ${made ? `made, ${address.partitions} partitions` : 'is there'}`)
    }
    return lines
  } finally {
    await admin.close().catch(() => {})
  }
}

/** @returns false when it is there already: made by another set-up, or a moment ago, which brokers do not list at once. */
async function make(admin: Admin, topic: string, { partitions, replicas }: KafkaAddress): Promise<boolean> {
  return await callKafka(`making the topic ${topic}`, async () => {
    try {
      await admin.createTopics({ topics: [topic], partitions, replicas: replicas ?? -1 })
      return true
    } catch (error) {
      if (error instanceof MultipleErrors && error.findBy('apiId', 'TOPIC_ALREADY_EXISTS')) return false
      throw error
    }
  })
}
