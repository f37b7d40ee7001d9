import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { systemChance } from '../media/clock.ts'
import { type ErrorCode, MediaError } from '../media/errors.ts'
import { type Job, newJob } from '../media/jobs.ts'
import { type EventDraft, type MediaEvent, type MediaRecord, newRecord } from '../media/record.ts'
import { describeModel } from './conformance-model.ts'
import type { ListQuery, Metadata } from './port.ts'

/** Opens the driver under test; `close` also ends what it stands on. One for the whole suite, perhaps shared and not empty. */
export type OpenForTest = () => Promise<{ metadata: Metadata; close(): Promise<void> }>

/** The suite that every metadata driver runs unchanged: what `port.ts` promises. */
export function describeMetadata(name: string, open: OpenForTest): void {
  describe(`metadata: ${name}`, () => {
    let metadata: Metadata
    let close: () => Promise<void>
    before(async () => {
      ;({ metadata, close } = await open())
    })
    after(async () => await close())
    const given = () => metadata
    describe('records', () => describeRecords(given))
    describe('races', () => describeRaces(given))
    describe('jobs', () => describeJobs(given))
    describe('events', () => describeEvents(given))
    describe('lists', () => describeLists(given))
    describe('hostile and large values', () => describeValues(given))
    describeModel(given)
    it('is ready for a write', async () => await metadata.ping())
  })
}

type Given = () => Metadata

function describeRecords(given: Given): void {
  it('knows nothing of what was never written', async () => {
    assert.equal(await given().get(systemChance.uuid()), null)
    assert.equal(await given().getJob(systemChance.uuid()), null)
    assert.deepEqual(await given().jobsOf(systemChance.uuid()), [])
    assert.deepEqual(await given().timeline(systemChance.uuid(), 0, 10), [])
  })

  it('returns a record as it was created, and reads it back so', async () => {
    const record = someRecord({ warnings: ['one'], width: 3, duration: 1.25, error: { code: 'x', message: 'y' } })
    const committed = await create(given(), record)
    assert.deepEqual(committed.record, record)
    assert.deepEqual(await given().get(record.media_id), record)
  })

  it('creates a record once', async () => {
    const record = await created(given())
    await assert.rejects(create(given(), { ...record, title: 'other' }), code('conflict'))
    assert.equal((await given().get(record.media_id))?.title, record.title)
  })

  it('does not create over a tombstone', async () => {
    const record = await created(given())
    await given().commit({ media_id: record.media_id, expect: {}, patch: { status: 'deleted' } })
    await assert.rejects(create(given(), record), code('conflict'))
    assert.equal((await given().get(record.media_id))?.status, 'deleted')
  })

  it('sets the named fields, raises the version by one and leaves the rest', async () => {
    const record = await created(given(), { filename: 'a.mp4', warnings: ['old'] })
    const patch = { title: 'new', warnings: ['a', 'b'], playable: true, file_size: 5 }
    const committed = await given().commit({ media_id: record.media_id, expect: { version: 1 }, patch })
    assert.deepEqual(committed, { record: { ...record, ...patch, version: 2 }, events: [] })
    assert.deepEqual(await given().get(record.media_id), committed.record)
  })

  it('sets a field to null and keeps it there', async () => {
    const record = await created(given(), { etag: 'e', error: { code: 'x', message: 'y' }, temp_s3_url: 's3://t/k' })
    const patch = { etag: null, error: null, temp_s3_url: null }
    await given().commit({ media_id: record.media_id, expect: {}, patch })
    assert.deepEqual(await given().get(record.media_id), { ...record, ...patch, version: 2 })
  })

  it('replaces what is nested as a whole', async () => {
    const record = await created(given(), { error: { code: 'old', message: 'old' }, renditions: [someRendition('a')] })
    const patch = { error: { code: 'new', message: 'new' }, renditions: [someRendition('b'), someRendition('c')] }
    const committed = await given().commit({ media_id: record.media_id, expect: {}, patch })
    assert.deepEqual(committed.record, { ...record, ...patch, version: 2 })
  })

  it('refuses another version or status, and a record that is not there, and changes nothing', async () => {
    const record = await created(given(), { status: 'uploaded' })
    const { media_id } = record
    const patch = { title: 'changed' }
    const events = [{ type: 'media.updated', at: record.upload_time }] satisfies EventDraft[]
    for (const expect of [{ version: 2 }, { status: ['failed'] }, { version: 1, status: [] }] as const) {
      await assert.rejects(given().commit({ media_id, expect, patch, events }), code('conflict'))
      await assert.rejects(given().commit({ media_id, expect, events }), code('conflict'))
      await assert.rejects(given().commit({ media_id, expect }), code('conflict'))
    }
    await assert.rejects(given().commit({ media_id: systemChance.uuid(), expect: {}, patch }), code('conflict'))
    assert.deepEqual(await given().get(media_id), record)
    assert.deepEqual(await given().timeline(media_id, 0, 10), [])
  })

  it('accepts a condition that holds, without a patch and without a new version', async () => {
    const record = await created(given(), { status: 'uploaded' })
    const expect = { version: 1, status: ['failed', 'uploaded'] } as const
    const { record: found } = await given().commit({ media_id: record.media_id, expect })
    assert.deepEqual(found, record)
  })
}

