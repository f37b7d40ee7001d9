import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { systemClock } from '../../media/clock.ts'
import { silentLog } from '../../media/log.ts'
import type { GetOptions, ObjectRef, ObjectStore } from '../../objects/port.ts'
import { large, media_id, openTestbed, until } from '../testbed.test.ts'
import { openStorage } from './storage.ts'

/** An edge whose store has no files on this machine, with a disk of its own; and what it has asked the store for. */
async function openBed(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'kept-'))
  const asked: (GetOptions['range'] | 'whole')[] = []
  const newId = () => randomUUID().replaceAll('-', '')
  const storage = await openStorage({ folder, limit: 64e6, memoryBytes: 0, newId, log: silentLog })
  const near = await openTestbed()
  const objects: ObjectStore = {
    ...withoutFiles(near.objects),
    get: async (ref: ObjectRef, options) => {
      asked.push(options?.range ?? 'whole')
      return await near.objects.get(ref, options)
    },
  }
  const far = await openTestbed({ edge: { objects, storage } })
  t.after(async () => {
    await Promise.all([far.close(), near.close()])
    await storage.close()
    await rm(folder, { recursive: true, force: true })
  })
  await near.store('720p.mp4', large)
  const bodies = async () =>
    (await readdir(folder, { recursive: true })).filter((name) => /\/[0-9a-f]{32}$/.test(name)).length
  return { ...far, folder, asked, bodies, url: far.sign('720p.mp4') }
}

function withoutFiles(objects: ObjectStore): ObjectStore {
  const { pathOf: _, ...rest } = objects as ObjectStore & { pathOf?: unknown }
  return rest
}

const bytesOf = async (url: string, headers: Record<string, string> = {}) =>
  Buffer.from(await (await fetch(url, { headers })).arrayBuffer())

describe('large objects of a store that is far away', () => {
  test('are brought once, however many read them, and read from this disk then', async (t) => {
    const { url, asked, bodies } = await openBed(t)
    const all = await Promise.all(Array.from({ length: 10 }, () => bytesOf(url)))
    for (const bytes of all) assert.ok(bytes.equals(large))
    // One look for the attributes, one for the bytes.
    assert.deepEqual(asked, ['whole', 'whole'])
    const part = await bytesOf(url, { range: 'bytes=1000000-2999999' })
    assert.ok(part.equals(large.subarray(1_000_000, 3_000_000)))
    assert.equal(asked.length, 2)
    assert.equal(await bodies(), 1)
  })

  test('leave the disk with their media', async (t) => {
    const { url, edge, bodies } = await openBed(t)
    await bytesOf(url)
    edge.forget(media_id)
    await until(async () => (await bodies()) === 0)
  })

  test('are delivered though this disk fails', async (t) => {
    const { url, folder, asked } = await openBed(t)
    await rm(folder, { recursive: true })
    assert.ok((await bytesOf(url)).equals(large))
    assert.ok((await bytesOf(url)).equals(large), 'and what is broken is not tried each time')
    assert.deepEqual(asked.at(-1), { start: 0, end: large.length - 1 })
  })

  test('that are gone from the disk are brought again', async (t) => {
    const { url, folder, asked } = await openBed(t)
    await bytesOf(url)
    await systemClock.sleep(50)
    for (const name of await readdir(folder, { recursive: true })) {
      if (/\/[0-9a-f]{32}$/.test(name)) await rm(join(folder, name))
    }
    assert.ok((await bytesOf(url)).equals(large))
    assert.equal(asked.length, 3)
  })
})
