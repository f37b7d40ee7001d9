import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, unlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../media/clock.ts'
import { parseSettings } from '../media/setting.ts'
import { describeObjects } from './conformance.ts'
import { all, collect, hasCode, md5, pieces } from './conformance-kit.ts'
import { openFilesystemObjects } from './filesystem.ts'
import { openObjects } from './open.ts'
import { hasLocalFiles, isExpiring } from './port.ts'
import { objectsSettings } from './settings.ts'

describeObjects('filesystem', {
  open: async () => {
    const root = await mkdtemp(join(tmpdir(), 'objects-'))
    let store = await openFilesystemObjects({ root, clock: systemClock })
    return {
      get store() {
        return store
      },
      unfinished: async () => [...(await readdir(join(root, '.staging'))), ...(await readdir(join(root, '.uploads')))],
      reopen: async () => {
        await store.close()
        store = await openFilesystemObjects({ root, clock: systemClock })
      },
      end: async () => {
        await store.close()
        await rm(root, { recursive: true, force: true })
      },
    }
  },
})

describe('filesystem objects', () => {
  const put = { content_type: 'image/png' }
  const bucket = 'b'
  let root: string
  let now = 1_000_000
  const clock = { ...systemClock, now: () => now }
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'objects-'))
  })
  after(async () => await rm(root, { recursive: true, force: true }))

  const open = async (folder: string) => await openFilesystemObjects({ root: join(root, folder), clock })
  type Store = Awaited<ReturnType<typeof open>>
  async function hold(store: Store, key: string, bytes: Uint8Array) {
    return await (await store.stage(pieces(bytes, 1000))).commit({ bucket, key }, put)
  }

  test('an object is a file that a person can open', async () => {
    const store = await open('plain')
    const bytes = randomBytes(5000)
    await hold(store, 'a/b/picture.png', bytes)
    const path = await store.pathOf({ bucket, key: 'a/b/picture.png' })
    assert.equal(path, join(root, 'plain', bucket, 'a/b/picture.png'))
    assert.ok(bytes.equals(await readFile(path)))
    assert.deepEqual(JSON.parse(await readFile(join(root, 'plain', bucket, 'a/b/.picture.png.json'), 'utf8')), {
      size: 5000,
      etag: md5(bytes),
      content_type: 'image/png',
      last_modified: 1_000_000,
      done_at: null,
    })
    assert.equal(await store.pathOf({ bucket, key: 'a/b/other.png' }), null)
    assert.ok(hasLocalFiles(store) && isExpiring(store))
    await store.close()
  })

  test('bytes without attributes, or of another size, are no object', async () => {
    const store = await open('torn')
    for (const key of ['cut', 'bare', 'ghost', 'garbled']) await hold(store, key, randomBytes(100))
    const at = (name: string) => join(root, 'torn', bucket, name)
    await writeFile(at('cut'), randomBytes(50))
    await unlink(at('.bare.json'))
    await unlink(at('ghost'))
    await writeFile(at('.garbled.json'), '{"size": 1')
    for (const key of ['cut', 'bare', 'ghost', 'garbled']) {
      assert.equal(await store.head({ bucket, key }), null, key)
      await assert.rejects(store.get({ bucket, key }), hasCode('not_found'), key)
    }
    assert.deepEqual(await all(store.list(bucket, '')), [])
    await store.close()
  })

  test('what was being received when the process died is gone at the next start', async () => {
    const first = await open('died')
    const staged = await first.stage(pieces(randomBytes(100_000), 1000))
    const staging = join(root, 'died', '.staging')
    assert.equal((await readdir(staging)).length, 1)
    const second = await open('died')
    assert.deepEqual(await readdir(staging), [])
    await staged.discard()
    await first.close()
    await second.close()
  })

  test('removing a prefix leaves no folders and no files of ours', async () => {
    const store = await open('emptied')
    for (const key of ['m/v1/a', 'm/v1/hls/b', 'm/v2/c', 'n/v1/a']) await hold(store, key, randomBytes(10))
    await unlink(join(root, 'emptied', bucket, 'm/v1/a'))
    assert.equal(await store.removePrefix(bucket, 'm/'), 2)
    assert.deepEqual(await readdir(join(root, 'emptied', bucket)), ['n'])
    await store.close()
  })

  test('files that others put there do no harm', async () => {
    const store = await open('foreign')
    await hold(store, 'ours', randomBytes(10))
    await writeFile(join(root, 'foreign', bucket, '.DS_Store'), 'x')
    await writeFile(join(root, 'foreign', bucket, 'mit Leerzeichen'), 'x')
    await mkdir(join(root, 'foreign', bucket, '.hidden'))
    const listed = await all(store.list(bucket, ''))
    assert.deepEqual(
      listed.map(({ ref }) => ref.key),
      ['ours'],
    )
    assert.deepEqual(await all(store.expire(bucket, { doneBefore: 0, anyBefore: 0 })), [])
    await store.close()
  })

  test('a key cannot lie below another', async () => {
    const store = await open('below')
    await hold(store, 'a', randomBytes(10))
    await assert.rejects(hold(store, 'a/b', randomBytes(10)), hasCode('internal'))
    await hold(store, 'c/d', randomBytes(10))
    await assert.rejects(hold(store, 'c', randomBytes(10)), hasCode('internal'))
    assert.ok(await store.head({ bucket, key: 'a' }))
    assert.ok(await store.head({ bucket, key: 'c/d' }))
    assert.deepEqual(await readdir(join(root, 'below', '.staging')), [])
    await store.close()
  })

  test('expires what is done, what is old, and what a crash left', async () => {
    const store = await open('expiring')
    const day = 86_400_000
    now = 100 * day
    await hold(store, 'old-done', randomBytes(10))
    await hold(store, 'old', randomBytes(10))
    await store.markDone({ bucket, key: 'old-done' })
    now = 105 * day
    await store.markDone({ bucket, key: 'old-done' })
    await hold(store, 'new-done', randomBytes(10))
    await store.markDone({ bucket, key: 'new-done' })
    await hold(store, 'new', randomBytes(10))
    const at = (name: string) => join(root, 'expiring', bucket, name)
    for (const name of ['orphan', '.ghost.json']) {
      await writeFile(at(name), '')
      await utimes(at(name), 20 * 86_400, 20 * 86_400)
    }
    const sweep = async (rules: { doneBefore: number; anyBefore: number }) =>
      (await all(store.expire(bucket, rules))).map(({ key }) => key)
    assert.deepEqual(await sweep({ doneBefore: 100 * day, anyBefore: 20 * day }), [])
    assert.deepEqual(await sweep({ doneBefore: 103 * day, anyBefore: 30 * day }), ['ghost', 'old-done', 'orphan'])
    assert.deepEqual(await sweep({ doneBefore: 103 * day, anyBefore: 101 * day }), ['old'])
    assert.deepEqual((await readdir(at('.'))).sort(), ['.new-done.json', '.new.json', 'new', 'new-done'])
    assert.deepEqual(await all(store.expire('no-such-bucket', { doneBefore: 0, anyBefore: 0 })), [])
    await store.close()
  })

  test('marking keeps the object as it is', async () => {
    const store = await open('marked')
    const stored = await hold(store, 'raw.png', randomBytes(10))
    await store.markDone({ bucket, key: 'raw.png' })
    assert.deepEqual(await store.head({ bucket, key: 'raw.png' }), stored)
    await store.close()
  })

  test('without hashing, ETags are unique and no MD5', async () => {
    const settings = parseSettings(objectsSettings, { OBJECTS_FILESYSTEM_ETAG: 'opaque' })
    const store = await openObjects(settings, { dataDir: join(root, 'opaque'), clock })
    const same = randomBytes(200_000)
    const first = await (await store.stage(pieces(same, 1000))).commit({ bucket, key: 'a' }, put)
    const second = await (await store.stage(pieces(same, 1000))).commit({ bucket, key: 'b' }, put)
    assert.notEqual(first.etag, second.etag)
    assert.match(first.etag, /^[0-9a-f]{32}-0$/)
    assert.ok(same.equals(await collect((await store.get({ bucket, key: 'a' })).body)))
    await store.close()
  })

  test('a disk that is not there is unavailable, not a surprise', async () => {
    const store = await open('lost')
    await rm(join(root, 'lost'), { recursive: true })
    await assert.rejects(store.stage(pieces(randomBytes(10), 10)), hasCode('unavailable'))
    await assert.rejects(store.ping(), hasCode('unavailable'))
    await writeFile(join(root, 'a-file'), '')
    await assert.rejects(open('a-file/below'), (error) => !hasCode('storage_full')(error))
    await store.close()
  })
})
