import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { openInlineStore } from '../../src/embedded/store.ts'
import { isoTime, systemChance, systemClock } from '../../src/media/clock.ts'
import { MediaError } from '../../src/media/errors.ts'
import { silentLog } from '../../src/media/log.ts'
import { newRecord } from '../../src/media/record.ts'
import { parseSettings } from '../../src/media/setting.ts'
import { openEmbeddedMetadata } from '../../src/metadata/embedded.ts'
import type { Metadata } from '../../src/metadata/port.ts'
import { startRelay } from '../../src/notices/relay.ts'
import { someJobs } from '../../src/queue/conformance-kit.ts'
import { openKafkaQueue } from '../../src/queue/kafka.ts'
import { kafkaAddressOf } from '../../src/queue/kafka-client.ts'
import type { EventTopic, Queue } from '../../src/queue/port.ts'
import { setUpQueue } from '../../src/queue/set-up.ts'
import { queueSettings } from '../../src/queue/settings.ts'
import { type KafkaEngine, startKafka } from '../kafka.ts'

/** A broker of its own: it is ended and started again here. */
let engine: KafkaEngine

before(async () => {
  engine = await startKafka()
})
after(async () => await engine?.stop())

const given = { clock: systemClock, chance: systemChance, log: silentLog, sessionMs: 6_000 }

async function open() {
  const name = systemChance.uuid().slice(0, 8)
  const own = { QUEUE_KAFKA_TOPIC_PREFIX: `${name}.`, QUEUE_KAFKA_GROUP: name, QUEUE_KAFKA_PARTITIONS: '4' }
  const settings = parseSettings(queueSettings, { ...engine.env, ...own })
  await setUpQueue(settings)
  const address = await kafkaAddressOf(settings)
  return { address, queue: await openKafkaQueue(address, given) }
}

async function until(what: string, done: () => boolean, seconds: number): Promise<void> {
  const late = performance.now() + seconds * 1_000
  while (!done()) {
    assert.ok(performance.now() < late, `${what}: not within ${seconds} s`)
    await pause(50)
  }
}

function serve(queue: Queue, signal: AbortSignal) {
  const seen: string[] = []
  const over = (async () => {
    for await (const delivery of queue.receive('tasks', signal)) {
      await delivery.acknowledge()
      seen.push(delivery.wakeUp.job_id)
    }
  })()
  return { seen, over }
}

async function sendUntilTaken(queue: Queue, job_id: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      return await queue.send('tasks', { job_id })
    } catch (error) {
      if (tries === 30) throw error
      await pause(500)
    }
  }
}

describe('queue: kafka, while its broker is down', () => {
  it('fails a send within seconds, keeps what it had taken, and goes on by itself', async () => {
    const { queue } = await open()
    const stop = new AbortController()
    const [before, during, later] = [someJobs(20), someJobs(1), someJobs(20)]
    const { seen, over } = serve(queue, stop.signal)
    for (const job_id of before) await queue.send('tasks', { job_id })
    await engine.stopBroker()
    const began = performance.now()
    await assert.rejects(queue.send('tasks', { job_id: during[0] ?? '' }), { code: 'unavailable' })
    await assert.rejects(queue.ping(), { code: 'unavailable' })
    const took = Math.round(performance.now() - began)
    assert.ok(took < 20_000, `${took} ms`)
    await engine.startBroker()
    const back = performance.now()
    for (const job_id of later) await sendUntilTaken(queue, job_id)
    const wanted = [...before, ...later]
    await until('all deliveries', () => wanted.every((job_id) => seen.includes(job_id)), 60)
    console.log(`refused within ${took} ms; all delivered ${Math.round(performance.now() - back)} ms after the restart`)
    stop.abort()
    await over
    await queue.close()
  })

  it('closes within seconds', async () => {
    const { queue } = await open()
    const stop = new AbortController()
    const { over } = serve(queue, stop.signal)
    await pause(3_000)
    await engine.stopBroker()
    await pause(1_000)
    const began = performance.now()
    await queue.close()
    await over
    const took = Math.round(performance.now() - began)
    await engine.startBroker()
    assert.ok(took < 10_000, `${took} ms`)
  })
})

