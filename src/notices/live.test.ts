import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { openStore } from '../embedded/store.ts'
import { isoTime, systemChance, systemClock } from '../media/clock.ts'
import { codeOf } from '../media/errors.ts'
import { jobIdOf, newJob } from '../media/jobs.ts'
import { silentLog } from '../media/log.ts'
import { type EventType, type MediaPatch, newRecord } from '../media/record.ts'
import { openMetadata } from '../metadata/open.ts'
import type { Metadata } from '../metadata/port.ts'
import { type Notice, openLive } from './live.ts'

const clock = systemClock
const at = () => isoTime(clock.now())

async function openKit(options: { limit?: number } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'live-'))
  const store = await openStore({ path: join(folder, 'media.sqlite') })
  const metadata = await openMetadata({ driver: 'embedded' }, { store: async () => store })
  const live = openLive({ metadata, clock, log: silentLog, interval: 10, ...options })
  return {
    metadata,
    live,
    async [Symbol.asyncDispose]() {
      live.close()
      await metadata.close()
      await store.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function addMedia(metadata: Metadata): Promise<string> {
  const media_id = systemChance.uuid()
  const user_id = 'ann'
  await metadata.commit({
    media_id,
    expect: { absent: true },
    create: newRecord({ media_id, user_id, title: 'A', media_type: 'video', upload_time: at(), status: 'uploaded' }),
    jobs: [{ create: newJob({ media_id, user_id, kind: 'process', lane: 'tasks', now: clock.now() }) }],
    events: [{ type: 'media.uploaded', at: at() }],
  })
  return media_id
}

async function change(metadata: Metadata, media_id: string, type: EventType, patch: MediaPatch): Promise<void> {
  await metadata.commit({ media_id, expect: {}, patch, events: [{ type, at: at() }] })
}

async function claim(metadata: Metadata, media_id: string): Promise<void> {
  const lease_until = clock.now() + 60_000
  await metadata.commit({
    media_id,
    expect: {},
    patch: { status: 'processing' },
    jobs: [
      {
        job_id: jobIdOf(media_id, 'process'),
        expect: { states: ['queued'] },
        patch: { state: 'running', token: 1, lease_until, sweep_at: lease_until },
      },
    ],
    events: [{ type: 'media.processing', at: at() }],
  })
}

async function report(metadata: Metadata, media_id: string, progress: number): Promise<void> {
  const lease_until = clock.now() + 60_000
  const job_id = jobIdOf(media_id, 'process')
  assert.ok(await metadata.renew({ job_id, token: 1, lease_until, sweep_at: lease_until, progress }))
}

const forever = () => new AbortController().signal
const said = ({ event_id, view }: Notice) => `${event_id.split('.')[1]} ${view.record.status} ${view.progress}`

async function sayAll(notices: AsyncIterable<Notice>): Promise<string[]> {
  const heard: string[] = []
  for await (const notice of notices) heard.push(said(notice))
  return heard
}

describe('live', () => {
  test('tells the state at once, then each change, until it is final', async () => {
    await using kit = await openKit()
    const { metadata, live } = kit
    const media_id = await addMedia(metadata)
    const heard: string[] = []
    const steps: Record<string, () => Promise<void>> = {
      '1 uploaded 0': () => claim(metadata, media_id),
      '2 processing 0': () => report(metadata, media_id, 40),
      '2 processing 40': () => change(metadata, media_id, 'media.playable', { playable: true }),
      '3 processing 40': () => change(metadata, media_id, 'media.processed', { status: 'processed' }),
    }
    for await (const notice of live.watch(media_id, { signal: forever() })) {
      heard.push(said(notice))
      await steps[said(notice)]?.()
    }
    assert.deepEqual(heard, [...Object.keys(steps), '4 processed 100'])
    assert.equal(live.watching(), 0)
  })

  test('a final media is told once', async () => {
    await using kit = await openKit()
    const media_id = await addMedia(kit.metadata)
    await change(kit.metadata, media_id, 'media.failed', { status: 'failed' })
    const heard = await sayAll(kit.live.watch(media_id, { signal: forever() }))
    assert.deepEqual(heard, ['2 failed 0'])
    // Again, as the first loop is over.
    assert.deepEqual(await sayAll(kit.live.watch(media_id, { signal: forever() })), ['2 failed 0'])
  })

  test('all watchers of a media hear the same, and a slow one only the newest', async () => {
    await using kit = await openKit()
    const { metadata, live } = kit
    const media_id = await addMedia(metadata)
    const slow = live.watch(media_id, { signal: forever() })[Symbol.asyncIterator]()
    await slow.next()
    const quick = [1, 2, 3].map(() => sayAll(live.watch(media_id, { signal: forever() })))
    const witness = live.watch(media_id, { signal: forever() })[Symbol.asyncIterator]()
    await witness.next()
    for (let n = 2; n <= 20; n++) {
      await change(metadata, media_id, 'media.updated', { title: `title ${n}` })
      await witness.next()
    }
    await change(metadata, media_id, 'media.deleted', { status: 'deleted' })
    const all = await Promise.all(quick)
    for (const heard of all) {
      assert.equal(heard.at(0), '1 uploaded 0')
      assert.equal(heard.at(-1), '21 deleted 0')
      assert.deepEqual(heard, all[0])
    }
    assert.equal(said((await slow.next()).value), '21 deleted 0')
    assert.equal((await slow.next()).done, true)
    await witness.next()
    assert.equal((await witness.next()).done, true)
    assert.equal(live.watching(), 0)
  })

  test('one that leaves ends nobody else’s stream', async () => {
    await using kit = await openKit()
    const { metadata, live } = kit
    const media_id = await addMedia(metadata)
    const leaving = new AbortController()
    const first = live.watch(media_id, { signal: leaving.signal })[Symbol.asyncIterator]()
    const second = live.watch(media_id, { signal: forever() })[Symbol.asyncIterator]()
    await Promise.all([first.next(), second.next()])
    const last = first.next()
    leaving.abort()
    assert.equal((await last).done, true)
    assert.equal(live.watching(), 1)
    await change(metadata, media_id, 'media.processed', { status: 'processed' })
    assert.equal(said((await second.next()).value), '2 processed 100')
    assert.equal((await second.next()).done, true)
  })

  test('leaving and coming back at once works', async () => {
    await using kit = await openKit()
    const media_id = await addMedia(kit.metadata)
    for (let round = 0; round < 50; round++) {
      for await (const notice of kit.live.watch(media_id, { signal: forever() })) {
        assert.equal(said(notice), '1 uploaded 0')
        break
      }
    }
    assert.equal(kit.live.watching(), 0)
  })

  test('too many are refused, and room comes back', async () => {
    await using kit = await openKit({ limit: 2 })
    const media_id = await addMedia(kit.metadata)
    const watch = () => kit.live.watch(media_id, { signal: forever() })[Symbol.asyncIterator]()
    const [first, second] = [watch(), watch()]
    await Promise.all([first.next(), second.next()])
    assert.equal(await watch().next().catch(codeOf), 'slow_down')
    await first.return?.()
    assert.equal((await watch().next()).done, false)
  })

  test('an unknown media is an error, not silence', async () => {
    await using kit = await openKit()
    const watch = kit.live.watch(systemChance.uuid(), { signal: forever() })[Symbol.asyncIterator]()
    assert.equal(await watch.next().catch(codeOf), 'not_found')
    assert.equal(kit.live.watching(), 0)
  })

  test('the stop ends all streams', async () => {
    await using kit = await openKit()
    const media_id = await addMedia(kit.metadata)
    const watch = kit.live.watch(media_id, { signal: forever() })[Symbol.asyncIterator]()
    await watch.next()
    const last = watch.next()
    kit.live.close()
    assert.equal((await last).done, true)
    assert.equal((await kit.live.watch(media_id, { signal: forever() })[Symbol.asyncIterator]().next()).done, true)
  })
})
