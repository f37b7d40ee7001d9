import { writeSync } from 'node:fs'
import { systemClock } from '../../src/media/clock.ts'
import { codeOf } from '../../src/media/errors.ts'
import { openFilesystemObjects } from '../../src/objects/filesystem.ts'
import { chunksOf, contentOf, type Fact, partSize, refs, wholeOf } from './parts-facts.ts'

/**
 * A program for the proofs: uploads in parts over the filesystem engine, and nothing else that could sync.
 * `node parts-program.ts FOLDER` prints a line for whatever is acknowledged, as soon as it is.
 */
const store = await openFilesystemObjects({ root: process.argv[2] ?? '', clock: systemClock })
const say = (fact: Fact) => writeSync(1, `${JSON.stringify(fact)}\n`)

/** Tries once more what has failed, as any sender would. */
async function insist(work: () => Promise<void>): Promise<void> {
  await work().catch(async (error) => {
    say({ failed: codeOf(error) })
    await work()
  })
}

async function attempt(work: () => Promise<void>): Promise<void> {
  await work().catch((error) => say({ failed: codeOf(error) }))
}

async function begin(upload: keyof typeof refs): Promise<string> {
  const { upload_id } = await store.beginUpload(refs[upload], { content_type: 'video/mp4', part_size: partSize })
  say({ upload, upload_id })
  return upload_id
}

async function put(upload: keyof typeof refs, upload_id: string, part_number: number, round: number): Promise<void> {
  const bytes = contentOf(part_number, round)
  say({ upload, sending: part_number })
  const { etag } = await store.putPart(
    { ref: refs[upload], upload_id },
    { part_number, source: chunksOf(bytes), size: bytes.length },
  )
  say({ upload, part_number, etag })
}

async function append(upload_id: string, to: number): Promise<void> {
  const { offset } = await store.heldOf({ ref: refs.appended, upload_id })
  const source = chunksOf(wholeOf().subarray(offset, to))
  say({ upload: 'appended', offset: await store.append({ ref: refs.appended, upload_id }, source, { offset }) })
}

async function complete(upload: keyof typeof refs, upload_id: string): Promise<void> {
  const { etag } = await store.completeUpload({ ref: refs[upload], upload_id })
  say({ upload, complete: etag })
}

await attempt(async () => {
  const id = await begin('parts')
  await insist(() => put('parts', id, 3, 1))
  await Promise.all([1, 2].map((n) => insist(() => put('parts', id, n, n === 2 ? 0 : 1))))
  await insist(() => put('parts', id, 2, 1))
  await insist(() => complete('parts', id))
})
await attempt(async () => {
  const id = await begin('appended')
  await insist(() => append(id, partSize + 10_000))
  await insist(() => append(id, wholeOf().length))
  await insist(() => complete('appended', id))
})
await attempt(async () => {
  const id = await begin('aborted')
  await insist(() => put('aborted', id, 1, 1))
  await insist(() => store.abortUpload({ ref: refs.aborted, upload_id: id }))
  say({ upload: 'aborted', aborted: true })
})
await store.close()
