import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openFlights } from './flights.ts'
import { openSlots } from './slots.ts'

const never = new AbortController().signal
const turn = async () => await new Promise((resolve) => setImmediate(resolve))

describe('work that many wait for', () => {
  test('is done once, and again when it is asked for later', async () => {
    const flights = openFlights<number>()
    const { promise, resolve } = Promise.withResolvers<number>()
    let begun = 0
    const begin = async () => {
      begun++
      return await promise
    }
    const waiting = Array.from({ length: 50 }, () => flights.join('a', never, begin))
    resolve(7)
    assert.deepEqual(new Set(await Promise.all(waiting)), new Set([7]))
    assert.equal(begun, 1)
    await flights.join('a', never, begin)
    assert.equal(begun, 2)
  })

  test('goes on while one waits, and is aborted when the last has left', async () => {
    const flights = openFlights<number>()
    const [first, second] = [new AbortController(), new AbortController()]
    let signal: AbortSignal | undefined
    const begin = async (given: AbortSignal) => {
      signal = given
      return await new Promise<number>((_, reject) => given.addEventListener('abort', () => reject(given.reason)))
    }
    const one = flights.join('a', first.signal, begin)
    const two = flights.join('a', second.signal, begin)
    first.abort(new Error('gone'))
    await assert.rejects(one, /gone/)
    assert.equal(signal?.aborted, false)
    second.abort(new Error('gone too'))
    await assert.rejects(two, /gone too/)
    assert.equal(signal?.aborted, true)
    assert.equal(await flights.join('a', never, async () => 3), 3, 'who comes then begins anew')
  })

  test('fails for all, and is not remembered', async () => {
    const flights = openFlights<number>()
    const fail = async () => Promise.reject(new Error('broken'))
    const both = await Promise.allSettled([flights.join('a', never, fail), flights.join('a', never, fail)])
    assert.ok(both.every(({ status }) => status === 'rejected'))
    assert.equal(await flights.join('a', never, async () => 1), 1)
  })
})

describe('slots', () => {
  test('so many at once, so many wait, and the next is refused', async () => {
    const slots = openSlots({ atOnce: 2, waiting: 3 })
    const gates = Array.from({ length: 5 }, () => Promise.withResolvers<void>())
    const began: number[] = []
    const runs = gates.map(({ promise }, at) =>
      slots.run(async () => {
        began.push(at)
        await promise
      }, never),
    )
    await turn()
    assert.deepEqual(began, [0, 1])
    await assert.rejects(
      slots.run(async () => {}, never),
      { code: 'slow_down' },
    )
    gates[1]?.resolve()
    await turn()
    assert.deepEqual(began, [0, 1, 2])
    for (const { resolve } of gates) resolve()
    await Promise.all(runs)
    assert.deepEqual(began, [0, 1, 2, 3, 4], 'in the order they came')
  })

  test('who leaves the queue gives its place to others, and a failure frees its slot', async () => {
    const slots = openSlots({ atOnce: 1, waiting: 1 })
    const { promise, resolve } = Promise.withResolvers<void>()
    const running = slots.run(async () => await promise, never)
    const patience = new AbortController()
    const waiting = slots.run(async () => {}, patience.signal)
    patience.abort(new Error('gone'))
    await assert.rejects(waiting, /gone/)
    const failing = slots.run(async () => Promise.reject(new Error('broken')), never)
    resolve()
    await running
    await assert.rejects(failing, /broken/)
    assert.equal(await slots.run(async () => 5, never), 5)
  })
})