describe('relay: on kafka', () => {
  it('publishes each event once, whatever dies between a publish and the note of it', async () => {
    const { queue } = await open()
    const { metadata, close } = openLog()
    const mark = await queue.events.mark()
    const wanted: string[] = []
    for (let process = 0; process < 2; process++) {
      wanted.push(...(await addEvents(metadata, 10)))
      const dying = dyingAfter(2, metadata, queue.events)
      const relay = startRelay({ ...dying.options, ...given, interval: 20, lease: 1_000, batch: 5 })
      await until('a death', dying.isDead, 20)
      await relay.stop()
    }
    const relay = startRelay({ metadata, events: queue.events, ...given, interval: 20, batch: 5 })
    wanted.push(...(await addEvents(metadata, 5)))
    const all = async () => await idsSince(queue.events, mark)
    for (let tries = 0; (await all()).length < wanted.length && tries < 50; tries++) await pause(200)
    await pause(500)
    await relay.stop()
    assert.deepEqual((await all()).toSorted(), wanted.toSorted())
    await queue.close()
    await close()
  })

  it('waits for a broker that is down, and loses and repeats nothing', async () => {
    const { queue } = await open()
    const { metadata, close } = openLog()
    const mark = await queue.events.mark()
    const relay = startRelay({ metadata, events: queue.events, ...given, interval: 20, batch: 5 })
    const wanted = await addEvents(metadata, 30)
    await pause(50)
    await engine.stopBroker()
    wanted.push(...(await addEvents(metadata, 5)))
    await pause(2_000)
    await engine.startBroker()
    let found: string[] = []
    for (let tries = 0; found.length < wanted.length && tries < 60; tries++) {
      await pause(1_000)
      found = await idsSince(queue.events, mark).catch(() => [])
    }
    await relay.stop()
    assert.deepEqual((await idsSince(queue.events, mark)).toSorted(), wanted.toSorted())
    await queue.close()
    await close()
  })
})

async function idsSince(events: EventTopic, mark: string): Promise<string[]> {
  const ids: string[] = []
  for await (const id of events.since(mark)) ids.push(id)
  return ids
}

function openLog() {
  const store = openInlineStore()
  return { metadata: openEmbeddedMetadata(store), close: async () => await store.close() }
}

async function addEvents(metadata: Metadata, media: number): Promise<string[]> {
  const ids: string[] = []
  for (let count = 0; count < media; count++) {
    const media_id = systemChance.uuid()
    const upload_time = isoTime(systemClock.now())
    const create = newRecord({
      ...{ media_id, user_id: 'ann', title: 'A', media_type: 'video', status: 'uploaded', upload_time },
    })
    const events = [{ type: 'media.uploaded', at: upload_time }] as const
    await metadata.commit({ media_id, expect: { absent: true }, create, events })
    ids.push(`${media_id}.1`)
  }
  return ids
}

/** A process of which nothing reaches the metadata any more once it has published so many batches. */
function dyingAfter(batches: number, metadata: Metadata, events: EventTopic) {
  let published = 0
  const isDead = () => published >= batches
  const alive = () => {
    if (isDead()) throw new MediaError('unavailable', 'dead')
    return metadata
  }
  const publish: EventTopic['publish'] = async (some) => {
    if (isDead()) throw new MediaError('unavailable', 'dead')
    await events.publish(some)
    if (some.length > 0) published++
  }
  return {
    isDead,
    options: {
      metadata: {
        readLog: async (...what: Parameters<Metadata['readLog']>) => await alive().readLog(...what),
        takeCursor: async (...what: Parameters<Metadata['takeCursor']>) => await alive().takeCursor(...what),
        moveCursor: async (...what: Parameters<Metadata['moveCursor']>) => await alive().moveCursor(...what),
      },
      events: { ...events, publish },
    },
  }
}
