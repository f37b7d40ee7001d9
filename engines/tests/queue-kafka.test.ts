import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Consumer, Producer, stringSerializers } from '@platformatic/kafka'
import { systemChance, systemClock } from '../../src/media/clock.ts'
import { silentLog } from '../../src/media/log.ts'
import type { MediaEvent } from '../../src/media/record.ts'
import { parseSettings } from '../../src/media/setting.ts'
import { describeQueue } from '../../src/queue/conformance.ts'
import { eventually, nextOf, receiveAll, someJobs } from '../../src/queue/conformance-kit.ts'
import { openKafkaQueue } from '../../src/queue/kafka.ts'
import { type KafkaAddress, kafkaAddressOf } from '../../src/queue/kafka-client.ts'
import { setUpQueue } from '../../src/queue/set-up.ts'
import { queueSettings } from '../../src/queue/settings.ts'
import { type Engine, engineFor } from '../engine.ts'
import { startKafka } from '../kafka.ts'

let engine: Engine

before(async () => {
  engine = await engineFor('kafka', startKafka)
})
after(async () => await engine?.stop())

const some = () => systemChance.uuid().slice(0, 8)

/** Topics and groups of its own. */
async function open(given: { visibility?: number; sessionMs?: number; env?: Record<string, string> } = {}) {
  const name = some()
  const own = { QUEUE_KAFKA_TOPIC_PREFIX: `${name}.`, QUEUE_KAFKA_GROUP: name, QUEUE_KAFKA_PARTITIONS: '4' }
  const settings = parseSettings(queueSettings, { ...engine.env, ...own, ...given.env })
  const made = await setUpQueue(settings)
  const address = await kafkaAddressOf(settings)
  const openQueue = () =>
    openKafkaQueue(address, { clock: systemClock, chance: systemChance, log: silentLog, ...given })
  const queue = await openQueue()
  return { queue, settings, address, made, openQueue, close: async () => await queue.close() }
}

describeQueue('kafka', async (visibility) => await open(visibility === 'short' ? { visibility: 1_000 } : {}))

