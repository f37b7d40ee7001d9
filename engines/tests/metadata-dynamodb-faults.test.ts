import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { CreateTableCommand } from '@aws-sdk/client-dynamodb'
import { type Clock, systemChance, systemClock } from '../../src/media/clock.ts'
import { newJob } from '../../src/media/jobs.ts'
import { type Log, silentLog } from '../../src/media/log.ts'
import type { EventDraft, MediaEvent } from '../../src/media/record.ts'
import { parseSettings } from '../../src/media/setting.ts'
import {
  code,
  createdWithJob,
  listIds,
  numbers,
  seqs,
  someRecord,
  someTime,
} from '../../src/metadata/conformance-kit.ts'
import { openDynamodbMetadata } from '../../src/metadata/dynamodb.ts'
import { openEventLog } from '../../src/metadata/dynamodb-log.ts'
import { setUpDynamodb, tableDefinition } from '../../src/metadata/dynamodb-set-up.ts'
import { openClient, openTable } from '../../src/metadata/dynamodb-table.ts'
import type { Metadata } from '../../src/metadata/port.ts'
import { metadataSettings } from '../../src/metadata/settings.ts'
import { startDynamodb } from '../dynamodb.ts'
import type { Engine } from '../engine.ts'
import { type Asked, type Fate, openProxy, type Proxy } from './dynamodb-proxy.ts'

/** What only this driver has to stand: answers that are lost, throttling, other processes, indexes that lag. */

const given = { clock: systemClock, chance: systemChance }
const update: EventDraft = { type: 'media.updated', at: someTime(1) }

