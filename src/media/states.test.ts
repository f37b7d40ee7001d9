import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { statuses } from './record.ts'
import { advance, finalStatuses, legalFrom, type Move } from './states.ts'

const moves = ['uploaded', 'claimed', 'processed', 'failed', 'retried', 'deleted'] as const satisfies Move[]

describe('states', () => {
  test('the table is exactly the contract’s', () => {
    const legal = statuses.flatMap((from) =>
      moves.filter((move) => legalFrom(move).includes(from)).map((move) => `${from} → ${advance(from, move).status}`),
    )
    assert.deepEqual(legal, [
      'uploading → uploaded',
      'uploading → deleted',
      'uploaded → processing',
      'uploaded → deleted',
      'processing → processing',
      'processing → processed',
      'processing → failed',
      'processing → deleted',
      'processed → deleted',
      'failed → uploaded',
      'failed → deleted',
    ])
  })

  test('what is not in the table is refused with wrong_state', () => {
    fc.assert(
      fc.property(fc.constantFrom(...statuses), fc.constantFrom(...moves), (status, move) => {
        if (legalFrom(move).includes(status)) return
        assert.throws(() => advance(status, move), { code: 'wrong_state' })
      }),
    )
  })

  test('nothing leaves deleted', () => {
    for (const move of moves) assert.ok(!legalFrom(move).includes('deleted'))
    assert.deepEqual(finalStatuses, ['processed', 'failed', 'deleted'])
  })
})
