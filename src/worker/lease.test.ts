import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openVirtualClock, seededRandom } from '../../simulation/clock.ts'
import { newJob } from '../media/jobs.ts'
import { silentLog } from '../media/log.ts'
import { keepLease } from './lease.ts'

const leaseMs = 30_000

function openBench(renew: () => Promise<boolean>) {
  const clock = openVirtualClock(1_000_000, seededRandom(3))
  const now = clock.now()
  const job = {
    ...newJob({ media_id: 'm1', user_id: 'ada', kind: 'process', lane: 'tasks', now }),
    lease_until: now + leaseMs,
  }
  let renewed = 0
  const lease = keepLease(job, {
    metadata: { renew },
    clock,
    leaseMs,
    log: silentLog,
    onRenewed: () => {
      renewed++
    },
  })
  return { clock, lease, renewed: () => renewed, after: (ms: number) => clock.run({ until: now + ms }) }
}

describe('lease', () => {
  test('is renewed at a third of its length', async () => {
    const { lease, renewed, after } = openBench(async () => true)
    await after(35_000)
    assert.equal(lease.signal.aborted, false)
    assert.equal(renewed(), 3)
    void lease.stop()
  })

  test('is lost at once when the job has passed to another', async () => {
    const { lease, after } = openBench(async () => false)
    await after(11_500)
    assert.equal(lease.signal.reason?.code, 'lease_lost')
  })

  test('is lost when it runs out while a heartbeat has no answer', async () => {
    const { lease, renewed, after } = openBench(() => new Promise<boolean>(() => {}))
    await after(29_000)
    assert.equal(lease.signal.aborted, false)
    await after(30_500)
    assert.equal(lease.signal.reason?.code, 'lease_lost')
    assert.equal(renewed(), 0)
  })
})
