import { join } from 'node:path'
import type { Chance, Clock } from '../media/clock.ts'
import { codeOf, MediaError } from '../media/errors.ts'
import { s3Url } from '../media/locations.ts'
import { appendParts } from './append.ts'
import type { Buffers } from './buffers.ts'
import { storing } from './files.ts'
import type { Hashing } from './hashing.ts'
import type { UploadHandles } from './journal.ts'
import type { Place } from './keys.ts'
import type { Locks } from './locks.ts'
import {
  appendedPart,
  checkPart,
  checkPartSize,
  chooseParts,
  etagOfParts,
  heldOf,
  noUpload,
  strideOf,
} from './parts.ts'
import type { AppendOptions, Held, ObjectRef, ObjectStore, Part, PutPart, UploadRef } from './port.ts'
import { type Publisher, wholeSeconds } from './publish.ts'
import { receivePart } from './receive.ts'
import { dataName, type EndWork, type Upload, type Writing } from './upload.ts'
import type { UploadFolders } from './upload-folders.ts'
import { mayWiden, widen } from './widen.ts'

export type PartMethods = 'beginUpload' | 'putPart' | 'append' | 'heldOf' | 'completeUpload' | 'abortUpload'

export interface Uploads extends Pick<ObjectStore, PartMethods> {
  /** Removes uploads of a bucket that were begun before. */
  expire(bucket: string, before: number): Promise<void>
}

export interface UploadsGiven {
  folders: UploadFolders
  locate(ref: ObjectRef): Place
  publishKept: Publisher['publishKept']
  locks: Locks
  buffers: Buffers
  hashing: Hashing | null
  clock: Clock
  secret: Chance['secret']
}

