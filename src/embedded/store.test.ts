import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Worker } from 'node:worker_threads'
import { MediaError } from '../media/errors.ts'
import { backlogLimit } from './desk.ts'
import { migrations } from './migrations.ts'
import { openInlineStore, openStore, type Step, type Store } from './store.ts'

const insert = (job_id: string, orConflict?: string): Step => ({
  sql: `INSERT INTO wakeups (lane, job_id) VALUES ('tasks', :job_id)
        ON CONFLICT (lane, job_id) WHERE hidden_until IS NULL DO NOTHING`,
  params: { job_id },
  ...(orConflict === undefined ? {} : { orConflict }),
})
const wrong: Step = { sql: 'INSERT INTO no_such_table VALUES (1)' }
const all: Step = { sql: 'SELECT job_id FROM wakeups ORDER BY id' }

async function names(store: Store): Promise<string[]> {
  const [rows = []] = await store.query([all])
  return rows.map(({ job_id }) => job_id)
}

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'store-'))
  path = join(folder, 'new', 'media.db')
})
afterEach(async () => await rm(folder, { recursive: true }))

for (const [name, open] of [
  ['in a thread', () => openStore({ path })],
  ['inline', async () => openInlineStore()],
] as const) {
  describe(`store ${name}`, () => {
    let store: Store
    beforeEach(async () => {
      store = await open()
    })
    afterEach(async () => await store.close())

    it('answers with the rows of each step', async () => {
      const returning = { sql: 'UPDATE pulse SET beats = 7 RETURNING beats' }
      const [nothing, rows, beats] = await store.transaction([insert('a'), all, returning])
      assert.deepEqual(nothing, [])
      assert.deepEqual(
        rows?.map(({ job_id }) => job_id),
        ['a'],
      )
      assert.deepEqual(
        beats?.map((row) => row.beats),
        [7],
      )
    })

    it('undoes all steps when one fails, and leaves the others of the batch alone', async () => {
      const results = await Promise.allSettled([
        store.transaction([insert('a')]),
        store.transaction([insert('b'), wrong]),
        store.transaction([insert('c'), insert('a', 'a is there')]),
        store.transaction([insert('d'), insert('e')]),
        store.transaction([insert('a', 'a is there')]),
        store.transaction([wrong]),
      ])
      const outcomes = results.map((result) => (result.status === 'fulfilled' ? 'ok' : result.reason.code))
      assert.deepEqual(outcomes, ['ok', 'internal', 'conflict', 'ok', 'conflict', 'internal'])
      assert.deepEqual(await names(store), ['a', 'd', 'e'])
    })

    it('reads after the writes it was asked for before, and reads on when one query is wrong', async () => {
      const written = store.transaction([insert('a')])
      const failed = store.query([{ sql: 'SELECT nothing' }])
      const read = names(store)
      await assert.rejects(failed, { code: 'internal' })
      assert.deepEqual(await read, ['a'])
      await written
    })

    it('refuses the whole batch when there is no room, and goes on when there is', async () => {
      const [pages = []] = await store.query([{ sql: 'PRAGMA page_count' }])
      await store.query([{ sql: `PRAGMA max_page_count = ${pages[0]?.page_count}` }])
      const batch = await Promise.allSettled([
        store.transaction([insert('small')]),
        store.transaction([insert('x'.repeat(100_000))]),
        names(store),
      ])
      assert.deepEqual(
        batch.map((result) => (result.status === 'fulfilled' ? result.value : result.reason.code)),
        ['storage_full', 'storage_full', []],
      )
      await store.query([{ sql: 'PRAGMA max_page_count = 100000' }])
      await store.transaction([insert('y'.repeat(100_000))])
      await store.ping()
      assert.equal((await names(store)).length, 1)
    })

    it('refuses more requests than its backlog holds, and none of those it took', async () => {
      const taken = Array.from({ length: backlogLimit }, (_, index) => store.transaction([insert(`${index}`)]))
      await assert.rejects(store.transaction([insert('one too many')]), { code: 'unavailable' })
      await Promise.all(taken)
      assert.equal((await names(store)).length, backlogLimit)
    })

    it('answers what was asked before it closes, refuses what comes after, and closes twice', async () => {
      const asked = store.transaction([insert('a')])
      const closed = store.close()
      await assert.rejects(store.transaction([insert('b')]), { code: 'unavailable' })
      await asked
      await closed
      await store.close()
    })
  })
}

