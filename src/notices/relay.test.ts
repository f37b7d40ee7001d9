import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openInlineStore } from '../embedded/store.ts'
import { isoTime, systemChance, systemClock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import { silentLog } from '../media/log.ts'
import { newRecord } from '../media/record.ts'
import { openEmbeddedMetadata } from '../metadata/embedded.ts'
import type { Metadata } from '../metadata/port.ts'
import type { EventTopic } from '../queue/port.ts'
import { type RelayOptions, startRelay } from './relay.ts'

const clock = systemClock
const quick = { clock, log: silentLog, interval: 5, lease: 90, batch: 4 }

/** A topic in memory, in which `fail` may break a publish before or after it was stored. */
function openTopic() {
  const ids: string[] = []
  const state = { ids, fail: (): 'before' | 'after' | null => null }
  const events: EventTopic = {
    mark: async () => String(ids.length),
    async *since(mark) {
      yield* ids.slice(Number(mark))
    },
    publish: async (some) => {
      const how = some.length > 0 ? state.fail() : null
      if (how !== 'before') ids.push(...some.map(({ event_id }) => event_id))
      if (how) throw new MediaError('unavailable', 'a broken line')
    },
  }
  return { ...state, events, setFail: (fail: typeof state.fail) => void (state.fail = fail) }
}

async function openKit() {
  const store = openInlineStore()
  const metadata = openEmbeddedMetadata(store)
  const close = async () => {
    await metadata.close()
    await store.close()
  }
  return { metadata, topic: openTopic(), [Symbol.asyncDispose]: close }
}

/** Events of as many media, three of each. */
async function addEvents(metadata: Metadata, media: number): Promise<string[]> {
  const ids: string[] = []
  for (let count = 0; count < media; count++) {
    const media_id = systemChance.uuid()
    const given = { media_id, user_id: 'ann', title: 'A', media_type: 'video', status: 'uploaded' } as const
    const events = [{ type: 'media.uploaded', at: isoTime(clock.now()) }] as const
    const create = newRecord({ ...given, upload_time: isoTime(clock.now()) })
    await metadata.commit({ media_id, expect: { absent: true }, create, events })
    for (let more = 0; more < 2; more++) await metadata.commit({ media_id, expect: {}, patch: { title: 'B' }, events })
    ids.push(`${media_id}.1`, `${media_id}.2`, `${media_id}.3`)
  }
  return ids
}

async function until(done: () => boolean): Promise<void> {
  for (let tries = 0; !done(); tries++) {
    if (tries > 1_000) throw new Error('not within 5 s')
    await clock.sleep(5)
  }
}

const orderOf = (ids: readonly string[], media_id: string) => ids.filter((id) => id.startsWith(media_id))

function assertOnce(found: readonly string[], wanted: readonly string[]): void {
  assert.deepEqual(found.toSorted(), wanted.toSorted())
  for (const id of wanted.filter((one) => one.endsWith('.1'))) {
    const media_id = id.slice(0, -2)
    assert.deepEqual(orderOf(found, media_id), [`${media_id}.1`, `${media_id}.2`, `${media_id}.3`])
  }
}

describe('relay', () => {
  test('publishes what is in the log and what comes, each event once and in order per media', async () => {
    await using kit = await openKit()
    const wanted = await addEvents(kit.metadata, 7)
    const relay = startRelay({ ...quick, metadata: kit.metadata, events: kit.topic.events })
    await until(() => kit.topic.ids.length >= wanted.length)
    wanted.push(...(await addEvents(kit.metadata, 3)))
    await until(() => kit.topic.ids.length >= wanted.length)
    await relay.stop()
    assertOnce(kit.topic.ids, wanted)
  })

  test('goes on where another stopped', async () => {
    await using kit = await openKit()
    const wanted = await addEvents(kit.metadata, 3)
    const options = { ...quick, metadata: kit.metadata, events: kit.topic.events }
    const first = startRelay(options)
    await until(() => kit.topic.ids.length >= wanted.length)
    await first.stop()
    wanted.push(...(await addEvents(kit.metadata, 3)))
    // The first gave it back: nobody waits for a lease of a minute.
    const second = startRelay({ ...options, lease: 60_000 })
    await until(() => kit.topic.ids.length >= wanted.length)
    await second.stop()
    assertOnce(kit.topic.ids, wanted)
  })

  test('publishes in one process at a time', async () => {
    await using kit = await openKit()
    const options = { ...quick, lease: 5_000, metadata: kit.metadata, events: kit.topic.events }
    const relays = [startRelay(options), startRelay(options), startRelay(options)]
    const wanted = await addEvents(kit.metadata, 12)
    await until(() => kit.topic.ids.length >= wanted.length)
    await Promise.all(relays.map((relay) => relay.stop()))
    assertOnce(kit.topic.ids, wanted)
  })

  for (const how of ['before', 'after'] as const) {
    test(`publishes nothing twice and loses nothing when a publish fails ${how} it was stored`, async () => {
      await using kit = await openKit()
      const wanted = await addEvents(kit.metadata, 7)
      let turn = 0
      kit.topic.setFail(() => (turn++ % 2 === 0 ? how : null))
      const relay = startRelay({ ...quick, metadata: kit.metadata, events: kit.topic.events })
      await until(() => kit.topic.ids.length >= wanted.length)
      await clock.sleep(50)
      await relay.stop()
      assert.ok(turn > 3)
      assertOnce(kit.topic.ids, wanted)
    })
  }

  test('publishes nothing twice when its process dies between a publish and the note of it', async () => {
    await using kit = await openKit()
    const wanted = await addEvents(kit.metadata, 7)
    // Three processes die, each with its second batch published and not noted, and one lives.
    for (let process = 0; process < 3; process++) {
      const dying = startRelay(dyingWith(kit.metadata, kit.topic.events))
      await until(() => kit.topic.ids.length >= Math.min(8 + process * 4, wanted.length))
      await dying.stop()
    }
    const relay = startRelay({ ...quick, metadata: kit.metadata, events: kit.topic.events })
    await until(() => kit.topic.ids.length >= wanted.length)
    await clock.sleep(50)
    await relay.stop()
    assertOnce(kit.topic.ids, wanted)
  })

  test('stops at once while it waits', async () => {
    await using kit = await openKit()
    const relay = startRelay({
      ...quick,
      interval: 60_000,
      lease: 180_000,
      metadata: kit.metadata,
      events: kit.topic.events,
    })
    await clock.sleep(20)
    const began = performance.now()
    await relay.stop()
    assert.ok(performance.now() - began < 1_000)
  })
})

/** From its second publish on, nothing of it reaches the metadata any more. */
function dyingWith(metadata: Metadata, events: EventTopic): RelayOptions {
  let published = 0
  const dead = () => published >= 2
  const unless = async <T>(work: () => Promise<T>): Promise<T> => {
    if (dead()) throw new MediaError('unavailable', 'dead')
    return await work()
  }
  return {
    ...quick,
    metadata: {
      readLog: (...given) => unless(() => metadata.readLog(...given)),
      takeCursor: (...given) => unless(() => metadata.takeCursor(...given)),
      moveCursor: (...given) => unless(() => metadata.moveCursor(...given)),
    },
    events: {
      mark: () => events.mark(),
      since: (mark) => events.since(mark),
      publish: async (some) => {
        if (some.length > 0) published++
        await events.publish(some)
      },
    },
  }
}
