import { Consumer, type Message, type MessagesStream } from '@platformatic/kafka'
import type { Chance, Clock } from '../media/clock.ts'
import type { Lane } from '../media/jobs.ts'
import type { Log } from '../media/log.ts'
import type { KafkaAddress } from './kafka-client.ts'
import { openOffsets } from './kafka-offsets.ts'

type Taken = Message<string, string, string, string>

/** The messages of one lane for this process: one member of the lane's group, however many receive. */
export interface LaneMember {
  /** The next message; null once `stop` aborts. */
  next(stop: AbortSignal): Promise<Taken | null>
  /** Puts one back for whoever asks next here; not when it has gone to another process. */
  giveBack(message: Taken): void
  /** Done with it. */
  settle(message: Taken): void
  /** Somebody receives until the returned function is called, whether it asks just now or deals with what it has. */
  attend(): () => void
  /** Leaves the group, after the last commit. */
  close(): Promise<void>
}

interface Given {
  address: KafkaAddress
  lane: Lane
  clock: Clock
  chance: Chance
  log: Log
  sessionMs: number
}

/** Commits are gathered so long. Milliseconds. */
const commitEvery = 200
/** Who receives no more leaves the group after so long, so that its partitions go to those who do. Milliseconds. */
const lingerMs = 3_000
const longestPause = 10_000

export function openLaneMember(given: Given): LaneMember {
  const { lane, clock, chance, log } = given
  const instance = `${lane}-${chance.uuid()}`
  const ready: Taken[] = []
  const waiters = new Set<(message: Taken) => void>()
  const offsets = openOffsets()
  let member: Member | null = null
  const closing = new AbortController()
  let closed = false
  let receivers = 0
  let lastAsked = clock.now()
  let running: Promise<void> | null = null
  let wakeUp = Promise.withResolvers<void>()

  function hand(message: Taken): void {
    const [waiter] = waiters
    if (!waiter) {
      ready.push(message)
      return
    }
    waiters.delete(waiter)
    waiter(message)
  }

  function onAssigned(partitions: readonly number[]): void {
    offsets.assign(partitions)
    const kept = ready.splice(0).filter(({ partition, offset }) => offsets.holds(partition, offset))
    ready.push(...kept)
  }

  async function commit(of: Member): Promise<void> {
    const due = offsets.due()
    if (due.size === 0) return
    await of.commit(due)
    for (const [partition, offset] of due) offsets.committed(partition, offset)
  }

  const isWanted = () => receivers > 0 || clock.now() - lastAsked < lingerMs

  /** One membership: ends when nobody asks any more, or with an error. */
  async function serve(): Promise<void> {
    const joined = await joinGroup({ ...given, instance }, onAssigned)
    member = joined
    const committing = commitOften(joined)
    try {
      for await (const message of joined.stream) {
        if (offsets.take(message.partition, message.offset)) hand(message)
        // What waits here waits for nobody else: no more is read than somebody here will take soon.
        while (waiters.size === 0 && !closed && isWanted()) await pause()
        if (closed || !isWanted()) break
      }
    } finally {
      member = null
      joined.stop()
      await committing
      await commit(joined).catch((error) => log.warn({ lane, error }, 'what was done may come again'))
      await joined.close()
      onAssigned([])
    }
  }

  async function commitOften(of: Member): Promise<void> {
    while (!of.stopped.aborted) {
      await clock.sleep(commitEvery, of.stopped).catch(() => {})
      await commit(of).catch((error) => log.debug?.({ lane, error }, 'a commit waits for the next'))
      if (!isWanted() || closed) of.end()
    }
  }

  /** Until somebody asks, or a moment has gone by. */
  async function pause(): Promise<void> {
    const stop = new AbortController()
    await Promise.race([wakeUp.promise, clock.sleep(commitEvery, stop.signal).catch(() => {})])
    stop.abort()
  }

  async function run(): Promise<void> {
    for (let failures = 0; !closed && isWanted(); ) {
      try {
        await serve()
        failures = 0
      } catch (error) {
        failures += 1
        const ms = Math.min(longestPause, 250 * 2 ** failures) * (0.5 + chance.random() / 2)
        log.warn({ lane, error, ms }, 'receiving from Kafka failed; it is tried again')
        await clock.sleep(ms, closing.signal).catch(() => {})
      }
    }
    running = null
    if (!closed && isWanted()) start()
  }

  function start(): void {
    running ??= run()
  }

  return {
    next: async (stop) => {
      if (stop.aborted || closed) return null
      lastAsked = clock.now()
      start()
      const first = ready.shift()
      if (first) return first
      const { promise, resolve } = Promise.withResolvers<Taken | null>()
      const leave = () => {
        waiters.delete(resolve)
        resolve(null)
      }
      waiters.add(resolve)
      wakeUp.resolve()
      wakeUp = Promise.withResolvers()
      stop.addEventListener('abort', leave, { once: true })
      const message = await promise.finally(() => stop.removeEventListener('abort', leave))
      lastAsked = clock.now()
      return message
    },
    giveBack: (message) => {
      if (offsets.holds(message.partition, message.offset)) hand(message)
    },
    attend: () => {
      receivers += 1
      return () => {
        receivers -= 1
        lastAsked = clock.now()
      }
    },
    settle: ({ partition, offset }) => offsets.settle(partition, offset),
    close: async () => {
      closed = true
      closing.abort()
      wakeUp.resolve()
      member?.end()
      await running
    },
  }
}

interface Joining extends Given {
  /** Of this process and lane, whichever membership it is. */
  instance: string
}

interface Member {
  stream: MessagesStream<string, string, string, string>
  commit(offsets: ReadonlyMap<number, bigint>): Promise<void>
  /** Ends the stream. */
  end(): void
  stopped: AbortSignal
  stop(): void
  close(): Promise<void>
}

async function joinGroup(given: Joining, onAssigned: (partitions: readonly number[]) => void): Promise<Member> {
  const { address, lane, sessionMs, instance } = given
  const topic = address.topics[lane]
  const text = (data?: Buffer) => data?.toString() ?? ''
  const consumer = new Consumer<string, string, string, string>({
    ...address.client,
    groupId: address.groupOf(lane),
    // By its name it takes its own place again after a broker was gone, instead of waiting until that has lapsed.
    groupInstanceId: instance,
    sessionTimeout: sessionMs,
    rebalanceTimeout: 2 * sessionMs,
    heartbeatInterval: Math.floor(sessionMs / 5),
    autocommit: false,
    maxWaitTime: 1_000,
    // A message that cannot be read as text is still one: it is buried by whoever takes it.
    deserializers: { key: text, value: text, headerKey: text, headerValue: text },
  })
  // Told by the stream as well; without a listener the process would end.
  consumer.on('error' as never, () => {})
  consumer.on('consumer:group:join', ({ assignments = [] }) => {
    onAssigned(assignments.filter((one) => one.topic === topic).flatMap(({ partitions }) => partitions))
  })
  const stopped = new AbortController()
  try {
    const stream = await consumer.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest' })
    return {
      stream,
      stopped: stopped.signal,
      stop: () => stopped.abort(),
      end: () => void stream.close().catch(() => {}),
      commit: async (due) => {
        const offsets = [...due].map(([partition, offset]) => ({ topic, partition, offset, leaderEpoch: -1 }))
        await consumer.commit({ offsets })
      },
      close: async () => {
        await consumer.close(true).catch(() => {})
      },
    }
  } catch (error) {
    await consumer.close(true).catch(() => {})
    throw error
  }
}
