import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MediaError } from '../media/errors.ts'
import type { Metadata } from '../metadata/port.ts'
import type { IntakePorts } from './intake.ts'
import { gif, type Kit, nothing, openKit } from './kit.test.ts'

const lost = new MediaError('unavailable', 'no answer')

async function withKit(change: (ports: IntakePorts) => IntakePorts, work: (kit: Kit) => Promise<void>): Promise<void> {
  const kit = await openKit({ change })
  try {
    await work(kit)
  } finally {
    await kit.close()
  }
}

/** The real metadata with some of its methods made to fail. */
const metadataWith = (make: (real: Metadata) => Partial<Metadata>) => (ports: IntakePorts) => ({
  ...ports,
  metadata: { ...ports.metadata, ...make(ports.metadata) },
})

async function upload({ intake }: Kit) {
  const signal = new AbortController().signal
  const source = (async function* () {
    yield gif()
  })()
  return await intake.accept(await intake.receive({ user_id: 'ada', filename: 'a.gif', source, signal }), {
    title: 't',
  })
}

describe('intake', () => {
  test('a commit that failed leaves no bytes', async () => {
    for (const code of ['storage_full', 'unavailable'] as const) {
      const failing = metadataWith(() => ({ commit: () => Promise.reject(new MediaError(code, 'no')) }))
      await withKit(failing, async (kit) => {
        await assert.rejects(upload(kit), { code })
        assert.deepEqual(await kit.kept(), nothing)
      })
    }
  })

  test('a commit that happened though its answer was lost is acknowledged', async () => {
    const answerless = metadataWith((real) => ({
      commit: async (change) => {
        await real.commit(change)
        throw lost
      },
    }))
    await withKit(answerless, async (kit) => {
      const { media_id } = await upload(kit)
      const { records, held } = await kit.kept()
      assert.deepEqual([records, held.length], [[media_id], 2])
    })
  })

  test('bytes stay while nobody can tell whether the commit happened', async () => {
    const silent = metadataWith((real) => ({
      commit: async (change) => {
        await real.commit(change)
        throw lost
      },
      get: () => Promise.reject(lost),
    }))
    await withKit(silent, async (kit) => {
      await assert.rejects(upload(kit), lost)
      const { records, held } = await kit.kept()
      assert.deepEqual([records.length, held.length], [1, 2])
    })
  })

  test('another media of the same name keeps its bytes', async () => {
    const same = (ports: IntakePorts) => ({ ...ports, chance: { ...ports.chance, uuid: () => 'same' } })
    await withKit(same, async (kit) => {
      const first = await upload(kit)
      assert.deepEqual(await upload(kit), first)
      assert.equal((await kit.kept()).held.length, 2)
    })
  })

  test('a wake-up that cannot be sent is left to the sweeper', async () => {
    const deaf = (ports: IntakePorts) => ({ ...ports, queue: { ...ports.queue, send: () => Promise.reject(lost) } })
    await withKit(deaf, async (kit) => {
      const { media_id } = await upload(kit)
      const job = await kit.metadata.getJob(`${media_id}.process`)
      assert.equal(job?.state, 'queued')
      assert.ok(job.sweep_at !== null)
      assert.equal((await kit.queue.depth()).tasks, 0)
    })
  })

  test('what cannot be stored leaves no record', async () => {
    const full = (ports: IntakePorts): IntakePorts => ({
      ...ports,
      objects: {
        ...ports.objects,
        stage: async (source, options) => {
          const staged = await ports.objects.stage(source, options)
          const commit = async () => {
            await staged.discard()
            throw new MediaError('storage_full', 'no room')
          }
          return { ...staged, commit }
        },
      },
    })
    await withKit(full, async (kit) => {
      await assert.rejects(upload(kit), { code: 'storage_full' })
      assert.deepEqual(await kit.kept(), nothing)
    })
  })
})
