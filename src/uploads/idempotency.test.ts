import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { MediaError } from '../media/errors.ts'
import { parseS3Url } from '../media/locations.ts'
import type { Metadata } from '../metadata/port.ts'
import { readHead } from './chunks.ts'
import { fingerprintOf, type Idempotency, mediaIdOf, openIdempotency } from './idempotency.ts'
import { type Intake, type IntakePorts, openIntake } from './intake.ts'
import { gif, type Kit, nothing, openKit } from './kit.test.ts'
import { openPending } from './pending.ts'

const lost = new MediaError('unavailable', 'no answer')
const scope = { user_id: 'ada', route: 'form', key: 'k1' }

interface Sent {
  bytes?: Buffer
  title?: string
  key?: string
  user_id?: string
  route?: string
  /** The body stops until it resolves. */
  hold?: () => Promise<unknown>
}

/** A service as one process has it: the intake and the keys in flight. */
interface Process {
  intake: Intake
  idempotency: Idempotency
}

async function send(
  { intake, idempotency }: Process,
  { bytes = gif(), title = 't', hold, user_id = 'ada', ...named }: Sent = {},
) {
  const source = (async function* () {
    yield bytes.subarray(0, 20)
    await hold?.()
    yield bytes.subarray(20)
  })()
  return await idempotency.answer({ ...scope, user_id, ...named }, async (keyed) => {
    const received = await intake.receive({ user_id, filename: 'a.gif', source, signal: new AbortController().signal })
    try {
      return await intake.accept(received, { title, keyed })
    } catch (error) {
      await received.discard()
      throw error
    }
  })
}

async function withKit(work: (kit: Kit, first: Process) => Promise<void>, change?: (p: IntakePorts) => IntakePorts) {
  const kit = await openKit(change ? { change } : {})
  try {
    await work(kit, { intake: kit.intake, idempotency: openIdempotency(kit) })
  } finally {
    await kit.close()
  }
}

/** Another process over the same engines. */
const another = (kit: Kit): Process => ({
  intake: openIntake({ ...kit, tempBucket: 'temp', formLimit: 300_000 }),
  idempotency: openIdempotency(kit),
})

const rejects = async (sent: Promise<unknown>, code: string) => await assert.rejects(sent, { code })

