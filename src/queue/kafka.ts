import { Admin, ListOffsetTimestamps, type Message, Producer, stringSerializers } from '@platformatic/kafka'
import type { Chance, Clock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import { type Lane, lanes } from '../media/jobs.ts'
import type { Log } from '../media/log.ts'
import { callKafka, isRefused, type KafkaAddress, refused } from './kafka-client.ts'
import { openEventTopic } from './kafka-events.ts'
import { type LaneMember, openLaneMember } from './kafka-lane.ts'
import type { DeadLetters, Delivery, EventTopic, Queue } from './port.ts'
import { readWakeUp, writeWakeUp } from './wake-up.ts'

export interface KafkaOptions {
  clock: Clock
  chance: Chance
  log: Log
  /** Milliseconds after which what nobody has settled comes again. */
  visibility?: number
  /** Milliseconds after which a member that is not heard of loses its partitions; the brokers take 6 000 at least. */
  sessionMs?: number
}

const usualVisibility = 30_000
const usualSession = 15_000
/** A send that takes longer has failed, as far as its caller can wait. Milliseconds. */
const sendLimit = 8_000

type Taken = Message<string, string, string, string>

/**
 * Wake-ups on two topics of Kafka, events on a third; on a fourth what cannot be a wake-up, and jobs nobody tries again.
 *
 * A wake-up is sent to any partition: what a busy worker has not taken within five seconds the sweeper sends again, to
 * another. Its
 * offset is committed once it and all before it are settled, which for a worker is once its job is claimed: a job of hours
 * holds nothing up. Heartbeats go on by themselves, whatever the job does. At least once: after a rebalance or a crash
 * what was not committed comes again.
 * For operators: a process has a connection a broker for each lane and for sending, and 12 partitions (`setup` makes
 * them) share a lane among up to 12 workers; more need more partitions. A worker killed without a word is missed after 15 s.
 * @throws Error when the brokers do not take our user
 */
export async function openKafkaQueue(
  address: KafkaAddress,
  options: KafkaOptions,
): Promise<Queue & { events: EventTopic; deadLetters: DeadLetters }> {
  const { clock, log, visibility = usualVisibility, sessionMs = usualSession } = options
  const producer = new Producer({ ...address.client, acks: -1, serializers: stringSerializers })
  const admin = new Admin(address.client)
  for (const client of [producer, admin]) client.on('error' as never, () => {})
  const closing = new AbortController()
  const members = Object.fromEntries(
    lanes.map((lane) => [lane, openLaneMember({ ...options, address, lane, sessionMs })]),
  ) as Record<Lane, LaneMember>
  const events = openEventTopic(address, { ...options, admin })

  await admin.metadata({ topics: [] }).catch((error) => {
    if (isRefused(error)) throw new Error(refused, { cause: error })
    log.warn({ error }, 'Kafka cannot be reached yet')
  })

  async function produce(doing: string, topic: string, value: string, headers: Record<string, string> = {}) {
    if (closing.signal.aborted) throw new MediaError('unavailable', 'the queue is closed')
    await callKafka(doing, () =>
      within(clock, sendLimit, producer.send({ messages: [{ topic, value, headers }], acks: -1 })),
    )
  }

  async function bury(lane: Lane, message: Taken): Promise<void> {
    const { partition, offset, value } = message
    log.error({ lane, partition, offset: String(offset) }, 'a message that is no wake-up goes to the dead letters')
    await produce('burying', address.topics['dead-letters'], value, {
      reason: `not a wake-up; came on the lane ${lane}`,
    })
    members[lane].settle(message)
  }

  async function* receive(lane: Lane, signal: AbortSignal): AsyncGenerator<Delivery, void, undefined> {
    const leaveLane = members[lane].attend()
    try {
      yield* deliveries(lane, AbortSignal.any([signal, closing.signal]))
    } finally {
      leaveLane()
    }
  }

  async function* deliveries(lane: Lane, stop: AbortSignal): AsyncGenerator<Delivery, void, undefined> {
    for (;;) {
      const message = await members[lane].next(stop)
      if (message === null) return
      if (stop.aborted) return members[lane].giveBack(message)
      const wakeUp = readWakeUp(message.value)
      if (!wakeUp) {
        // One that could not be put aside comes again; until then it holds its partition's commits up, not its deliveries.
        await bury(lane, message).catch((error) => {
          log.warn({ lane, error }, 'a message that is no wake-up stays')
          clock.sleep(visibility, closing.signal).then(
            () => members[lane].giveBack(message),
            () => {},
          )
        })
        continue
      }
      const { delivery, leave } = deliver(lane, message)
      stop.addEventListener('abort', leave, { once: true })
      try {
        yield { wakeUp, ...delivery }
      } finally {
        stop.removeEventListener('abort', leave)
        leave()
      }
    }
  }

  /** Once its receiver has left it unsettled, it comes again after its visibility, and is another's. */
  function deliver(lane: Lane, message: Taken) {
    const member = members[lane]
    let over = false
    let leaving = false

    async function settle(how: () => Promise<void> | void): Promise<void> {
      if (over) return
      over = true
      await how()
    }

    async function comeAgain(): Promise<void> {
      await clock.sleep(visibility, closing.signal)
      await settle(() => member.giveBack(message))
    }

    return {
      delivery: {
        acknowledge: () => settle(() => member.settle(message)),
        release: () =>
          settle(async () => {
            try {
              // To any process: this one may be about to stop.
              await produce('giving a wake-up back', address.topics[lane], message.value)
              member.settle(message)
            } catch {
              member.giveBack(message)
            }
          }),
      },
      leave: () => {
        if (over || leaving) return
        leaving = true
        comeAgain().catch(() => {})
      },
    }
  }

  async function depthOf(lane: Lane): Promise<number> {
    const topic = address.topics[lane]
    const { topics } = await admin.metadata({ topics: [topic] })
    const count = topics.get(topic)?.partitionsCount ?? 0
    const numbers = Array.from({ length: count }, (_, partitionIndex) => partitionIndex)
    const asked = (timestamp: bigint) =>
      admin.listOffsets({
        topics: [{ name: topic, partitions: numbers.map((partitionIndex) => ({ partitionIndex, timestamp })) }],
      })
    const [latest, earliest, groups] = await Promise.all([
      asked(ListOffsetTimestamps.LATEST),
      asked(ListOffsetTimestamps.EARLIEST),
      admin.listConsumerGroupOffsets({
        groups: [{ groupId: address.groupOf(lane), topics: [{ name: topic, partitionIndexes: numbers }] }],
      }),
    ])
    const committed = groups[0]?.topics.find(({ name }) => name === topic)?.partitions ?? []
    let sum = 0n
    for (const number of numbers) {
      const offsetIn = (listed: typeof latest) =>
        listed[0]?.partitions.find(({ partitionIndex }) => partitionIndex === number)?.offset ?? 0n
      const saved = committed.find(({ partitionIndex }) => partitionIndex === number)?.committedOffset ?? -1n
      sum += offsetIn(latest) - (saved >= 0n ? saved : offsetIn(earliest))
    }
    return Number(sum)
  }

  return {
    events: events.topic,
    deadLetters: {
      bury: async (wakeUp, reason) =>
        await produce('burying', address.topics['dead-letters'], writeWakeUp(wakeUp), { reason }),
    },
    send: async (lane, wakeUp) => await produce('sending a wake-up', address.topics[lane], writeWakeUp(wakeUp)),
    receive,
    depth: async () => {
      const counts = await callKafka('counting', () =>
        Promise.all(lanes.map(async (lane) => [lane, await depthOf(lane)] as const)),
      )
      return Object.fromEntries(counts) as Record<Lane, number>
    },
    ping: async () => {
      const topics = Object.values(address.topics)
      await callKafka('asking for the topics', () =>
        within(clock, sendLimit, admin.metadata({ topics, forceUpdate: true })),
      )
    },
    close: async () => {
      closing.abort()
      await Promise.all(lanes.map((lane) => members[lane].close()))
      await Promise.all([producer, admin].map((client) => client.close().catch(() => {})))
      await events.close()
    },
  }
}

/** Its answer, or that it took too long: then nobody knows whether it was done. */
export async function within<T>(clock: Clock, ms: number, work: Promise<T>): Promise<T> {
  const done = new AbortController()
  const late = clock.sleep(ms, done.signal).then(() => {
    throw new Error(`no answer within ${ms / 1_000} s`)
  })
  late.catch(() => {})
  work.catch(() => {})
  try {
    return await Promise.race([work, late])
  } finally {
    done.abort()
  }
}