/** Objects that come in parts, each written at its place in one file. */
export function openUploads(given: UploadsGiven): Uploads {
  const { folders, locate, buffers, hashing, clock, secret } = given
  const newEtag = () => secret(16).toString('hex')

  /** Resolves null when parts must first be farther apart. */
  async function receiveOne(upload: Upload, writing: Writing, part: PutPart): Promise<Part | null> {
    const { part_number, size, source } = part
    const stride = await strideFor(upload, strideOf(null, size), writing)
    if (size > stride && mayWiden(upload, part)) return null
    checkPartSize(size, stride)
    const { handles, signal, moved, record } = writing
    if (upload.facts.parts.has(part_number)) await record({ n: part_number, removed: true })
    const md5 = await receivePart({
      ...{ source, size, signal, moved, buffers, hashing, flush: record, onDiskError: failing(upload) },
      ...{ file: handles.data, position: (part_number - 1) * stride },
    })
    signal.throwIfAborted()
    const etag = md5 ?? newEtag()
    await record({ n: part_number, size, etag })
    return { part_number, size, etag }
  }

  async function appendTo(upload: Upload, writing: Writing, given: AppendOptions & Pick<PutPart, 'source'>) {
    const { offset, limit = Number.POSITIVE_INFINITY, source } = given
    const { handles, signal, moved, record } = writing
    const held = heldIn(upload).offset
    if (offset !== held) throw new MediaError('wrong_offset', `append at ${offset}, ${held} bytes held`)
    const stride = await strideFor(upload, appendedPart, writing)
    return await appendParts({
      ...{ source, stride, offset, limit, signal, moved, buffers, hashing, newEtag, clock, flush: record },
      file: handles.data,
      onDiskError: failing(upload),
      record: ({ part_number: n, size, etag }) => record({ n, size, etag }),
    })
  }

  /** Cuts the file to what is chosen and gives it its name. Nothing is copied, and nothing lost when a step fails. */
  async function complete(upload: Upload, named: Named, { data }: UploadHandles, record: Writing['record']) {
    const { facts, folder, about } = upload
    const chosen = chooseIn(upload, named)
    // What is cut off must not be believed to be held, should a later step fail.
    const dropped = [...facts.parts.keys()].filter((n) => n > chosen.length)
    if (dropped.length > 0) await record(...dropped.map((n) => ({ n, removed: true }) as const))
    const size = chosen.reduce((sum, part) => sum + part.size, 0)
    if ((await data.handle.stat()).size !== size) {
      await data.handle.truncate(size)
      await data.handle.sync()
    }
    const { ref, content_type } = about
    const etag = etagOfParts(chosen)
    const last_modified = wholeSeconds(clock.now())
    const place = locate(ref)
    await given.locks.hold(place.data, () =>
      given.publishKept(place, join(folder, dataName), {
        ...{ size, etag, content_type, last_modified, done_at: null },
      }),
    )
    return { ref, size, etag, content_type, last_modified }
  }

  /** Nothing is under way any more when `work` is done alone. */
  async function end<T>(doing: string, upload: UploadRef, one: Upload, work: EndWork<T>): Promise<T> {
    const reason = noUpload(upload.upload_id)
    return await one.end(reason, (...args) => storing(`${doing} ${s3Url(upload.ref)}`, () => work(...args)))
  }

  async function abort(upload: UploadRef): Promise<void> {
    try {
      await folders.use(upload, (one) => end('aborting', upload, one, () => folders.discard(one)))
    } catch (error) {
      if (codeOf(error) !== 'not_found') throw error
      // An earlier removal may have failed to sync.
      await storing(`aborting ${s3Url(upload.ref)}`, folders.sync)
    }
  }

  return {
    beginUpload: async (ref, { content_type, part_size }) => {
      locate(ref)
      const upload_id = newEtag()
      const about = { ref, content_type, part_size, created: clock.now() }
      await storing(`beginning ${s3Url(ref)}`, () => folders.make(upload_id, about))
      return { ref, upload_id }
    },
    putPart: async (upload, part) => {
      checkPart(part)
      return await folders.use(upload, async (one) => {
        for (;;) {
          const write = (writing: Writing) => receiveOne(one, writing, part)
          const received = await one.write(`part ${part.part_number}`, part.signal, write)
          if (received) return received
          await one.alone((writing) => widen(one, part, { ...writing, buffers }))
        }
      })
    },
    append: async (upload, source, options) =>
      await folders.use(upload, (one) =>
        one.write('append', options.signal, (writing) => appendTo(one, writing, { ...options, source })),
      ),
    heldOf: async (upload) => await folders.use(upload, async (one) => heldIn(one)),
    completeUpload: async (upload, named) =>
      await folders.use(upload, async (one) => {
        chooseIn(one, named) // before anybody is sent away
        return await end('completing', upload, one, async (handles, record) => {
          const object = await complete(one, named, handles, record)
          // Without its bytes it is taken for nothing, should this fail.
          await folders.discard(one).catch(() => {})
          return object
        })
      }),
    abortUpload: abort,
    expire: async (bucket, before) => {
      for await (const upload of folders.old(bucket, before)) await abort(upload)
    },
  }
}

type Named = Parameters<ObjectStore['completeUpload']>[1]

function heldIn({ facts }: Upload): Held {
  return heldOf(facts.parts.values(), facts.stride ?? appendedPart)
}

function chooseIn({ facts }: Upload, named: Named): Part[] {
  return chooseParts(facts.parts, facts.stride ?? appendedPart, named)
}

/** Fixes how far apart the parts are, durably, before the first byte of one. */
async function strideFor(upload: Upload, first: number, { record }: Writing): Promise<number> {
  if (upload.facts.stride === null) {
    upload.striding ??= record({ stride: first })
    await upload.striding
  }
  return upload.facts.stride ?? first
}

/** A full disk spoils one part; any other failure leaves it open what of the file is held. */
function failing(upload: Upload): (error: MediaError) => void {
  return (error) => {
    if (error.code !== 'storage_full') upload.fail(error)
  }
}