function describeRaces(given: Given): void {
  it('lets exactly one of many with the same version win', async () => {
    const { media_id } = await created(given())
    const at = someTime(0)
    const racers = Array.from({ length: 12 }, async (_, index) => {
      const events: EventDraft[] = [{ type: 'media.updated', at, data: { index } }]
      await given().commit({ media_id, expect: { version: 1 }, patch: { title: `racer ${index}` }, events })
      return index
    })
    const won = (await Promise.allSettled(racers)).filter((result) => result.status === 'fulfilled')
    assert.equal(won.length, 1)
    const record = await given().get(media_id)
    assert.deepEqual([record?.version, record?.title], [2, `racer ${won[0]?.value}`])
    const events = await given().timeline(media_id, 0, 100)
    assert.deepEqual(
      events.map(({ data }) => data),
      [{ index: won[0]?.value }],
    )
  })

  it('loses no update among writers that read, decide and commit', async () => {
    const { media_id } = await created(given())
    const writers = Array.from({ length: 5 }, async () => {
      for (let times = 0; times < 6; times++) {
        await retried(async () => {
          const found = await given().get(media_id)
          assert.ok(found)
          const patch = { attempts: found.attempts + 1 }
          await given().commit({ media_id, expect: { version: found.version }, patch })
        })
      }
    })
    await Promise.all(writers)
    const record = await given().get(media_id)
    assert.deepEqual([record?.attempts, record?.version], [30, 31])
  })

  it('lets exactly one of many creators win', async () => {
    const record = someRecord()
    const titles = ['a', 'b', 'c', 'd', 'e']
    const results = await Promise.allSettled(titles.map((title) => create(given(), { ...record, title })))
    const won = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.record.title] : []))
    assert.equal(won.length, 1)
    assert.equal((await given().get(record.media_id))?.title, won[0])
  })

  it('lets exactly one of many claim a job', async () => {
    const { media_id, job } = await createdWithJob(given())
    const claims = Array.from({ length: 8 }, async (_, index) => {
      const patch = { state: 'running', token: 1, lease_until: 1_000 + index } as const
      const expect = { states: ['queued'], token: 0 } as const
      await given().commit({ media_id, expect: {}, jobs: [{ job_id: job.job_id, expect, patch }] })
      return index
    })
    const won = (await Promise.allSettled(claims)).filter((result) => result.status === 'fulfilled')
    assert.equal(won.length, 1)
    assert.equal((await given().getJob(job.job_id))?.lease_until, 1_000 + (won[0]?.value ?? -1))
  })

  it('numbers the events of concurrent commits without gaps', async () => {
    const { media_id } = await created(given())
    const writers = Array.from({ length: 20 }, async (_, index) => {
      const events: EventDraft[] = [
        { type: 'media.updated', at: someTime(index), data: { index, half: 1 } },
        { type: 'media.updated', at: someTime(index), data: { index, half: 2 } },
      ]
      return await retried(async () => await given().commit({ media_id, expect: {}, events }))
    })
    const answers = (await Promise.all(writers)).flatMap(({ events }) => events)
    const log = await given().timeline(media_id, 0, 100)
    assert.deepEqual(seqs(log), numbers(1, 40))
    assert.deepEqual([...answers].sort(bySeq), log)
    for (let seq = 0; seq < 40; seq += 2) assert.equal(log[seq]?.data.index, log[seq + 1]?.data.index)
  })
}

