import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { objectsOf } from '../engines.ts'
import { openJudge } from '../judge.ts'
import { formOf, makeSample } from '../samples.ts'
import { startTarget } from '../target.ts'

interface Entry {
  what: string
  where: string
  how: string
  objects: number | null
}

/** What a deletion removed where, held against what the store has then. */
describe('erasure', () => {
  test('the ledger of a deleted media names what was removed, and the store has none of it', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'erasure-'))
    const target = await startTarget({ dataDir, env: { WORKER_LEASE_SECONDS: '3', LOG_LEVEL: 'info' } })
    try {
      const judge = await openJudge(target.url)
      const body = formOf({ title: 'My secret title', file: await makeSample('photo.jpg') })
      const { media_id } = (await judge.ask('POST', '/api/media/upload', { body })).json
      const until = async <T>(what: string, look: () => Promise<T | undefined>): Promise<T> => {
        for (const deadline = Date.now() + 90_000; Date.now() < deadline; await sleep(100)) {
          const found = await look()
          if (found !== undefined) return found
        }
        throw new Error(`not within 90 s: ${what}`)
      }
      await until('processed', async () => {
        const { json } = await judge.ask('GET', `/api/media/${media_id}`)
        return json.status === 'processed' || undefined
      })
      const path = `/api/media/${media_id}/erasure`
      const early = await judge.ask('GET', path)
      assert.deepEqual([early.status, early.json.code], [409, 'wrong_state'])
      const before = (await objectsOf(dataDir)).filter((name) => name.includes(media_id))
      assert.ok(before.length > 3, before.join())

      assert.equal((await judge.ask('DELETE', `/api/media/${media_id}`)).status, 204)
      const erasing = (await judge.ask('GET', path)).json
      assert.deepEqual([erasing.state === 'erased', erasing.reason], [false, 'deleted'])
      assert.deepEqual(erasing.entries[0].what, 'record')
      const done = await until('erased', async () => {
        const { json } = await judge.ask('GET', path)
        return json.state === 'erased' ? json : undefined
      })
      assert.equal(done.left, 0)
      const sum = (what: string) =>
        done.entries
          .filter((entry: Entry) => entry.what === what)
          .reduce((all: number, { objects }: Entry) => all + (objects ?? 0), 0)
      assert.equal(sum('raw'), 1)
      assert.ok(sum('outputs') >= 3, `${sum('outputs')} outputs`)
      assert.ok(done.entries.some(({ what, how }: Entry) => what === 'cache' && how === 'refused'))
      for (const { where } of done.entries as Entry[]) assert.doesNotMatch(where, /secret title/)
      assert.deepEqual(
        (await objectsOf(dataDir)).filter((name) => /\./.test(name) && name.includes(media_id)),
        [],
      )
      const said = target
        .said()
        .split('\n')
        .filter((line) => line.includes('"audit"'))
      assert.deepEqual(
        said.map((line) => JSON.parse(line).audit),
        ['media.deleted', 'media.erased', 'media.erased'],
      )
      assert.equal((await judge.ask('GET', '/api/media/00000000-0000-4000-8000-000000000000/erasure')).status, 404)
      assert.deepEqual(judge.unseen('erasure'), [])
    } finally {
      await target.stop()
      await rm(dataDir, { recursive: true, force: true })
    }
  })
})
