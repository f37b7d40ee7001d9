import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { openStore } from '../embedded/store.ts'
import { systemClock as clock, isoTime, systemChance } from '../media/clock.ts'
import { newJob } from '../media/jobs.ts'
import { silentLog } from '../media/log.ts'
import { newRecord } from '../media/record.ts'
import { parseSettings } from '../media/setting.ts'
import { openMetadata } from '../metadata/open.ts'
import { openFilesystemObjects } from '../objects/filesystem.ts'
import { openQueue } from '../queue/open.ts'
import { queueSettings } from '../queue/settings.ts'
import { openLibrary } from './library.ts'

const media_id = '550e8400-e29b-41d4-a716-446655440000'
const many = Array.from({ length: 40 }, (_, n) => n)

/** A library on real engines, with one media of `ada`. */
async function openBench() {
  const folder = await mkdtemp(join(tmpdir(), 'library-'))
  const store = await openStore({ path: join(folder, 'metadata.db') })
  const metadata = await openMetadata({ driver: 'embedded' }, { store: async () => store })
  const queue = await openQueue(parseSettings(queueSettings, {}), {
    store: async () => store,
    clock,
    chance: systemChance,
    log: silentLog,
  })
  const objects = await openFilesystemObjects({ root: join(folder, 'objects'), clock })
  const given = { media_id, user_id: 'ada', title: 'A', media_type: 'video', status: 'uploaded' } as const
  await metadata.commit({
    media_id,
    expect: { absent: true },
    create: newRecord({ ...given, upload_time: isoTime(clock.now()) }),
    jobs: [{ create: newJob({ media_id, user_id: 'ada', kind: 'process', lane: 'tasks', now: clock.now() }) }],
    events: [{ type: 'media.uploaded', at: isoTime(clock.now()) }],
  })
  return {
    metadata,
    library: openLibrary({ metadata, queue, objects, clock, log: silentLog }),
    async [Symbol.asyncDispose]() {
      await objects.close()
      await store.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

describe('many at once', () => {
  test('renames: none is refused because of the others', async () => {
    await using bench = await openBench()
    await Promise.all(many.map((n) => bench.library.rename('ada', media_id, `Title ${n}`)))
    const { record } = await bench.library.get('ada', media_id)
    assert.match(record.title, /^Title \d+$/)
    assert.equal(record.version, 1 + many.length)
  })

  test('removes: all resolve, and it is removed once', async () => {
    await using bench = await openBench()
    await Promise.all(many.map(() => bench.library.remove('ada', media_id)))
    await assert.rejects(bench.library.get('ada', media_id), { code: 'not_found' })
    await assert.rejects(bench.library.remove('bob', media_id), { code: 'not_found' })
    const events = await bench.metadata.timeline(media_id, 0, 100)
    assert.deepEqual(
      events.map(({ type }) => type),
      ['media.uploaded', 'media.deleted'],
    )
  })

  test('a remove between renames holds', async () => {
    await using bench = await openBench()
    const renames = many.map((n) => bench.library.rename('ada', media_id, `Title ${n}`))
    const [removed] = await Promise.allSettled([bench.library.remove('ada', media_id), ...renames])
    assert.equal(removed.status, 'fulfilled')
    assert.equal((await bench.metadata.get(media_id))?.status, 'deleted')
  })
})
