import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { systemChance } from '../media/clock.ts'
import { collect, eventually, nextOf, receiveAll, someJobs, steady } from './conformance-kit.ts'
import type { Queue } from './port.ts'

/**
 * Opens the driver under test; `close` also ends what it stands on. Perhaps shared and not empty.
 * @param visibility `usual` is longer than any test takes, `short` so short that a test can wait for its end.
 */
export type OpenForTest = (visibility: 'usual' | 'short') => Promise<{ queue: Queue; close(): Promise<void> }>

/** The suite that every queue driver runs unchanged: what `port.ts` promises. */
export function describeQueue(name: string, open: OpenForTest): void {
  describe(`queue: ${name}`, () => {
    describe('delivery', () => describeWith(open, 'usual', describeDelivery))
    describe('redelivery', () => describeWith(open, 'short', describeRedelivery))
    it('ends its receivers when it is closed', async () => {
      const { queue, close } = await open('usual')
      const receiving = collect(queue, 'tasks', { until: () => false, signal: new AbortController().signal })
      await queue.close()
      await receiving
      await close()
    })
  })
}

type Given = () => Queue

function describeWith(open: OpenForTest, visibility: 'usual' | 'short', suite: (given: Given) => void): void {
  let queue: Queue
  let close: () => Promise<void>
  before(async () => {
    ;({ queue, close } = await open(visibility))
  })
  after(async () => await close())
  suite(() => queue)
}

