import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openVirtualClock, seededRandom } from '../../simulation/clock.ts'
import { openInlineStore } from '../embedded/store.ts'
import { silentLog } from '../media/log.ts'
import { openEmbeddedMetadata } from '../metadata/embedded.ts'
import { openSharedTurns } from './shared-turns.ts'
import type { Turns } from './turns.ts'

/** Processes on one metadata; each call of `newProcess` is one. */
function openBench() {
  const clock = openVirtualClock(1_000_000, seededRandom(3))
  const begun = clock.now()
  const metadata = openEmbeddedMetadata(openInlineStore())
  const newProcess = (change: Partial<typeof metadata> = {}) =>
    openSharedTurns({ metadata: { ...metadata, ...change }, clock, log: silentLog })
  const at = (ms: number) => clock.run({ until: begun + ms })
  return { clock, metadata, newProcess, at, since: () => clock.now() - begun }
}

/** Takes and notes how it went. */
function taking(turns: Turns) {
  const state: { turn?: Awaited<ReturnType<Turns['take']>>; code?: string } = {}
  turns.take('a').then(
    (turn) => {
      state.turn = turn
    },
    (error) => {
      state.code = error.code
    },
  )
  return state
}

function statusOf({ turn, code }: ReturnType<typeof taking>): string {
  return code ?? (turn ? (turn.wanted.aborted ? turn.wanted.reason.code : 'works') : 'waits')
}

describe('turns of several processes', () => {
  test('who comes makes the holder in another process leave, and works when he has left', async () => {
    const { newProcess, at } = openBench()
    const first = taking(newProcess())
    await at(1_000)
    assert.equal(statusOf(first), 'works')
    const second = taking(newProcess())
    await at(3_000)
    assert.equal(statusOf(first), 'conflict')
    assert.equal(statusOf(second), 'waits', 'two at a time')
    void first.turn?.end()
    await at(4_000)
    assert.equal(statusOf(second), 'works')
  })

  test('an undisturbed holder keeps the turn, however long', async () => {
    const { newProcess, at } = openBench()
    const first = taking(newProcess())
    await at(120_000)
    assert.equal(statusOf(first), 'works')
    void first.turn?.end()
    await at(121_000)
    const next = taking(newProcess())
    await at(121_500)
    assert.ok(next.turn)
  })

  test('a holder whose process died is waited for no longer than his lease', async () => {
    const { clock, metadata, newProcess, at } = openBench()
    await metadata.takeCursor('upload.a', { now: clock.now(), lease_until: clock.now() + 8_000 })
    const next = taking(newProcess())
    await at(7_500)
    assert.equal(statusOf(next), 'waits')
    await at(8_500)
    assert.equal(statusOf(next), 'works')
  })

  test('nobody works beside one who does not leave', async () => {
    const { newProcess, at } = openBench()
    const stuck = taking(newProcess())
    await at(100)
    const next = taking(newProcess())
    await at(20_000)
    assert.equal(stuck.turn?.wanted.aborted, true)
    assert.equal(statusOf(next), 'unavailable')
  })

  test('of those who wait, the last one wins', async () => {
    const { newProcess, at } = openBench()
    const first = taking(newProcess())
    await at(100)
    const second = taking(newProcess())
    await at(200)
    const third = taking(newProcess())
    await at(2_500)
    void first.turn?.end()
    await at(3_500)
    assert.equal(statusOf(second), 'conflict')
    assert.equal(statusOf(third), 'works')
  })

  test('who cannot renew leaves before his lease is over', async () => {
    const { newProcess, at } = openBench()
    let dead = false
    const first = taking(newProcess({ moveCursor: () => (dead ? new Promise(() => {}) : Promise.resolve(true)) }))
    await at(1_000)
    dead = true
    await at(9_600)
    assert.equal(statusOf(first), 'unavailable')
  })

  test('within a process they take turns without asking the metadata twice', async () => {
    const { newProcess, at } = openBench()
    const turns = newProcess()
    const first = taking(turns)
    await at(100)
    const second = taking(turns)
    await at(200)
    assert.equal(statusOf(first), 'conflict')
    void first.turn?.end()
    await at(600)
    assert.equal(statusOf(second), 'works')
  })
})