function describeJobs(given: Given): void {
  it('writes a job with its record, and reads it back', async () => {
    const { media_id, job } = await createdWithJob(given())
    assert.deepEqual(await given().getJob(job.job_id), job)
    assert.deepEqual(await given().jobsOf(media_id), [job])
  })

  it('changes nothing at all when one job condition fails', async () => {
    const { record, media_id, job } = await createdWithJob(given())
    const change = {
      media_id,
      expect: { version: 1 },
      patch: { title: 'changed' },
      events: [{ type: 'media.updated', at: someTime(1) }] satisfies EventDraft[],
    }
    const second = newJob({ media_id, user_id: 'u', kind: 'purge', lane: 'tasks', now: 5 })
    const good = { job_id: job.job_id, expect: { states: ['queued'] }, patch: { attempts: 9 } } as const
    const failing = [
      { job_id: job.job_id, expect: { states: ['running'] }, patch: { attempts: 1 } },
      { job_id: job.job_id, expect: { states: ['queued'], token: 1 }, patch: { attempts: 1 } },
      { job_id: 'no such job', expect: { states: ['queued'] }, patch: { attempts: 1 } },
      { job_id: second.job_id, expect: { states: ['queued'] }, patch: { attempts: 1 } },
      { create: job },
    ] as const
    for (const last of failing) {
      await assert.rejects(given().commit({ ...change, jobs: [last] }), code('conflict'))
    }
    await assert.rejects(given().commit({ ...change, jobs: [good, { create: job }] }), code('conflict'))
    assert.deepEqual(await given().get(media_id), record)
    assert.deepEqual(await given().jobsOf(media_id), [job])
    assert.deepEqual(await given().timeline(media_id, 0, 10), [])
  })

  it('creates nothing when a job of the new record exists', async () => {
    const { job } = await createdWithJob(given())
    const other = someRecord()
    const change = {
      media_id: other.media_id,
      expect: { absent: true },
      create: other,
      jobs: [{ create: job }],
    } as const
    await assert.rejects(given().commit(change), code('conflict'))
    assert.equal(await given().get(other.media_id), null)
  })

  it('changes a job under its state and token, nulls included', async () => {
    const { media_id, job } = await createdWithJob(given(), { lease_until: 5, last_error: 'x', token: 3 })
    const patch = { state: 'done', sweep_at: null, lease_until: null, last_error: null, progress: 99.5 } as const
    const change = { job_id: job.job_id, expect: { states: ['running', 'queued'], token: 3 }, patch } as const
    await given().commit({ media_id, expect: {}, jobs: [change] })
    assert.deepEqual(await given().getJob(job.job_id), { ...job, ...patch })
    assert.equal((await given().get(media_id))?.version, 1)
  })

  it('renews while the job runs under the token, without a new version', async () => {
    const { media_id, job } = await createdWithJob(given(), { state: 'running', token: 2, lease_until: 1_000 })
    const beat = { job_id: job.job_id, token: 2, lease_until: 2_000, sweep_at: 2_001, progress: 40 }
    assert.equal(await given().renew(beat), true)
    assert.deepEqual(await given().getJob(job.job_id), {
      ...job,
      ...{ lease_until: 2_000, sweep_at: 2_001, progress: 40 },
    })
    assert.equal((await given().get(media_id))?.version, 1)
  })

  it('never shortens a lease: an overtaken heartbeat changes nothing', async () => {
    const { job } = await createdWithJob(given(), { state: 'running', token: 2, lease_until: 3_000, progress: 50 })
    const beat = { job_id: job.job_id, token: 2, lease_until: 2_000, sweep_at: 2_000, progress: 40 }
    assert.equal(await given().renew(beat), true)
    assert.deepEqual(await given().getJob(job.job_id), job)
  })

  it('does not renew another token, a job that is over, queued again, or unknown', async () => {
    const beat = { lease_until: 9_000, sweep_at: 9_000, progress: 1 }
    const running = await createdWithJob(given(), { state: 'running', token: 2, lease_until: 1_000 })
    for (const token of [1, 3]) {
      assert.equal(await given().renew({ job_id: running.job.job_id, token, ...beat }), false)
    }
    for (const state of ['queued', 'done', 'parked'] as const) {
      const { job } = await createdWithJob(given(), { state, token: 2, lease_until: null, sweep_at: null })
      assert.equal(await given().renew({ job_id: job.job_id, token: 2, ...beat }), false)
      assert.deepEqual(await given().getJob(job.job_id), job)
    }
    assert.equal(await given().renew({ job_id: systemChance.uuid(), token: 0, ...beat }), false)
    assert.deepEqual(await given().getJob(running.job.job_id), running.job)
  })

  it('finds due jobs oldest first, and only those not over whose time has come', async () => {
    // Far in the past, so that nobody else's jobs of a shared engine come before them.
    const origin = -1e9
    const made: Record<string, string> = {}
    for (const [name, fields] of Object.entries({
      third: { sweep_at: origin + 30, state: 'queued' },
      first: { sweep_at: origin + 10, state: 'running' },
      second: { sweep_at: origin + 20, state: 'queued' },
      later: { sweep_at: origin + 31, state: 'queued' },
      done: { sweep_at: origin + 1, state: 'done' },
      parked: { sweep_at: origin + 1, state: 'parked' },
      never: { sweep_at: null, state: 'running' },
    } satisfies Record<string, Partial<Job>>)) {
      made[(await createdWithJob(given(), fields as Partial<Job>)).job.job_id] = name
    }
    const names = async (limit: number) =>
      (await given().dueJobs(origin + 30, limit)).map(({ job_id }) => made[job_id] ?? job_id)
    await eventually(async () => assert.deepEqual(await names(10), ['first', 'second', 'third']))
    await eventually(async () => assert.deepEqual(await names(2), ['first', 'second']))
  })

  it('counts jobs by state as they are made and moved', async () => {
    const before = await given().countJobs()
    const { media_id, job } = await createdWithJob(given())
    await createdWithJob(given(), { state: 'parked' })
    const patch = { state: 'running', token: 1 } as const
    await given().commit({
      media_id,
      expect: {},
      jobs: [{ job_id: job.job_id, expect: { states: ['queued'] }, patch }],
    })
    const done = { job_id: job.job_id, expect: { states: ['running'] }, patch: { state: 'done' } } as const
    const missing = { job_id: 'no such job', expect: { states: ['queued'] }, patch: {} } as const
    await assert.rejects(given().commit({ media_id, expect: {}, jobs: [done, missing] }), code('conflict'))
    const expected = { ...before, running: before.running + 1, parked: before.parked + 1 }
    await eventually(async () => assert.deepEqual(await given().countJobs(), expected))
  })
}

