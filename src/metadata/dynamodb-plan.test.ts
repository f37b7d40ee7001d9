import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { newJob } from '../media/jobs.ts'
import type { EventDraft } from '../media/record.ts'
import { code, numbers, someRecord, someTime } from './conformance-kit.ts'
import { jobKey, type Known, shardOf, shards } from './dynamodb-items.ts'
import { planCommit } from './dynamodb-plan.ts'
import type { Commit } from './port.ts'

describe('metadata: dynamodb, what a commit writes', () => {
  const record = someRecord({ status: 'deleted' })
  const { media_id, user_id } = record
  const known: Known = { record, rev: 4, event_seq: 7, recent: ['a'], expires_at: undefined }
  const at = { now: 1_700_000_000_500, id: 'mine' }
  const event: EventDraft = { type: 'media.updated', at: someTime(1) }
  const job = newJob({ media_id, user_id, kind: 'tidy', lane: 'tasks', now: 1 })
  const kinds = (change: Partial<Commit>) =>
    planCommit({ media_id, expect: {}, ...change }, known, at).writes.map((write) => Object.keys(write)[0])

  it('writes nothing for a question, and only looks at a record whose jobs change', () => {
    assert.deepEqual(kinds({}), [])
    assert.deepEqual(kinds({ jobs: [{ create: job }] }), ['ConditionCheck', 'Put'])
    assert.deepEqual(kinds({ patch: {}, events: [event, event] }), ['Update', 'Put', 'Put'])
  })

  it('stands on the record as it was read, and leaves its mark', () => {
    const { writes, committed, callers } = planCommit({ media_id, expect: {}, patch: { etag: 'e' } }, known, at)
    const [write] = writes as { Update: any }[]
    assert.equal(write?.Update.ConditionExpression, 'rev = :before')
    assert.equal(write?.Update.ExpressionAttributeValues[':before'], 4)
    assert.deepEqual(write?.Update.ExpressionAttributeValues[':recent'], ['a', 'mine'])
    assert.deepEqual([committed.record.version, committed.record.etag, callers], [2, 'e', []])
  })

  it('remembers sixteen commits, and no more', () => {
    const recent = numbers(1, 16).map(String)
    const { writes } = planCommit({ media_id, expect: {}, patch: {} }, { ...known, recent }, at)
    const [write] = writes as { Update: any }[]
    assert.deepEqual(write?.Update.ExpressionAttributeValues[':recent'], [...recent.slice(1), 'mine'])
  })

  it('lets all of a media go 30 days after it was purged, but of a deleted one only', () => {
    const events: EventDraft[] = [{ type: 'media.purged', at: someTime(1) }]
    const end = 1_700_000_000 + 30 * 86_400
    assert.equal(planCommit({ media_id, expect: {}, events }, known, at).retires, end)
    const alive = { ...known, record: { ...record, status: 'processed' as const } }
    assert.equal(planCommit({ media_id, expect: {}, events }, alive, at).retires, null)
  })

  it('refuses more writes than a transaction takes', () => {
    const events = numbers(1, 100).map(() => event)
    assert.throws(() => planCommit({ media_id, expect: {}, events }, known, at), code('internal'))
  })

  it('spreads media over the shards, each always on its own', () => {
    assert.equal(shardOf('a'), 4)
    const found = numbers(1, 800).map((index) => shardOf(`media ${index}`))
    for (const shard of numbers(0, shards - 1)) assert.ok(found.filter((one) => one === shard).length > 50)
  })

  it('finds a job by its id, and nothing by another', () => {
    assert.deepEqual(jobKey('m.tidy.3'), { PK: 'M#m', SK: 'J#tidy.3' })
    assert.deepEqual(jobKey('nothing'), { PK: 'M#', SK: 'J#nothing' })
  })
})
