import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openMemory, type Remembered, storageResumeStore } from './resume.ts'
import { fingerprintOf } from './source.ts'

const upload = (expires_at: string): Remembered => ({
  ...{ idempotency_key: 'key', title: 'A title', checksum: null, media_id: 'one', expires_at },
})
const future = '2999-01-01T00:00:00.000Z'
const past = '2020-01-01T00:00:00.000Z'

/** What `localStorage` is, without a page. */
function openStorage() {
  const entries = new Map<string, string>()
  return {
    entries,
    get length() {
      return entries.size
    },
    key: (index: number) => [...entries.keys()][index] ?? null,
    getItem: (key: string) => entries.get(key) ?? null,
    setItem: (key: string, value: string) => void entries.set(key, value),
    removeItem: (key: string) => void entries.delete(key),
  }
}

describe('what is remembered', () => {
  test('comes back until it expires; the expired is swept out, what belongs to others stays', async () => {
    const storage = openStorage()
    storage.setItem('somebody', 'else')
    const store = storageResumeStore(storage)
    await store.set('old', upload(past))
    await store.set('new', upload(future))
    assert.deepEqual([...storage.entries.keys()], ['somebody', 'media-upload:new'])
    assert.deepEqual(await openMemory(store, 'new').recall(), upload(future))
    await store.set('old', upload(past))
    assert.equal(await openMemory(store, 'old').recall(), null)
    await openMemory(store, 'new').forget()
    assert.equal(await store.get('new'), null)
  })

  test('what is no memory is none', async () => {
    const storage = openStorage()
    const store = storageResumeStore(storage)
    for (const text of ['', 'null', '{', '7', '{"media_id":"x"}']) {
      storage.setItem('media-upload:x', text)
      assert.equal(await openMemory(store, 'x').recall(), null, text)
    }
  })
})

test('a file is known by all that is cheap to know', async () => {
  const bytes = new Uint8Array(300_000)
  const file = (change: (bytes: Uint8Array) => void = () => {}, name = 'a', lastModified = 1, type = 'video/mp4') => {
    const copy = bytes.slice()
    change(copy)
    return new File([copy], name, { lastModified, type })
  }
  const of = async (one: File) => await fingerprintOf(one, one.name)
  const same = await of(file())
  assert.equal(await of(file()), same)
  const others = [
    file((copy) => copy.fill(1, 0, 1)),
    file((copy) => copy.fill(1, -1)),
    file(undefined, 'b'),
    file(undefined, 'a', 2),
    file(undefined, 'a', 1, 'video/webm'),
    new File([bytes.subarray(1)], 'a', { lastModified: 1, type: 'video/mp4' }),
  ]
  for (const other of others) assert.notEqual(await of(other), same)
  assert.notEqual(await fingerprintOf(new Blob([]), 'a'), await fingerprintOf(new Blob(['a']), 'a'))
})