function describeEvents(given: Given): void {
  it('gives events their place, their id and the owner, in the order of the commit', async () => {
    const record = someRecord()
    const drafts: EventDraft[] = [
      { type: 'media.uploaded', at: someTime(1), data: { nested: { list: [1, null, 'x'] } } },
      { type: 'media.processing', at: someTime(2) },
    ]
    const { events } = await create(given(), record, drafts)
    const { media_id, user_id } = record
    assert.deepEqual(events, [
      { ...drafts[0], event_id: `${media_id}.1`, media_id, user_id, seq: 1 },
      { ...drafts[1], event_id: `${media_id}.2`, media_id, user_id, seq: 2, data: {} },
    ])
    const more = await given().commit({ media_id, expect: {}, events: [{ type: 'media.failed', at: someTime(3) }] })
    assert.deepEqual([seqs(more.events), more.record.version], [[3], 1])
    assert.deepEqual(await given().timeline(media_id, 0, 10), [...events, ...more.events])
  })

  it('pages through a timeline', async () => {
    const { media_id } = await createdWithEvents(given(), 7)
    assert.deepEqual(seqs(await given().timeline(media_id, 0, 3)), [1, 2, 3])
    assert.deepEqual(seqs(await given().timeline(media_id, 3, 3)), [4, 5, 6])
    assert.deepEqual(seqs(await given().timeline(media_id, 6, 3)), [7])
    assert.deepEqual(seqs(await given().timeline(media_id, 7, 3)), [])
  })

  it('reads the log from the beginning, each media in order, each event once', async () => {
    const made = await Promise.all([3, 5, 1].map((count) => createdWithEvents(given(), count)))
    await eventually(async () => {
      const all = await readWholeLog(given(), null, 4)
      assert.equal(new Set(all.map(({ event_id }) => event_id)).size, all.length)
      for (const { media_id, count } of made) {
        assert.deepEqual(seqs(all.filter((event) => event.media_id === media_id)), numbers(1, count))
      }
    })
  })

  it('goes on after a cursor with what came later, and keeps the cursor while nothing comes', async () => {
    await createdWithEvents(given(), 2)
    const end = await logEnd(given())
    assert.deepEqual(await given().readLog(end, 10), { events: [], cursor: end })
    const { media_id } = await createdWithEvents(given(), 3)
    await eventually(async () => {
      const found = (await readWholeLog(given(), end, 2)).filter((event) => event.media_id === media_id)
      assert.deepEqual(seqs(found), [1, 2, 3])
    })
  })

  it('refuses a cursor it did not make', async () => {
    for (const cursor of foreignCursors)
      await assert.rejects(given().readLog(cursor, 1), code('invalid_cursor'), cursor)
  })
}

