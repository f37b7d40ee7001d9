import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseSettings } from '../media/setting.ts'
import { openQueue } from './open.ts'
import { queueSettings } from './settings.ts'
import { sqsAddressOf } from './sqs-address.ts'
import { regionIn } from './sqs-client.ts'
import { openPoller } from './sqs-poll.ts'
import { readWakeUp, writeWakeUp } from './wake-up.ts'

/** Polls that a test answers by hand. */
function openBench() {
  const asked: { count: number; answer: (messages: string[]) => void; fail: (error: Error) => void }[] = []
  const back: string[] = []
  const poller = openPoller<string>({
    poll: (count) => new Promise((answer, fail) => asked.push({ count, answer, fail })),
    giveBack: async (message) => void back.push(message),
  })
  return { poller, asked, back }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('queue: sqs, without a server', () => {
  it('polls once for all who wait, and for no more than they are', async () => {
    const { poller, asked, back } = openBench()
    const { signal } = new AbortController()
    const waiting = Array.from({ length: 13 }, () => poller.next(signal))
    assert.deepEqual(
      asked.map(({ count }) => count),
      [1],
    )
    asked[0]?.answer(['a'])
    await turn()
    asked[1]?.answer(['b', 'c'])
    await turn()
    assert.deepEqual(
      asked.map(({ count }) => count),
      [1, 10, 10],
    )
    asked[2]?.answer([...'defghijklm'])
    assert.deepEqual(await Promise.all(waiting), [...'abcdefghijklm'])
    assert.deepEqual(back, [])
    assert.equal(asked.length, 3)
  })

  it('gives what comes too late to who waits by then, or back', async () => {
    const { poller, asked, back } = openBench()
    const gone = new AbortController()
    const first = poller.next(gone.signal)
    gone.abort()
    assert.equal(await first, null)
    const second = poller.next(new AbortController().signal)
    asked[0]?.answer(['a', 'b'])
    assert.equal(await second, 'a')
    await turn()
    assert.deepEqual(back, ['b'])
    assert.equal(asked.length, 1)
  })

  it('tells all who wait that a poll failed, and polls anew for the next', async () => {
    const { poller, asked } = openBench()
    const { signal } = new AbortController()
    const waiting = [poller.next(signal), poller.next(signal)]
    asked[0]?.fail(new Error('away'))
    for (const one of waiting) await assert.rejects(one, { message: 'away' })
    const next = poller.next(signal)
    asked[1]?.answer(['a'])
    assert.equal(await next, 'a')
  })

  it('names the settings that are missing, and queues that are one', async () => {
    const given = { store: () => assert.fail('opened') } as never
    const only = parseSettings(queueSettings, { QUEUE_DRIVER: 'sqs', QUEUE_SQS_URL: 'https://sqs.example/1/a' })
    await assert.rejects(openQueue(only, given), /set QUEUE_SQS_LONG_URL, QUEUE_SQS_DEAD_URL\./)
    const one = 'https://sqs.example/1/a'
    assert.throws(() => sqsAddressOf({ ...only, sqsLongUrl: one, sqsDeadUrl: `${one}-dead` }), /name one queue twice/)
    assert.throws(() => parseSettings(queueSettings, { QUEUE_SQS_URL: 'media-tasks' }), /QUEUE_SQS_URL takes/)
  })

  it('finds the region in an address of Amazon’s', () => {
    assert.equal(regionIn('https://sqs.eu-central-1.amazonaws.com/123456789012/a'), 'eu-central-1')
    assert.equal(regionIn('http://127.0.0.1:9324/000000000000/a'), undefined)
  })

  it('takes for a wake-up only what names a job', () => {
    assert.deepEqual(readWakeUp(writeWakeUp({ job_id: 'a\u0000b' })), { job_id: 'a\u0000b' })
    assert.deepEqual(readWakeUp('{"job_id":"a","later":1}'), { job_id: 'a' })
    for (const text of ['', '{', 'null', '7', '[]', '{}', '{"job_id":""}', '{"job_id":7}'])
      assert.equal(readWakeUp(text), null)
  })
})
