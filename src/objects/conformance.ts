import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { describeAppending } from './conformance-append.ts'
import { bucket, collect, type Opened, pieces, put, type Suite } from './conformance-kit.ts'
import { describeParts } from './conformance-parts.ts'
import { describeStaging } from './conformance-staging.ts'
import { describeWhole } from './conformance-whole.ts'

export interface ObjectsSuite {
  open(): Promise<Opened>
  /** Tests that the driver cannot pass, each with the reason. */
  exceptions?: Record<string, string>
}

/** What every driver of the port must do. Its test file says only how to open it. */
export function describeObjects(name: string, { open, exceptions = {} }: ObjectsSuite): void {
  describe(`objects: ${name}`, () => {
    let opened: Opened
    let folder: string
    before(async () => {
      opened = await open()
      folder = await mkdtemp(join(tmpdir(), 'objects-suite-'))
    })
    after(async () => {
      await opened.end()
      await rm(folder, { recursive: true, force: true })
    })

    const given = new Set<string>()
    const suite: Suite = {
      get opened() {
        return opened
      },
      get store() {
        return opened.store
      },
      get folder() {
        return folder
      },
      must: (title, work) => {
        given.add(title)
        const reason = exceptions[title]
        test(title, reason === undefined ? {} : { skip: reason }, work)
      },
      hold: async (key, bytes, options = put) =>
        await (await opened.store.stage(pieces(bytes, 50_000))).commit({ bucket, key }, options),
      bytesAt: async (key, range) => {
        const { body } = await opened.store.get({ bucket, key }, range ? { range } : {})
        return await collect(body)
      },
      keys: async (prefix) => {
        const found: string[] = []
        for await (const { ref } of opened.store.list(bucket, prefix)) found.push(ref.key)
        return found
      },
    }
    describeWhole(suite)
    describeStaging(suite)
    describeParts(suite)
    describeAppending(suite)

    suite.must('says whether it would take a write', async () => await opened.store.ping())

    test('every exception is of a test that exists', () => {
      assert.deepEqual(
        Object.keys(exceptions).filter((title) => !given.has(title)),
        [],
      )
    })
  })
}