describe('metadata: dynamodb, faults', () => {
  let engine: Engine
  let proxy: Proxy
  let metadata: Metadata
  const others: Metadata[] = []
  const table = `test-${systemChance.uuid()}`

  before(async () => {
    // Its own: what it does to indexes takes minutes where others write.
    engine = await startDynamodb()
    Object.assign(process.env, engine.env)
    await setUpDynamodb(settings(), given)
    proxy = await openProxy(engine.env.METADATA_DYNAMODB_ENDPOINT ?? '')
    metadata = openAnother()
  })
  afterEach(() => {
    proxy.decide = () => 'pass'
  })
  after(async () => {
    await Promise.all(others.map((other) => other.close()))
    await proxy.close()
    await engine.stop()
  })

  function settings(env: Record<string, string> = {}) {
    return parseSettings(metadataSettings, { ...engine.env, METADATA_DYNAMODB_TABLE: table, ...env })
  }

  /** The driver of another process. */
  function openAnother(clock: Clock = systemClock, log: Log = silentLog): Metadata {
    const other = openDynamodbMetadata(settings({ METADATA_DYNAMODB_ENDPOINT: proxy.endpoint }), {
      ...given,
      clock,
      log,
    })
    others.push(other)
    return other
  }

  /** The first `times` requests of an operation meet their fate; returns how many came of it. */
  function spoil(operation: string, fate: Fate, times: number, change: (asked: Asked) => void = () => {}) {
    const count = { asked: 0 }
    proxy.decide = (asked) => {
      if (asked.operation !== operation) return 'pass'
      change(asked)
      count.asked += 1
      return count.asked <= times ? fate : 'pass'
    }
    return count
  }

  /** So that only the driver's own marks tell that it has happened. */
  const withoutToken = ({ body }: Asked) => delete body.ClientRequestToken

  for (const [name, fate, change] of [
    ['an answer that is lost', 'lose answer', () => {}],
    ['an answer that is lost, of a server that knows no tokens', 'lose answer', withoutToken],
    ['a request that is lost', 'lose request', () => {}],
    ['throttling', 'throttle', () => {}],
    ['a failure of the server', 'fail', () => {}],
    ['a conflict of transactions', 'in conflict', () => {}],
  ] as const) {
    it(`commits once over ${name}`, async () => {
      const count = spoil('TransactWriteItems', fate, 2, change)
      const record = someRecord()
      const { media_id, user_id } = record
      const job = newJob({ media_id, user_id, kind: 'process', lane: 'tasks', now: 1 })
      const expect = { absent: true } as const
      await metadata.commit({ media_id, expect, create: record, jobs: [{ create: job }], events: [update] })
      assert.ok(count.asked >= 2, `${count.asked}`)

      spoil('TransactWriteItems', fate, 2, change)
      const patched = await metadata.commit({
        ...{ media_id, expect: {}, patch: { title: 'new' }, events: [update] },
        jobs: [{ job_id: job.job_id, expect: { states: ['queued'] }, patch: { attempts: 7 } }],
      })
      assert.deepEqual([patched.record.version, seqs(patched.events)], [2, [2]])

      spoil('TransactWriteItems', fate, 2, change)
      const claim = { state: 'running', token: 1, lease_until: 1_000 } as const
      const jobs = [{ job_id: job.job_id, expect: { states: ['queued'], token: 0 }, patch: claim }] as const
      await metadata.commit({ media_id, expect: {}, jobs })

      assert.deepEqual(await metadata.get(media_id), { ...record, title: 'new', version: 2 })
      assert.deepEqual(await metadata.getJob(job.job_id), { ...job, ...claim, attempts: 7 })
      assert.deepEqual(seqs(await metadata.timeline(media_id, 0, 10)), [1, 2])
      await assert.rejects(metadata.commit({ media_id, expect: {}, jobs }), code('conflict'))
    })
  }

  for (const fate of ['lose answer', 'throttle'] as const) {
    it(`renews, takes and moves once over: ${fate}`, async () => {
      const { job } = await createdWithJob(metadata, { state: 'running', token: 2, lease_until: 1_000 })
      spoil('UpdateItem', fate, 2)
      const beat = { lease_until: 2_000, sweep_at: 2_001, progress: 40 }
      assert.equal(await metadata.renew({ job_id: job.job_id, token: 2, ...beat }), true)
      assert.deepEqual(await metadata.getJob(job.job_id), { ...job, ...beat })
      const name = systemChance.uuid()
      spoil('UpdateItem', fate, 2)
      assert.deepEqual(await metadata.takeCursor(name, { now: 100, lease_until: 200 }), { token: 1, value: null })
      spoil('UpdateItem', fate, 2)
      assert.equal(await metadata.moveCursor(name, { token: 1, value: 'a', lease_until: 300 }), true)
      assert.equal(await metadata.takeCursor(name, { now: 100, lease_until: 200 }), null)
    })
  }

  it('reads on over lost answers, failures and throttling', async () => {
    const { media_id, record, job } = await createdWithJob(metadata)
    for (const fate of ['lose answer', 'fail', 'throttle'] as const) {
      for (const operation of ['GetItem', 'Query']) {
        spoil(operation, fate, 2)
        assert.deepEqual(await metadata.get(media_id), record)
        assert.deepEqual(await metadata.jobsOf(media_id), [job])
      }
    }
  })

  it('is unavailable, and says why, when it is throttled for ten seconds', async () => {
    let now = 0
    const hasty = { now: () => now, sleep: async (ms: number) => void (now += ms) }
    const told: object[] = []
    const log = { ...silentLog, warn: (fields: object) => void told.push(fields) }
    const other = openAnother(hasty, log)
    const record = someRecord()
    const { media_id } = record
    for (const fate of ['throttle', 'in conflict', 'lose request'] as const) {
      spoil('TransactWriteItems', fate, 10_000)
      const commit = other.commit({ media_id, expect: { absent: true }, create: record })
      await assert.rejects(commit, (error: Error) => code('unavailable')(error) && /10 s/.test(error.message))
    }
    assert.equal(told.length, 2)
    assert.ok(now >= 15_000 && now <= 30_000, `${now}`)
    assert.equal(await metadata.get(media_id), null)
  })

  it('lets 64 writers in four processes each append to one media', async () => {
    const drivers = [metadata, openAnother(), openAnother(), openAnother()]
    const { media_id } = await createdWithJob(metadata)
    const writers = numbers(0, 63).map(async (index) => {
      const change = { media_id, expect: {}, patch: { title: `${index}` }, events: [{ ...update, data: { index } }] }
      return await drivers[index % 4]?.commit(change)
    })
    const answers = await Promise.all(writers)
    const log = await metadata.timeline(media_id, 0, 100)
    assert.deepEqual(seqs(log), numbers(1, 64))
    assert.deepEqual(
      answers.flatMap((answer) => answer?.events ?? []).sort((a, b) => a.seq - b.seq),
      log,
    )
    assert.equal((await metadata.get(media_id))?.version, 65)
  })

  it('shows each of two readers every event once, each media in order, over an index that lags and answers that are lost', async () => {
    const readers = [openAnother(), openAnother()]
    const starts = await Promise.all(readers.map((reader) => endOfLog(reader)))
    proxy.decide = ({ operation, body }) => {
      if (body.IndexName === 'by-unlogged' && systemChance.random() < 0.5) return 'find nothing'
      const lost = operation === 'TransactWriteItems' && systemChance.random() < 0.05
      return lost ? 'lose answer' : 'pass'
    }
    let writing = true
    const writers = numbers(1, 200).map(async (index) => {
      const record = someRecord()
      const { media_id } = record
      await metadata.commit({ media_id, expect: { absent: true }, create: record, events: [update] })
      await metadata.commit({ media_id, expect: {}, events: [update, update] })
      if (index % 2 === 0) await metadata.commit({ media_id, expect: {}, patch: { title: 'x' }, events: [update] })
      return { media_id, count: index % 2 === 0 ? 4 : 3 }
    })
    const follow = async (reader: Metadata, start: string | null) => {
      const seen: MediaEvent[] = []
      let cursor = start
      // An index that lags shows nothing for a while: only so many empty pages after the last write are the end.
      for (let empty = 0; empty < 20; ) {
        const over = !writing
        const page: Awaited<ReturnType<Metadata['readLog']>> = await reader.readLog(cursor, 7)
        seen.push(...page.events)
        cursor = page.cursor
        empty = over && page.events.length === 0 ? empty + 1 : 0
      }
      return seen
    }
    const following = readers.map((reader, index) => follow(reader, starts[index] ?? null))
    // Readers end whatever becomes of the writers.
    const made = await Promise.all(writers).finally(() => {
      writing = false
    })
    const logs = await Promise.all(following)
    for (const seen of logs) {
      assert.equal(new Set(seen.map(({ event_id }) => event_id)).size, seen.length)
      for (const { media_id, count } of made) {
        assert.deepEqual(seqs(seen.filter((event) => event.media_id === media_id)), numbers(1, count))
      }
    }
    assert.deepEqual(logs[0], logs[1])
  })

  async function endOfLog(reader: Metadata): Promise<string | null> {
    for (let cursor: string | null = null; ; ) {
      const page: Awaited<ReturnType<Metadata['readLog']>> = await reader.readLog(cursor, 1_000)
      if (page.events.length === 0) return page.cursor
      cursor = page.cursor
    }
  }

  it('refuses a place in the log that is not there, and leaves no gap', async () => {
    const forged = Buffer.from(JSON.stringify([999_999, 1])).toString('base64url')
    await assert.rejects(metadata.readLog(forged, 1), code('invalid_cursor'))
    const end = await endOfLog(metadata)
    const { media_id } = await createdWithJob(metadata)
    await metadata.commit({ media_id, expect: {}, events: [update] })
    assert.deepEqual(
      (await metadata.readLog(end, 10)).events.map((event) => event.media_id),
      [media_id],
    )
  })

  it('reads on where one part of the log ends and the next begins', async () => {
    const own = settings({ METADATA_DYNAMODB_TABLE: `test-${systemChance.uuid()}` })
    await setUpDynamodb(own, given)
    const writer = openDynamodbMetadata(own, given)
    const parts = openTable(own, given)
    const log = openEventLog(parts, { ...given, now: systemClock.now, batchesPerChunk: 2 })
    const { media_id } = await createdWithJob(writer)
    let cursor: string | null = null
    for (const seq of numbers(1, 7)) {
      await writer.commit({ media_id, expect: {}, events: [update] })
      const page = await log.read(cursor, 10)
      assert.deepEqual(seqs(page.events), [seq])
      assert.deepEqual(await log.read(page.cursor, 10), { events: [], cursor: page.cursor })
      assert.equal(await log.end(), page.cursor)
      cursor = page.cursor
    }
    assert.deepEqual(seqs((await log.read(null, 100)).events), numbers(1, 7))
    parts.close()
    await writer.close()
  })

  it('forgets a purged media after 30 days, and all of it at once', async () => {
    const later = openAnother({ ...systemClock, now: () => Date.now() + 31 * 86_400_000 })
    const { media_id, record, job } = await createdWithJob(metadata)
    const { user_id } = record
    await metadata.commit({ media_id, expect: {}, events: [update] })
    const kept = await createdWithJob(metadata)
    const purge = newJob({ media_id, user_id, kind: 'purge', lane: 'tasks', now: 2 })
    await metadata.commit({ media_id, expect: {}, patch: { status: 'deleted' }, jobs: [{ create: purge }] })
    const end = await endOfLog(metadata)
    const tidy = newJob({ media_id, user_id, kind: 'tidy', lane: 'tasks', now: 3 })
    const done = { job_id: purge.job_id, expect: { states: ['queued'] }, patch: { state: 'done' } } as const
    const purged = { type: 'media.purged', at: someTime(2) } as const
    await metadata.commit({ media_id, expect: {}, events: [purged], jobs: [done, { create: tidy }] })
    const ended = { job_id: tidy.job_id, expect: { states: ['queued'] }, patch: { state: 'done' } } as const
    await metadata.commit({ media_id, expect: {}, jobs: [ended] })
    await metadata.commit({ media_id, expect: {}, patch: { etag: null }, events: [update] })

    assert.equal((await metadata.get(media_id))?.status, 'deleted')
    assert.equal((await metadata.jobsOf(media_id)).length, 3)
    assert.deepEqual(seqs((await metadata.readLog(end, 10)).events), [2, 3])
    assert.equal(await later.get(media_id), null)
    assert.equal(await later.getJob(job.job_id), null)
    assert.deepEqual(await later.jobsOf(media_id), [])
    assert.deepEqual(await later.timeline(media_id, 0, 10), [])
    assert.deepEqual((await later.readLog(end, 10)).events, [])
    assert.deepEqual(await listIds(later, { user_id, limit: 5 }), [])
    await assert.rejects(later.commit({ media_id, expect: {}, events: [update] }), code('conflict'))
    assert.deepEqual(await later.get(kept.media_id), kept.record)
  })

  it('refuses what an item cannot hold, and changes nothing', async () => {
    const { media_id, record } = await createdWithJob(metadata)
    const patch = { warnings: numbers(1, 4_000).map((index) => `warning ${index} ${'x'.repeat(100)}`) }
    await assert.rejects(metadata.commit({ media_id, expect: {}, patch, events: [update] }), code('too_large'))
    const data = { text: 'x'.repeat(400_000) }
    await assert.rejects(metadata.commit({ media_id, expect: {}, events: [{ ...update, data }] }), code('too_large'))
    assert.deepEqual(await metadata.get(media_id), record)
    assert.deepEqual(await metadata.timeline(media_id, 0, 10), [])
    const long = 'x'.repeat(5_000)
    assert.equal(await metadata.get(long), null)
    await assert.rejects(metadata.commit({ media_id: long, expect: {}, events: [update] }), code('conflict'))
    assert.equal(await metadata.getJob(long), null)
  })

  it('gives a table what it lacks', async () => {
    const own = settings({ METADATA_DYNAMODB_TABLE: `test-${systemChance.uuid()}` })
    const { GlobalSecondaryIndexes = [], AttributeDefinitions = [], ...rest } = tableDefinition(own.dynamodbTable)
    const client = openClient(own)
    const named = ['PK', 'SK', 'user', 'listed']
    const first = {
      AttributeDefinitions: AttributeDefinitions.filter(({ AttributeName = '' }) => named.includes(AttributeName)),
      GlobalSecondaryIndexes: GlobalSecondaryIndexes.filter(({ IndexName }) => IndexName === 'by-user'),
    }
    await client.send(new CreateTableCommand({ ...rest, ...first }))
    client.destroy()
    const lines = await setUpDynamodb(own, given)
    for (const made of ['by-state', 'by-unlogged']) assert.ok(lines.some((line) => line.includes(`${made} created`)))
    const other = openDynamodbMetadata(own, given)
    const { job } = await createdWithJob(other)
    assert.deepEqual(await other.dueJobs(Number.MAX_SAFE_INTEGER, 5), [job])
    await other.close()
  })

  it('sets up again without changing anything, and says what to do where nothing is set up', async () => {
    const lines = await setUpDynamodb(settings(), given)
    assert.deepEqual(lines[0], `DynamoDB table ${table}: is there`)
    assert.ok(
      lines.some((line) => line.endsWith('items expire by expires_at')),
      lines.join('\n'),
    )
    const elsewhere = openDynamodbMetadata(settings({ METADATA_DYNAMODB_TABLE: 'nothing-here' }), given)
    await assert.rejects(elsewhere.ping(), (error: Error) => {
      return code('unavailable')(error) && /"nothing-here".*setup/.test(error.message)
    })
    await elsewhere.close()
  })
})
