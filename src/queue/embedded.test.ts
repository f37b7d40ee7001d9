import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openInlineStore } from '../embedded/store.ts'
import { openTemporaryStore } from '../embedded/testing.ts'
import { systemClock } from '../media/clock.ts'
import { describeQueue } from './conformance.ts'
import { openEmbeddedQueue } from './embedded.ts'

describeQueue('embedded', async (visibility) => {
  const { store, close } = await openTemporaryStore()
  const options = { clock: systemClock, ...(visibility === 'short' ? { visibility: 150 } : {}) }
  return { queue: openEmbeddedQueue(store, options), close }
})

describe('queue: embedded, beyond the port', () => {
  it('keeps one row for a job that waits already, also after a release', async () => {
    const store = openInlineStore()
    const queue = openEmbeddedQueue(store, { clock: systemClock })
    for (let times = 0; times < 3; times++) await queue.send('tasks', { job_id: 'a' })
    assert.equal((await queue.depth()).tasks, 1)
    for await (const delivery of queue.receive('tasks', new AbortController().signal)) {
      await queue.send('tasks', { job_id: 'a' })
      assert.equal((await queue.depth()).tasks, 2)
      await delivery.release()
      break
    }
    assert.equal((await queue.depth()).tasks, 1)
    await store.close()
  })

  it('sleeps while nothing comes, and looks again no sooner than a visibility', async () => {
    const store = openInlineStore()
    const slept: number[] = []
    const stop = new AbortController()
    let now = 1_000
    const clock = {
      now: () => now,
      sleep: async (ms: number, signal?: AbortSignal) => {
        slept.push(ms)
        now += ms
        if (slept.length === 3) stop.abort()
        signal?.throwIfAborted()
      },
    }
    const queue = openEmbeddedQueue(store, { clock, visibility: 30_000 })
    for await (const _ of queue.receive('tasks', stop.signal)) assert.fail('nothing was sent')
    assert.deepEqual(slept, [30_000, 30_000, 30_000])
    await store.close()
  })

  it('refuses to send when closed', async () => {
    const store = openInlineStore()
    const queue = openEmbeddedQueue(store, { clock: systemClock })
    await queue.close()
    await assert.rejects(queue.send('tasks', { job_id: 'a' }), { code: 'unavailable' })
    await store.close()
  })
})
