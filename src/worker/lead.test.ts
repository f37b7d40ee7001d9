import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openVirtualClock, seededRandom } from '../../simulation/clock.ts'
import { openInlineStore } from '../embedded/store.ts'
import { openEmbeddedMetadata } from '../metadata/embedded.ts'
import { openLead } from './lead.ts'

function openBench() {
  const clock = openVirtualClock(1_000_000, seededRandom(3))
  const metadata = openEmbeddedMetadata(openInlineStore())
  return { clock, newLead: () => openLead('sweeper', { metadata, clock }) }
}

describe('lead', () => {
  test('one of many has it, and keeps it as long as it asks', async () => {
    const { clock, newLead } = openBench()
    const [first, second] = [newLead(), newLead()]
    for (let seconds = 0; seconds < 60; seconds++) {
      assert.deepEqual([await first.isOurs(), await second.isOurs()], [true, false])
      clock.leap(1_000)
    }
  })

  test('passes on when its holder is heard of no more, and the one before learns it', async () => {
    const { clock, newLead } = openBench()
    const [first, second] = [newLead(), newLead()]
    assert.equal(await first.isOurs(), true)
    clock.leap(14_000)
    assert.equal(await second.isOurs(), false)
    clock.leap(6_000)
    assert.equal(await second.isOurs(), true)
    assert.equal(await first.isOurs(), false)
  })

  test('passes on at once when it is given back', async () => {
    const { newLead } = openBench()
    const first = newLead()
    assert.equal(await first.isOurs(), true)
    await first.end()
    assert.equal(await newLead().isOurs(), true)
  })
})
