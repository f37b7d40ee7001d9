import assert from 'node:assert/strict'
import { it } from 'node:test'
import { newJob } from '../media/jobs.ts'
import type { EventDraft } from '../media/record.ts'
import {
  code,
  create,
  created,
  createdAt,
  eventually,
  foreignCursors,
  type Given,
  listIds,
  listRest,
  someRecord,
  someTime,
  someUser,
} from './conformance-kit.ts'
import type { ListQuery } from './port.ts'

/** Listing, and values that attack or strain; part of the suite in `conformance.ts`. */

export function describeLists(given: Given): void {
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

export function describeValues(given: Given): void {
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