describe('store on a disk', () => {
  it('keeps what it has acknowledged over a close', async () => {
    const first = await openStore({ path })
    await first.transaction([insert('a')])
    await first.close()
    const second = await openStore({ path })
    assert.deepEqual(await names(second), ['a'])
    await second.close()
  })

  it('has one owner, in this process too, and names the folder and the way out', async () => {
    const owner = await openStore({ path })
    await assert.rejects(openStore({ path }), (error) => {
      assert.ok(error instanceof MediaError)
      assert.equal(error.code, 'unavailable')
      assert.ok(error.message.includes(join(folder, 'new')) && error.message.includes('DATA_DIR'))
      return true
    })
    await owner.transaction([insert('still mine')])
    await owner.close()
    await (await openStore({ path })).close()
  })

  it('is owned against other processes, and free again when its owner was killed', async () => {
    const writer = fileURLToPath(new URL('./fixtures/writer.ts', import.meta.url))
    const child = spawn(process.execPath, [writer, path, '2'], { stdio: ['ignore', 'pipe', 'inherit'] })
    const exited = once(child, 'exit')
    try {
      for await (const line of createInterface(child.stdout)) {
        if (line === 'done') break
      }
      await assert.rejects(openStore({ path }), { code: 'unavailable', message: /another running process/ })
    } finally {
      child.kill('SIGKILL')
    }
    await exited
    const store = await openStore({ path })
    assert.equal((await names(store)).length, 2)
    await store.close()
  })

  it('says so when its thread dies, to all who wait and to all who come', async () => {
    const started = once(process, 'worker') as Promise<[Worker]>
    const fatal = Promise.withResolvers<Error>()
    const store = await openStore({ path, onFatal: fatal.resolve })
    const [thread] = await started
    const waiting = assert.rejects(store.transaction([insert('a')]), { code: 'unavailable' })
    await thread.terminate()
    await waiting
    assert.match((await fatal.promise).message, /thread/)
    await assert.rejects(store.query([all]), { code: 'unavailable' })
    await store.close()
  })

  it('refuses a file that is no database, and a folder it cannot make', async () => {
    const file = join(folder, 'note.txt')
    await writeFile(file, 'not a database '.repeat(100))
    await assert.rejects(openStore({ path: file }), { code: 'unavailable', message: /note\.txt.*not a database/ })
    await assert.rejects(openStore({ path: join(file, 'media.db') }), { code: 'unavailable', message: /cannot open/ })
    assert.equal((await stat(file)).size, 1500)
  })
})

describe('store migrations', () => {
  it('opens a folder of schema 1 with all that lies in it', async () => {
    const file = join(folder, 'media.db')
    const old = new DatabaseSync(file)
    old.exec(await readFile(new URL('./fixtures/schema-1.sql', import.meta.url), 'utf8'))
    old.close()
    const store = await openStore({ path: file })
    const [version, counts, media] = await store.query([
      { sql: 'PRAGMA user_version' },
      { sql: 'SELECT state, jobs FROM job_counts WHERE jobs > 0 ORDER BY state' },
      { sql: `SELECT json_extract(doc, '$.title') AS title, event_seq FROM media ORDER BY media_id` },
    ])
    assert.deepEqual(version, [{ user_version: migrations.length }])
    assert.deepEqual(counts, [
      { state: 'done', jobs: 1 },
      { state: 'queued', jobs: 2 },
    ])
    assert.deepEqual(media, [
      { title: 'Mountain Adventure', event_seq: 2 },
      { title: 'Été', event_seq: 1 },
    ])
    await store.close()
  })

  it('makes the same schema from nothing as from schema 1', async () => {
    const file = join(folder, 'media.db')
    const old = new DatabaseSync(file)
    old.exec(await readFile(new URL('./fixtures/schema-1.sql', import.meta.url), 'utf8'))
    old.close()
    const schemas = await Promise.all([file, path].map(readSchema))
    assert.deepEqual(schemas[0], schemas[1])
  })

  it('does not touch data that a newer release has written', async () => {
    await (await openStore({ path })).close()
    const newer = new DatabaseSync(path)
    newer.exec(`PRAGMA user_version = ${migrations.length + 1}`)
    newer.close()
    await assert.rejects(openStore({ path }), { code: 'unavailable', message: /newer release/ })
  })
})

async function readSchema(file: string): Promise<unknown> {
  const store = await openStore({ path: file })
  const [tables] = await store.query([{ sql: 'SELECT type, name, sql FROM sqlite_schema ORDER BY name' }])
  await store.close()
  return tables?.map((table) => ({ ...table, sql: table.sql?.replace(/\s+/g, ' ') }))
}