describe('idempotency', () => {
  test('the same request again is the same media, and nothing of it stays', () =>
    withKit(async (kit, first) => {
      const made = await send(first)
      assert.equal(made.replayed, false)
      const kept = await kit.kept()
      for (const process of [first, another(kit)]) {
        const again = await send(process)
        assert.deepEqual([again.replayed, again.value], [true, made.value])
      }
      assert.deepEqual(await kit.kept(), kept)
      assert.equal(kept.records.length, 1)
    }))

  test('another body under the key is refused, and nothing of it stays', () =>
    withKit(async (kit, first) => {
      await send(first)
      const kept = await kit.kept()
      await rejects(send(first, { bytes: gif(60) }), 'idempotency_mismatch')
      await rejects(send(first, { title: 'another' }), 'idempotency_mismatch')
      const same = gif()
      same[8] = 2
      await rejects(send(first, { bytes: same }), 'idempotency_mismatch')
      assert.deepEqual(await kit.kept(), kept)
    }))

  test('a key is one user’s and one door’s, and without a key each request makes a media', () =>
    withKit(async (kit, first) => {
      const ids = new Set<string>()
      for (const sent of [{}, { key: 'k2' }, { route: 'raw' }, { user_id: 'bob' }]) {
        ids.add((await send(first, sent)).value.media_id)
      }
      assert.equal(ids.size, 4)
      const unkeyed = { ...scope, key: null }
      const made = await first.idempotency.answer(unkeyed, async (keyed) => keyed)
      assert.deepEqual(made, { value: undefined, replayed: false })
      assert.equal((await kit.kept()).records.length, 3)
    }))

  test('a key in flight is told so, and is free again whatever became of it', () =>
    withKit(async (_kit, first) => {
      const gate = Promise.withResolvers<void>()
      const slow = send(first, { hold: () => gate.promise })
      await rejects(send(first), 'idempotency_in_flight')
      gate.resolve()
      const made = await slow
      assert.deepEqual((await send(first)).value, made.value)
      await rejects(send(first, { key: 'cut', hold: () => Promise.reject(lost) }), 'unavailable')
      assert.equal((await send(first, { key: 'cut' })).replayed, false)
    }))

  test('a refused request leaves the key free', () =>
    withKit(async (kit, first) => {
      await rejects(
        send(first, { bytes: Buffer.from('<html>no media, whatever its name may say') }),
        'unsupported_media',
      )
      assert.deepEqual(await kit.kept(), nothing)
      assert.equal((await send(first)).replayed, false)
    }))

  test('two processes at once make one media', () =>
    withKit(async (kit, first) => {
      const gate = Promise.withResolvers<void>()
      const both = [first, another(kit)].map((process) => send(process, { hold: () => gate.promise }))
      gate.resolve()
      const answers = await Promise.all(both)
      assert.deepEqual(answers[0]?.value, answers[1]?.value)
      assert.deepEqual(answers.map(({ replayed }) => replayed).sort(), [false, true])
      const { staged, held, records } = await kit.kept()
      assert.deepEqual([staged.length, held.length, records.length], [0, 2, 1])
    }))

  test('who loses against another body does not touch the winner’s bytes', () =>
    withKit(async (kit, first) => {
      const bodies = [gif(50), gif(80)]
      const sent = [first, another(kit)].map((process, index) => send(process, { bytes: bodies[index] ?? gif() }))
      const outcomes = await Promise.allSettled(sent)
      const winner = outcomes.findIndex(({ status }) => status === 'fulfilled')
      assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
      const loser = outcomes[1 - winner] as PromiseRejectedResult
      assert.equal(loser.reason.code, 'idempotency_mismatch')
      const record = await kit.metadata.get(mediaIdOf(scope, 0))
      const { body } = await kit.objects.get(parseS3Url(record?.temp_s3_url ?? ''))
      assert.deepEqual(await readHead(body, 1_000), bodies[winner])
      assert.deepEqual((await kit.kept()).held.length, 2)
    }))

  test('two processes that begin an upload in parts at once make one, and one place in the store', () =>
    withKit(async (kit) => {
      const begun = async () => {
        const pending = openPending({ ...kit, tempBucket: 'temp', maxBytes: 1e9, expirySeconds: 3_600 })
        const said = { title: 't', filename: 'a.mp4', content_type: 'video/mp4', file_size: 10, part_size: 10 }
        return await openIdempotency(kit).answer({ ...scope, route: 'direct' }, async (keyed) =>
          keyed?.settle(fingerprintOf(said), async (idempotent) =>
            pending.begin({ ...said, user_id: 'ada', door: 'direct', idempotent }),
          ),
        )
      }
      const answers = await Promise.all([begun(), begun(), begun()])
      assert.equal(new Set(answers.map(({ value }) => value?.upload?.upload_id)).size, 1)
      assert.deepEqual(answers.map(({ replayed }) => replayed).sort(), [false, true, true])
      const uploads = await readdir(join(kit.folder, 'objects/.uploads'))
      assert.deepEqual([uploads.length, (await kit.kept()).records.length], [1, 1])
    }))

  test('a process that dies between the commit and the answer: the retry answers the media', async () => {
    let dead = false
    const dying = (real: Metadata): Metadata => ({
      ...real,
      commit: async (change) => {
        await real.commit(change)
        dead = true
        throw lost
      },
      get: async (id) => (dead ? await Promise.reject(lost) : await real.get(id)),
    })
    await withKit(
      async (kit, first) => {
        await assert.rejects(send(first), lost)
        const again = await send(another(kit))
        assert.equal(again.replayed, true)
        assert.deepEqual((await kit.kept()).records, [again.value.media_id])
        assert.deepEqual((await kit.objects.head(parseS3Url(again.value.temp_s3_url ?? ''))) !== null, true)
      },
      (ports) => ({ ...ports, metadata: dying(ports.metadata) }),
    )
  })

  test('after a day the key makes a media again, and stands for that one', () =>
    withKit(async (kit, first) => {
      let late = 0
      const clock = { ...kit.clock, now: () => kit.clock.now() + late }
      const process = {
        intake: openIntake({ ...kit, clock, tempBucket: 'temp', formLimit: 300_000 }),
        idempotency: openIdempotency({ ...kit, clock }),
      }
      const made = (await send(first)).value
      late = 23.9 * 3_600_000
      assert.deepEqual((await send(process)).value, made)
      late = 24.1 * 3_600_000
      const next = await send(process, { title: 'another day' })
      assert.equal(next.replayed, false)
      assert.notEqual(next.value.media_id, made.media_id)
      late += 3_600_000
      assert.deepEqual((await send(process, { title: 'another day' })).value, next.value)
    }))

  test('a deleted media is not made again by a late retry', () =>
    withKit(async (kit, first) => {
      const { media_id } = (await send(first)).value
      const patch = { status: 'deleted', deleted_at: '2026-01-01T00:00:00.000Z' } as const
      await kit.metadata.commit({ media_id, expect: {}, patch })
      await rejects(send(first), 'wrong_state')
      await rejects(send(first, { title: 'another' }), 'idempotency_mismatch')
    }))

  test('names are UUIDs, and fields make one fingerprint whatever their order', () => {
    const media_id = mediaIdOf(scope, 0)
    assert.match(media_id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    assert.notEqual(media_id, mediaIdOf(scope, 1))
    assert.notEqual(
      mediaIdOf({ ...scope, user_id: 'a', route: 'b' }, 0),
      mediaIdOf({ ...scope, user_id: 'ab', route: '' }, 0),
    )
    assert.equal(fingerprintOf({ a: 1, b: 'x', c: null }), fingerprintOf({ b: 'x', a: 1 }))
    assert.notEqual(fingerprintOf({ a: 1 }), fingerprintOf({ a: '1' }))
  })
})