describe('queue: kafka, beyond the port', () => {
  it('is set up a second time without a change', async () => {
    const { settings, made, close } = await open()
    assert.equal(made.filter((line) => line.endsWith('made, 4 partitions')).length, 4, made.join('\n'))
    const again = await setUpQueue(settings)
    assert.equal(again.filter((line) => line.endsWith('is there')).length, 4, again.join('\n'))
    await close()
  })

  it('is set up by several at once, each topic made by one', async () => {
    const settings = parseSettings(queueSettings, { ...engine.env, QUEUE_KAFKA_TOPIC_PREFIX: `${some()}.` })
    const lines = (await Promise.all([1, 2, 3].map(() => setUpQueue(settings)))).flat()
    assert.equal(lines.filter((line) => / made, \d+ partitions$/.test(line)).length, 4, lines.join('\n'))
    assert.equal(lines.filter((line) => line.endsWith('is there')).length, 8, lines.join('\n'))
  })

  it('refuses to start with a wrong password, and names the settings', async () => {
    const path = join(engine.env.QUEUE_KAFKA_PASSWORD_FILE ?? '', '..', `wrong-${some()}`)
    await writeFile(path, 'wrong')
    const settings = parseSettings(queueSettings, { ...engine.env, QUEUE_KAFKA_PASSWORD_FILE: path })
    const opening = kafkaAddressOf(settings).then((address) =>
      openKafkaQueue(address, { clock: systemClock, chance: systemChance, log: silentLog }),
    )
    await assert.rejects(opening, /QUEUE_KAFKA_USERNAME and QUEUE_KAFKA_PASSWORD_FILE/)
  })

  it('says how to make topics that are not there', async () => {
    const own = { QUEUE_KAFKA_TOPIC_PREFIX: `${some()}.` }
    const address = await kafkaAddressOf(parseSettings(queueSettings, { ...engine.env, ...own }))
    const queue = await openKafkaQueue(address, { clock: systemClock, chance: systemChance, log: silentLog })
    await assert.rejects(queue.send('tasks', { job_id: 'a' }), { code: 'unavailable', message: /npm start -- setup/ })
    await assert.rejects(queue.ping(), { code: 'unavailable' })
    await queue.close()
  })

  it('lets a delivery that is held long hold up no other, and keeps its membership', async () => {
    const { queue, openQueue, close } = await open({ sessionMs: 6_000 })
    const [slow = '', ...quick] = someJobs(9)
    const stop = new AbortController()
    const deliveries = queue.receive('tasks', stop.signal)[Symbol.asyncIterator]()
    await queue.send('tasks', { job_id: slow })
    const held = await nextOf(deliveries, slow)
    for (const job_id of quick) await queue.send('tasks', { job_id })
    assert.deepEqual(await receiveAll(queue, 'tasks', quick), quick.toSorted())
    await pause(13_000)
    // Somebody else comes, and is given nothing that is held.
    const other = await openQueue()
    const seen: string[] = []
    const [marker = ''] = someJobs(1)
    const receiving = (async () => {
      for await (const delivery of other.receive('tasks', stop.signal)) {
        seen.push(delivery.wakeUp.job_id)
        await delivery.acknowledge()
      }
    })()
    await held.acknowledge()
    await pause(500)
    for (let sent = 0; sent < 8; sent++) await queue.send('tasks', { job_id: marker })
    await eventually(async () => assert.ok(seen.includes(marker)))
    stop.abort()
    await receiving
    assert.ok(!seen.includes(slow))
    await Promise.all([other.close(), close()])
  })

  it('shares a lane among processes, and a member that goes leaves its share to the others', async () => {
    const { queue, openQueue, close } = await open({ sessionMs: 6_000 })
    const other = await openQueue()
    const first = someJobs(40)
    const shares = [new Set<string>(), new Set<string>()]
    const stop = new AbortController()
    const serve = async (from: typeof queue, share: Set<string> | undefined) => {
      for await (const delivery of from.receive('tasks', stop.signal)) {
        share?.add(delivery.wakeUp.job_id)
        await delivery.acknowledge()
      }
    }
    const serving = [serve(queue, shares[0]), serve(other, shares[1])]
    await pause(4_000)
    for (const job_id of first) await queue.send('tasks', { job_id })
    const all = () => new Set(shares.flatMap((share) => [...share]))
    await eventually(async () => assert.equal(all().size, first.length))
    assert.ok(
      shares.every((share) => share.size > 0),
      `${shares.map((share) => share.size)}`,
    )
    await other.close()
    const second = someJobs(10)
    for (const job_id of second) await queue.send('tasks', { job_id })
    await eventually(async () => assert.ok(second.every((job_id) => shares[0]?.has(job_id))))
    stop.abort()
    await Promise.all([...serving, close()])
  })

  it('puts aside what is no wake-up, and goes on', async () => {
    const { queue, address, close } = await open()
    const producer = new Producer({ ...address.client, serializers: stringSerializers })
    await producer.send({ messages: [{ topic: address.topics.tasks, value: 'no wake-up' }], acks: -1 })
    await producer.close()
    const sent = someJobs(4)
    for (const job_id of sent) await queue.send('tasks', { job_id })
    assert.deepEqual(await receiveAll(queue, 'tasks', sent), sent.toSorted())
    await eventually(async () => assert.equal((await queue.depth()).tasks, 0))
    await queue.deadLetters.bury({ job_id: 'a.process' }, 'gave_up after 3 attempts')
    const buried = await readLetters(address, 2)
    assert.deepEqual(buried.toSorted(), [
      'no wake-up: not a wake-up; came on the lane tasks',
      '{"job_id":"a.process"}: gave_up after 3 attempts',
    ])
    await close()
  })

  it('publishes events in order per media, and tells which came after a mark', async () => {
    const { queue, close } = await open()
    const { events } = queue
    const event = (media_id: string, seq: number) =>
      ({
        ...{ event_id: `${media_id}.${seq}`, media_id, user_id: 'u', seq, type: 'media.updated' as const },
        ...{ at: new Date(seq).toISOString(), data: {} },
      }) satisfies MediaEvent
    const idsSince = async (mark: string) => {
      const ids: string[] = []
      for await (const id of events.since(mark)) ids.push(id)
      return ids.toSorted()
    }
    await events.publish([event('a', 1), event('b', 1)])
    const mark = await events.mark()
    assert.deepEqual(await idsSince(mark), [])
    await events.publish([event('a', 2), event('a', 3), event('c', 1)])
    assert.deepEqual(await idsSince(mark), ['a.2', 'a.3', 'c.1'])
    await close()
  })
})

/** What lies among the dead letters, each with its reason. */
async function readLetters({ client, topics }: KafkaAddress, count: number): Promise<string[]> {
  const text = (data?: Buffer) => data?.toString() ?? ''
  const consumer = new Consumer({
    ...client,
    groupId: `letters-${some()}`,
    deserializers: { key: text, value: text, headerKey: text, headerValue: text },
  })
  const letters: string[] = []
  try {
    const stream = await consumer.consume({ topics: [topics['dead-letters']], mode: 'earliest' })
    for await (const { value, headers } of stream) {
      letters.push(`${value}: ${headers.get('reason')}`)
      if (letters.length === count) break
    }
    return letters
  } finally {
    await consumer.close(true)
  }
}
