import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { ReceiveMessageCommand, SendMessageCommand, SetQueueAttributesCommand } from '@aws-sdk/client-sqs'
import { systemChance, systemClock } from '../../src/media/clock.ts'
import { silentLog } from '../../src/media/log.ts'
import { parseSettings } from '../../src/media/setting.ts'
import { describeQueue } from '../../src/queue/conformance.ts'
import { collect, eventually, nextOf, receiveAll, someJobs } from '../../src/queue/conformance-kit.ts'
import { setUpQueue } from '../../src/queue/set-up.ts'
import { queueSettings } from '../../src/queue/settings.ts'
import { openSqsQueue } from '../../src/queue/sqs.ts'
import { sqsAddressOf } from '../../src/queue/sqs-address.ts'
import { makeSqsClient } from '../../src/queue/sqs-client.ts'
import { type Engine, engineFor } from '../engine.ts'
import { startSqs } from '../sqs.ts'

let engine: Engine

before(async () => {
  engine = await engineFor('sqs', startSqs)
  Object.assign(process.env, engine.env)
})
after(async () => await engine?.stop())

/** Queues of its own: a server may still hand messages to a poll whose asker has gone. */
async function open(visibility?: number) {
  const env = Object.entries(engine.env).map(([name, value]) => [
    name,
    /URL$/.test(name) ? `${value}-${some()}` : value,
  ])
  const settings = parseSettings(queueSettings, Object.fromEntries(env))
  const made = await setUpQueue(settings)
  assert.equal(made.filter((line) => line.endsWith(' made')).length, 3, made.join('\n'))
  const address = sqsAddressOf(settings)
  const given = { clock: systemClock, log: silentLog, ...(visibility === undefined ? {} : { visibility }) }
  const queue = openSqsQueue(address, given)
  const client = makeSqsClient(address)
  const close = async () => {
    await queue.close()
    client.destroy()
  }
  return { queue, settings, address, client, close }
}

const some = () => systemChance.uuid().slice(0, 8)

describeQueue('sqs', async (visibility) => await open(visibility === 'short' ? 1 : undefined))

describe('queue: sqs, beyond the port', () => {
  it('is set up a second time without a change, and what somebody changed is set back', async () => {
    const { settings, address, client, close } = await open()
    const again = await setUpQueue(settings)
    assert.equal(again.filter((line) => line.includes('is as it should be')).length, 3, again.join('\n'))
    const Attributes = { VisibilityTimeout: '7' }
    await client.send(new SetQueueAttributesCommand({ QueueUrl: address.urls.tasks, Attributes }))
    const repaired = await setUpQueue(settings)
    assert.ok(
      repaired.some((line) => line.endsWith(' set: VisibilityTimeout')),
      repaired.join('\n'),
    )
    await close()
  })

  it('says how to make queues that are not there', async () => {
    const { address, close } = await open()
    const { urls, ...rest } = address
    const nowhere = { ...rest, urls: { ...urls, tasks: `${urls.tasks}-nowhere` } }
    const queue = openSqsQueue(nowhere, { clock: systemClock, log: silentLog })
    await assert.rejects(queue.send('tasks', { job_id: 'a' }), { code: 'unavailable', message: /npm start -- setup/ })
    await assert.rejects(queue.ping(), { code: 'unavailable' })
    await assert.rejects(collect(queue, 'tasks', { until: () => true, signal: new AbortController().signal }))
    await queue.close()
    await close()
  })

  it('holds a delivery longer than its visibility, while it is being dealt with', async () => {
    const { queue, close } = await open(1)
    const [job_id = ''] = someJobs(1)
    const stop = new AbortController()
    await queue.send('tasks', { job_id })
    const held = await nextOf(queue.receive('tasks', stop.signal)[Symbol.asyncIterator](), job_id)
    const other = new AbortController()
    const stranger = collect(queue, 'tasks', { until: () => false, signal: other.signal })
    await pause(3_000)
    await held.acknowledge()
    other.abort()
    assert.deepEqual(await stranger, [])
    stop.abort()
    await close()
  })

  it('puts what is no wake-up among the dead letters, and goes on', async () => {
    const { queue, address, client, close } = await open()
    for (const MessageBody of ['{', 'null', '{"job_id":7}']) {
      await client.send(new SendMessageCommand({ QueueUrl: address.urls.tasks, MessageBody }))
    }
    const [job_id = ''] = someJobs(1)
    await queue.send('tasks', { job_id })
    assert.deepEqual(await receiveAll(queue, 'tasks', [job_id]), [job_id])
    const buried = new Set<string>()
    await eventually(async () => {
      const request = {
        QueueUrl: address.deadUrl,
        MaxNumberOfMessages: 10,
        WaitTimeSeconds: 1,
        MessageAttributeNames: ['All'],
      }
      const { Messages = [] } = await client.send(new ReceiveMessageCommand(request))
      for (const { Body = '', MessageAttributes } of Messages) {
        assert.match(MessageAttributes?.Reason?.StringValue ?? '', /not a wake-up/)
        buried.add(Body)
      }
      assert.deepEqual([...buried].toSorted(), ['{', 'null', '{"job_id":7}'].toSorted())
    })
    await close()
  })

  it('puts a job that nobody tries again among the dead letters, with the reason', async () => {
    const { queue, address, client, close } = await open()
    await queue.deadLetters.bury({ job_id: 'a.process' }, 'gave_up after 3 attempts')
    await eventually(async () => {
      const waits = { WaitTimeSeconds: 1, MessageAttributeNames: ['All'] }
      const { Messages = [] } = await client.send(new ReceiveMessageCommand({ QueueUrl: address.deadUrl, ...waits }))
      const [{ Body, MessageAttributes } = {}] = Messages
      assert.equal(Body, '{"job_id":"a.process"}')
      assert.equal(MessageAttributes?.Reason?.StringValue, 'gave_up after 3 attempts')
    })
    await close()
  })

  it('says within its limit that nobody answers', async () => {
    const { address, close } = await open()
    const queue = openSqsQueue({ ...address, endpoint: 'http://127.0.0.1:9' }, { clock: systemClock, log: silentLog })
    const began = performance.now()
    await assert.rejects(queue.send('tasks', { job_id: 'a' }), { code: 'unavailable' })
    await assert.rejects(queue.ping(), { code: 'unavailable' })
    assert.ok(performance.now() - began < 20_000)
    await queue.close()
    await close()
  })

  it('ends at once while it waits for a long poll', async () => {
    const { queue, close } = await open()
    const receiving = collect(queue, 'tasks-long', { until: () => false, signal: new AbortController().signal })
    await pause(300)
    const began = performance.now()
    await close()
    assert.deepEqual(await receiving, [])
    assert.ok(performance.now() - began < 500)
  })
})
