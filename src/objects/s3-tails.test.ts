import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { longestChain, partOfChain, type Segment, segmentOf, tailPrefix } from './s3-tails.ts'

const segment = (from: number, to: number): Segment => ({ key: `${from}-${to}`, from, to, etag: `e${from}-${to}` })
const ways = (...pairs: [number, number][]) => pairs.map(([from, to]) => segment(from, to))
const keysOf = (chain: readonly Segment[]) => chain.map(({ key }) => key)

describe('tails of appended uploads', () => {
  test('the way that comes farthest is taken, in few steps', () => {
    assert.deepEqual(keysOf(longestChain([], 0)), [])
    assert.deepEqual(keysOf(longestChain(ways([0, 10], [10, 30], [30, 31]), 0)), ['0-10', '10-30', '30-31'])
    // One made of all before it, and one who lags behind.
    assert.deepEqual(keysOf(longestChain(ways([0, 10], [10, 30], [0, 30], [10, 12], [30, 40]), 0)), ['0-30', '30-40'])
    assert.deepEqual(keysOf(longestChain(ways([0, 10], [10, 20], [0, 15]), 0)), ['0-10', '10-20'])
  })

  test('what begins elsewhere is none', () => {
    assert.deepEqual(keysOf(longestChain(ways([0, 10], [11, 30]), 0)), ['0-10'])
    assert.deepEqual(keysOf(longestChain(ways([0, 10], [5, 30]), 5)), ['5-30'])
    assert.deepEqual(keysOf(longestChain(ways([0, 10]), 5)), [])
    assert.deepEqual(keysOf(longestChain(ways([5, 5], [5, 4]), 5)), [])
  })

  test('a chain has no gap and nothing reaches farther, whatever segments there are', () => {
    const one = fc.record({ from: fc.nat(12), size: fc.nat(6) })
    fc.assert(
      fc.property(fc.array(one, { maxLength: 12 }), (given) => {
        const segments = given.map(({ from, size }) => segment(from, from + size))
        const chain = longestChain(segments, 0)
        let at = 0
        for (const { from, to } of chain) {
          assert.equal(from, at)
          at = to
        }
        const reached = new Set([0])
        for (let turn = 0; turn < segments.length; turn++) {
          for (const { from, to } of segments) if (reached.has(from)) reached.add(to)
        }
        assert.equal(at, Math.max(...reached))
      }),
    )
  })

  test('as a part, a chain has an ETag of its own', () => {
    const [one = segment(0, 0), two = segment(0, 0)] = ways([16, 20], [20, 23])
    assert.equal(partOfChain([], 1), null)
    assert.deepEqual(partOfChain([one], 3), { part_number: 3, size: 4, etag: 'e16-20' })
    const part = partOfChain([one, two], 3)
    assert.equal(part?.size, 7)
    assert.match(part?.etag ?? '', /^[0-9a-f]{32}$/)
  })

  test('names are of one upload and lie where no key of ours does', () => {
    const upload = { ref: { bucket: 'b', key: 'k' }, upload_id: '0.x' }
    const { key } = segmentOf(upload, 5, 12)
    assert.match(key, /^\.tails\/[0-9a-f]{40}\/00000000000005-00000000000012$/)
    const others = [
      { ...upload, upload_id: '0.y' },
      { ...upload, ref: { bucket: 'b', key: 'l' } },
    ]
    for (const other of others) assert.notEqual(tailPrefix(other), tailPrefix(upload))
  })
})