function describeDelivery(given: Given): void {
  it('is ready for a wake-up', async () => await given().ping())

  it('delivers what was sent before anybody received, in any order', async () => {
    const sent = someJobs(5)
    for (const job_id of sent) await given().send('tasks', { job_id })
    assert.deepEqual(await receiveAll(given(), 'tasks', sent), sent.toSorted())
  })

  it('delivers to a receiver that was already waiting', async () => {
    const sent = someJobs(3)
    const received = receiveAll(given(), 'tasks', sent)
    for (const job_id of sent) await given().send('tasks', { job_id })
    assert.deepEqual(await received, sent.toSorted())
  })

  it('keeps the lanes apart', async () => {
    const [short, long] = [someJobs(2), someJobs(2)]
    for (const job_id of short) await given().send('tasks', { job_id })
    for (const job_id of long) await given().send('tasks-long', { job_id })
    const seen = new Set<string>()
    const inLong = receiveAll(given(), 'tasks-long', long, (job_id) => seen.add(job_id))
    const inShort = receiveAll(given(), 'tasks', short, (job_id) => assert.ok(!long.includes(job_id)))
    await Promise.all([inLong, inShort])
    assert.ok(!short.some((job_id) => seen.has(job_id)))
  })

  it('delivers a wake-up that comes while an earlier one for the same job is held', async () => {
    const [job_id = ''] = someJobs(1)
    const stop = new AbortController()
    const deliveries = given().receive('tasks', stop.signal)[Symbol.asyncIterator]()
    await given().send('tasks', { job_id })
    const first = await nextOf(deliveries, job_id)
    await given().send('tasks', { job_id })
    await first.acknowledge()
    const second = await nextOf(deliveries, job_id)
    await second.acknowledge()
    stop.abort()
    assert.equal((await deliveries.next()).done, true)
  })

  it('shares the load among receivers, and gives each wake-up to one', async () => {
    const sent = someJobs(40)
    const shares = [new Set<string>(), new Set<string>()]
    const receivers = shares.map((share) => receiveAll(given(), 'tasks', sent, (job_id) => share.add(job_id), shares))
    for (const job_id of sent) await given().send('tasks', { job_id })
    await Promise.all(receivers)
    const [one = new Set(), two = new Set()] = shares
    assert.deepEqual([...one, ...two].toSorted(), sent.toSorted())
  })

  it('gives a released wake-up to somebody at once', async () => {
    const [job_id = ''] = someJobs(1)
    const stop = new AbortController()
    const deliveries = given().receive('tasks', stop.signal)[Symbol.asyncIterator]()
    await given().send('tasks', { job_id })
    const held = await nextOf(deliveries, job_id)
    const other = receiveAll(given(), 'tasks', [job_id])
    await held.release()
    assert.deepEqual(await other, [job_id])
    stop.abort()
  })

  it('counts what is not yet acknowledged, by lane', async () => {
    const sent = someJobs(3)
    const idle = await steady(() => given().depth())
    for (const job_id of sent) await given().send('tasks-long', { job_id })
    const full = { ...idle, 'tasks-long': idle['tasks-long'] + 3 }
    await eventually(async () => assert.deepEqual(await given().depth(), full))
    await receiveAll(given(), 'tasks-long', sent)
    await eventually(async () => assert.deepEqual(await given().depth(), idle))
  })

  it('does not bring back what was acknowledged', async () => {
    const [gone = '', marker = ''] = someJobs(2)
    await given().send('tasks', { job_id: gone })
    await receiveAll(given(), 'tasks', [gone])
    await given().send('tasks', { job_id: marker })
    await receiveAll(given(), 'tasks', [marker], (job_id) => assert.notEqual(job_id, gone))
  })

  it('settles twice without harm', async () => {
    const [job_id = ''] = someJobs(1)
    await given().send('tasks', { job_id })
    const stop = new AbortController()
    const deliveries = given().receive('tasks', stop.signal)[Symbol.asyncIterator]()
    const delivery = await nextOf(deliveries, job_id)
    await delivery.acknowledge()
    await delivery.acknowledge()
    await delivery.release()
    await given().send('tasks', { job_id })
    assert.deepEqual(await receiveAll(given(), 'tasks', [job_id]), [job_id])
    stop.abort()
  })

  it('ends without an error when aborted before, while waiting, and between deliveries', async () => {
    const before = AbortSignal.abort()
    assert.deepEqual(await collect(given(), 'tasks-long', { until: () => false, signal: before }), [])
    const waiting = new AbortController()
    const receiving = collect(given(), 'tasks-long', { until: () => false, signal: waiting.signal })
    await pause(20)
    waiting.abort()
    assert.deepEqual(await receiving, [])
    const between = new AbortController()
    const sent = someJobs(2)
    for (const job_id of sent) await given().send('tasks-long', { job_id })
    for await (const delivery of given().receive('tasks-long', between.signal)) {
      between.abort()
      await delivery.release()
    }
    assert.deepEqual(await receiveAll(given(), 'tasks-long', sent), sent.toSorted())
  })

  it('keeps nothing back when aborted at any moment', async () => {
    const sent = someJobs(30)
    for (const job_id of sent) await given().send('tasks', { job_id })
    const acknowledged: string[] = []
    for (let turns = 0; turns < 15; turns++) {
      const stop = new AbortController()
      const until = () => false
      const receiving = collect(given(), 'tasks', { until, signal: stop.signal, limit: 1 })
      for (let turn = 0; turn < turns; turn++) await pause(0)
      stop.abort()
      acknowledged.push(...(await receiving))
    }
    const rest = sent.filter((job_id) => !acknowledged.includes(job_id))
    assert.deepEqual(await receiveAll(given(), 'tasks', rest), rest.toSorted())
  })

  it('carries a job’s name as it is', async () => {
    for (const job_id of ['a\u0000b', `'";--`, '\u{1F600}', 'x'.repeat(500)].map(
      (name) => name + systemChance.uuid(),
    )) {
      await given().send('tasks', { job_id })
      assert.deepEqual(await receiveAll(given(), 'tasks', [job_id]), [job_id])
    }
  })
}

function describeRedelivery(given: Given): void {
  it('delivers again what nobody settled, to a receiver that waits', async () => {
    const [job_id = ''] = someJobs(1)
    const crashed = new AbortController()
    await given().send('tasks', { job_id })
    await nextOf(given().receive('tasks', crashed.signal)[Symbol.asyncIterator](), job_id)
    crashed.abort()
    assert.deepEqual(await receiveAll(given(), 'tasks', [job_id]), [job_id])
  })

  it('delivers again to the same receiver', async () => {
    const [job_id = ''] = someJobs(1)
    const stop = new AbortController()
    const deliveries = given().receive('tasks-long', stop.signal)[Symbol.asyncIterator]()
    const waiting = nextOf(deliveries, job_id)
    await given().send('tasks-long', { job_id })
    await waiting
    const again = await nextOf(deliveries, job_id)
    await again.acknowledge()
    stop.abort()
  })

  it('leaves a redelivered wake-up to its new holder', async () => {
    const [job_id = ''] = someJobs(1)
    const stop = new AbortController()
    const deliveries = given().receive('tasks', stop.signal)[Symbol.asyncIterator]()
    await given().send('tasks', { job_id })
    const late = await nextOf(deliveries, job_id)
    await nextOf(deliveries, job_id)
    await late.release()
    const third = await nextOf(deliveries, job_id)
    await third.acknowledge()
    stop.abort()
  })
}
