import assert from 'node:assert/strict'
import { it } from 'node:test'
import { systemChance } from '../media/clock.ts'
import type { EventDraft } from '../media/record.ts'
import {
  bySeq,
  code,
  create,
  created,
  createdWithJob,
  type Given,
  numbers,
  retried,
  seqs,
  someRecord,
  someRendition,
  someTime,
} from './conformance-kit.ts'

/** Records: conditions, patches and races; part of the suite in `conformance.ts`. */

export function describeRecords(given: Given): void {
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

export function describeRaces(given: Given): void {
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