function describeLists(given: Given): void {
  it('lists the user’s own, newest first, without tombstones', async () => {
    const user_id = someUser()
    const times = [3, 1, 4, 2]
    const ids = await Promise.all(times.map((time) => createdAt(given(), user_id, time)))
    await createdAt(given(), someUser(), 9)
    await given().commit({ media_id: ids[3] ?? '', expect: {}, patch: { status: 'deleted' } })
    const expected = [ids[2], ids[0], ids[1]]
    await eventually(async () => assert.deepEqual(await listIds(given(), { user_id, limit: 10 }), expected))
  })

  it('pages without gap or doubling, also among equal times and while media are added and removed', async () => {
    const user_id = someUser()
    const ids = await Promise.all(Array.from({ length: 11 }, (_, index) => createdAt(given(), user_id, index >> 2)))
    await eventually(async () => assert.equal((await listIds(given(), { user_id, limit: 100 })).length, 11))
    const seen: string[] = []
    let cursor: string | null = null
    do {
      const page = await given().list({ user_id, limit: 3, ...(cursor ? { cursor } : {}) })
      assert.ok(page.items.length <= 3)
      seen.push(...page.items.map(({ media_id }) => media_id))
      cursor = page.next_cursor
      await createdAt(given(), user_id, 50)
      // The one the cursor stands on goes: the next page still begins after it.
      const last = seen.at(-1) ?? ''
      await given().commit({ media_id: last, expect: {}, patch: { status: 'deleted' } })
    } while (cursor !== null)
    assert.deepEqual(seen.toSorted(), ids.toSorted())
    assert.deepEqual(await listIds(given(), { user_id: someUser(), limit: 3 }), [])
  })

  it('ends without a cursor when a page is exactly full', async () => {
    const user_id = someUser()
    await Promise.all([1, 2].map((time) => createdAt(given(), user_id, time)))
    await eventually(async () => {
      const page = await given().list({ user_id, limit: 2 })
      assert.equal(page.items.length, 2)
      assert.deepEqual(await listRest(given(), { user_id, limit: 2 }, page.next_cursor), [])
    })
  })

  it('filters by status, type and both, and follows changes', async () => {
    const user_id = someUser()
    const image = await createdAt(given(), user_id, 1, { media_type: 'image', status: 'processed' })
    const film = await createdAt(given(), user_id, 2, { media_type: 'video', status: 'processed' })
    const failed = await createdAt(given(), user_id, 3, { media_type: 'video', status: 'failed' })
    const list = async (filter: Partial<ListQuery>) => await listIds(given(), { user_id, limit: 10, ...filter })
    await eventually(async () => {
      assert.deepEqual(await list({ status: 'processed' }), [film, image])
      assert.deepEqual(await list({ media_type: 'video' }), [failed, film])
      assert.deepEqual(await list({ media_type: 'video', status: 'failed' }), [failed])
      assert.deepEqual(await list({ media_type: 'audio' }), [])
      assert.deepEqual(await list({ status: 'deleted' }), [])
    })
    const patch = { status: 'uploaded', media_type: 'audio' } as const
    await given().commit({ media_id: failed, expect: {}, patch })
    await eventually(async () => {
      assert.deepEqual(await list({ status: 'failed' }), [])
      assert.deepEqual(await list({ media_type: 'audio', status: 'uploaded' }), [failed])
    })
  })

  it('finds titles by a case-folded part, taken literally', async () => {
    const user_id = someUser()
    const titles = [
      'Mountain Adventure',
      'ÉTÉ à Zürich',
      '100% pure_gold',
      '100 percent',
      'STRASSE',
      'Οδυσσεύς',
      "it's",
    ]
    for (const [time, title] of titles.entries()) await createdAt(given(), user_id, time, { title })
    const found = async (q: string) => {
      const { items } = await given().list({ user_id, limit: 20, q })
      return items.map(({ title }) => title)
    }
    await eventually(async () => {
      assert.deepEqual(await found('TAIN adv'), ['Mountain Adventure'])
      assert.deepEqual(await found('été À zÜ'), ['ÉTÉ à Zürich'])
      assert.deepEqual(await found('E\u0301te\u0301'), ['ÉTÉ à Zürich'])
      assert.deepEqual(await found('0%'), ['100% pure_gold'])
      assert.deepEqual(await found('e_g'), ['100% pure_gold'])
      assert.deepEqual(await found('_'), ['100% pure_gold'])
      assert.deepEqual(await found('straße'), ['STRASSE'])
      assert.deepEqual(await found('ΟΔΥΣΣΕΎΣ'), ['Οδυσσεύς'])
      assert.deepEqual(await found("it's"), ["it's"])
      assert.deepEqual(await found('nothing like it'), [])
      assert.equal((await found('')).length, titles.length)
    })
  })

  it('follows a new title', async () => {
    const user_id = someUser()
    const media_id = await createdAt(given(), user_id, 1, { title: 'before' })
    await given().commit({ media_id, expect: {}, patch: { title: 'ÄFTER' } })
    await eventually(async () => {
      assert.deepEqual(await listIds(given(), { user_id, limit: 5, q: 'äft' }), [media_id])
      assert.deepEqual(await listIds(given(), { user_id, limit: 5, q: 'before' }), [])
    })
  })

  it('finds a needle by its cursors, however short the pages', async () => {
    const user_id = someUser()
    await Promise.all(Array.from({ length: 1_300 }, (_, time) => createdAt(given(), user_id, time + 10)))
    const needle = await createdAt(given(), user_id, 1, { title: 'needle' })
    await eventually(async () => assert.deepEqual(await listIds(given(), { user_id, limit: 2, q: 'NEEDLE' }), [needle]))
  })

  it('refuses a cursor it did not make', async () => {
    const query = { user_id: someUser(), limit: 1 }
    for (const cursor of foreignCursors) {
      await assert.rejects(given().list({ ...query, cursor }), code('invalid_cursor'), cursor)
    }
  })
}

