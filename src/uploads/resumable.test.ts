import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { gif, type Kit, openKit } from './kit.test.ts'
import { openPending } from './pending.ts'
import { openResumable, type Resumable } from './resumable.ts'

const limits = { tempBucket: 'temp', maxBytes: 200_000, expirySeconds: 3_600 }
const said = { user_id: 'ada', title: null, filename: 'a.gif', content_type: null, metadata: null }
const { signal } = new AbortController()

describe('resumable uploads', () => {
  let kit: Kit
  let resumable: Resumable
  before(async () => {
    kit = await openKit()
    resumable = openResumable({ ...kit, ...limits, pending: openPending({ ...kit, ...limits }), silence: 200 })
  })
  after(async () => {
    await resumable.close()
    await kit.close()
  })

  async function* slowly(bytes: Uint8Array, pieces: number, ms: number) {
    for (let n = 0; n < pieces; n++) {
      await kit.clock.sleep(ms)
      yield bytes.subarray((n * bytes.length) / pieces, ((n + 1) * bytes.length) / pieces)
    }
  }
  async function* thenSilent(bytes: Uint8Array) {
    yield bytes
    await new Promise(() => {})
  }
  const appendTo = async (media_id: string, source: AsyncIterable<Uint8Array>) =>
    await resumable.inTurn('ada', media_id, async (turn) => {
      return await resumable.append(await resumable.standing('ada', media_id), { source, signal: turn })
    })

  test('a sender who falls silent is given up by itself, and what came is kept', async () => {
    const { media_id } = await resumable.begin({ ...said, file_size: 100_000 })
    await assert.rejects(appendTo(media_id, thenSilent(gif(70_000))), { code: 'upload_interrupted' })
    assert.equal((await resumable.standing('ada', media_id)).offset, 70_000)
  })

  test('a slow sender is not', async () => {
    const { media_id } = await resumable.begin({ ...said, file_size: 8_000 })
    const { complete, offset } = await appendTo(media_id, slowly(gif(8_000), 8, 100))
    assert.deepEqual([complete, offset], [true, 8_000])
  })

  test('of a length left open, more than may be is refused and gone', async () => {
    const { media_id } = await resumable.begin({ ...said, file_size: null })
    await assert.rejects(appendTo(media_id, slowly(gif(300_000), 10, 0)), { code: 'too_large' })
    await assert.rejects(resumable.standing('ada', media_id), { code: 'not_found' })
  })

  test('others are not even disturbed', async () => {
    const { media_id } = await resumable.begin({ ...said, file_size: 8_000 })
    await resumable.inTurn('ada', media_id, async (turn) => {
      await assert.rejects(
        resumable.inTurn('bob', media_id, async () => {}),
        { code: 'not_found' },
      )
      assert.equal(turn.aborted, false)
    })
  })

  test('a type that is only seen at the end is refused there', async () => {
    const { media_id } = await resumable.begin({ ...said, file_size: 100 })
    const standing = await resumable.standing('ada', media_id)
    const source = slowly(Buffer.alloc(100, 'text'), 2, 0)
    await assert.rejects(resumable.append(standing, { source, signal }), { code: 'unsupported_media' })
    await assert.rejects(resumable.standing('ada', media_id), { code: 'unsupported_media' })
  })
})
