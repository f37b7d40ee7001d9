import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { openGate, openTurns } from './dynamodb-gate.ts'

test('metadata: dynamodb, a gate lets so many in at once, and the next when one is out, however it ends', async () => {
  const gate = openGate(2)
  let inside = 0
  let most = 0
  const runs = Array.from({ length: 9 }, (_, index) =>
    gate(async () => {
      inside += 1
      most = Math.max(most, inside)
      await turn()
      inside -= 1
      if (index % 3 === 0) throw new Error(`${index}`)
      return index
    }),
  )
  const ends = (await Promise.allSettled(runs)).map(({ status }) => status === 'fulfilled')
  assert.deepEqual(
    ends,
    Array.from({ length: 9 }, (_, index) => index % 3 !== 0),
  )
  assert.equal(most, 2)
})

test('metadata: dynamodb, a full gate refuses who comes, and takes the next when there is room', async () => {
  const gate = openGate(1, 1)
  const slow = Promise.withResolvers<string>()
  const runs = [gate(() => slow.promise), gate(async () => 'waited')]
  await assert.rejects(
    gate(async () => 'refused'),
    { code: 'unavailable' },
  )
  slow.resolve('ran')
  assert.deepEqual(await Promise.all(runs), ['ran', 'waited'])
  assert.equal(await gate(async () => 'later'), 'later')
})

test('metadata: dynamodb, turns keep the order of a name, and no name waits for another', async () => {
  const inTurn = openTurns()
  const done: string[] = []
  const slow = Promise.withResolvers<void>()
  const first = inTurn('a', async () => {
    await slow.promise
    done.push('a1')
    throw new Error('a1')
  })
  const second = inTurn('a', async () => void done.push('a2'))
  await inTurn('b', async () => void done.push('b1'))
  slow.resolve()
  await assert.rejects(first, /a1/)
  await second
  assert.deepEqual(done, ['b1', 'a1', 'a2'])
})