function describeValues(given: Given): void {
  const hostile = [
    '\u0000 after a NUL',
    'a\u0000b',
    `'"; DROP TABLE media; --`,
    '$.title"]',
    '\u{1F600} \u{1F468}\u200d\u{1F469} \u202e\ufeff',
    '\r\n\t\u001b[31m',
    '\ud800 half a pair',
    '__proto__',
    '',
  ]

  for (const text of hostile) {
    it(`keeps ${JSON.stringify(text)} wherever text goes`, async () => {
      const user_id = `${someUser()}${text.toWellFormed()}`
      const record = someRecord({ user_id, title: text, filename: text, warnings: [text] })
      const { media_id } = record
      const job = {
        ...newJob({ media_id, user_id, kind: 'process', lane: 'tasks', now: 1 }),
        last_error: text.toWellFormed(),
      }
      const data = { text, [text]: [text] }
      const events: EventDraft[] = [{ type: 'media.updated', at: someTime(1), data }]
      await given().commit({ media_id, expect: { absent: true }, create: record, jobs: [{ create: job }], events })
      assert.deepEqual(await given().get(media_id), record)
      assert.deepEqual(await given().getJob(job.job_id), job)
      assert.deepEqual((await given().timeline(media_id, 0, 1))[0]?.data, data)
      await given().commit({ media_id, expect: {}, patch: { title: text, checksum: text } })
      assert.equal((await given().get(media_id))?.checksum, text)
      await eventually(async () => {
        assert.deepEqual(await listIds(given(), { user_id, limit: 5, q: text.toWellFormed() }), [media_id])
      })
    })
  }

  it('keeps two users apart whose names are not well-formed', async () => {
    await assert.rejects(create(given(), someRecord({ user_id: 'x\ud800' })), code('invalid_request'))
    assert.deepEqual(await listIds(given(), { user_id: 'x\ud801', limit: 5 }), [])
  })

  it('keeps a large record, and numbers as they were', async () => {
    const warnings = Array.from({ length: 1_000 }, (_, index) => `warning ${index} ${'x'.repeat(200)}`)
    const patch = { warnings, file_size: 5 * 2 ** 40, duration: 0.1 + 0.2, width: 0 }
    const record = await created(given())
    await given().commit({ media_id: record.media_id, expect: {}, patch })
    assert.deepEqual(await given().get(record.media_id), { ...record, ...patch, version: 2 })
  })
}

// What the tests speak of

function someUser(): string {
  return `user-${systemChance.uuid()}`
}

function someTime(seconds: number): string {
  return `2026-01-01T00:${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}.000Z`
}

function someRecord(fields: Partial<MediaRecord> = {}): MediaRecord {
  return newRecord({
    media_id: systemChance.uuid(),
    user_id: someUser(),
    title: 'A title',
    media_type: 'video',
    upload_time: someTime(0),
    status: 'uploaded',
    ...fields,
  })
}

function someRendition(name: string) {
  const numbers = { file_size: 1, width: 2, height: 3, bitrate: null, duration: null }
  return { name, s3_url: `s3://p/${name}`, content_type: 'image/jpeg', etag: 'e', ...numbers }
}

async function create(metadata: Metadata, record: MediaRecord, events: EventDraft[] = []) {
  return await metadata.commit({ media_id: record.media_id, expect: { absent: true }, create: record, events })
}

async function created(metadata: Metadata, fields: Partial<MediaRecord> = {}): Promise<MediaRecord> {
  return (await create(metadata, someRecord(fields))).record
}

async function createdAt(metadata: Metadata, user_id: string, time: number, fields: Partial<MediaRecord> = {}) {
  return (await created(metadata, { user_id, upload_time: someTime(time), ...fields })).media_id
}

async function createdWithJob(metadata: Metadata, fields: Partial<Job> = {}) {
  const record = someRecord()
  const { media_id, user_id } = record
  const job: Job = { ...newJob({ media_id, user_id, kind: 'process', lane: 'tasks', now: 1 }), ...fields }
  await metadata.commit({ media_id, expect: { absent: true }, create: record, jobs: [{ create: job }] })
  return { record, media_id, job }
}

async function createdWithEvents(metadata: Metadata, count: number) {
  const record = await created(metadata)
  for (const seq of numbers(1, count)) {
    const events: EventDraft[] = [{ type: 'media.updated', at: someTime(seq), data: { seq } }]
    await metadata.commit({ media_id: record.media_id, expect: {}, events })
  }
  return { media_id: record.media_id, count }
}

async function listIds(metadata: Metadata, query: ListQuery): Promise<string[]> {
  const page = await metadata.list(query)
  return [...page.items.map(({ media_id }) => media_id), ...(await listRest(metadata, query, page.next_cursor))]
}

async function listRest(metadata: Metadata, query: ListQuery, cursor: string | null): Promise<string[]> {
  return cursor === null ? [] : await listIds(metadata, { ...query, cursor })
}

async function readWholeLog(metadata: Metadata, from: string | null, limit: number): Promise<MediaEvent[]> {
  const all: MediaEvent[] = []
  for (let cursor = from; ; ) {
    const page = await metadata.readLog(cursor, limit)
    assert.ok(page.events.length <= limit)
    if (page.events.length === 0) return all
    all.push(...page.events)
    cursor = page.cursor
  }
}

async function logEnd(metadata: Metadata): Promise<string | null> {
  for (let cursor: string | null = null; ; ) {
    const page: { events: MediaEvent[]; cursor: string | null } = await metadata.readLog(cursor, 1_000)
    if (page.events.length === 0) return cursor
    cursor = page.cursor
  }
}

const foreignCursors = [
  '',
  'x',
  'bnVsbA',
  'W10',
  'WzFd!',
  '%%%',
  'WyJhIl0',
  'Wy0xXQ',
  'eyJhIjoxfQ',
  '\u0000',
  'W251bGwsbnVsbF0',
]

function code(expected: ErrorCode) {
  return (error: unknown) => error instanceof MediaError && error.code === expected
}

function seqs(events: readonly MediaEvent[]): number[] {
  return events.map(({ seq }) => seq)
}

function bySeq(left: MediaEvent, right: MediaEvent): number {
  return left.seq - right.seq
}

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index)
}

/** A commit that met another is tried again; a driver may say `conflict` even to one without a condition. */
async function retried<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt()
    } catch (error) {
      if (!code('conflict')(error) || tries === 500) throw error
    }
  }
}

/** `list`, `readLog` and what operators read may lag: until the check passes, or at last its own error. */
async function eventually(check: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await check()
    } catch (error) {
      if (tries === 200) throw error
      await pause(50)
    }
  }
}
