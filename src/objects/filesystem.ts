import { createHash } from 'node:crypto'
import { open as openFile, readFile, rm, unlink, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Chance, type Clock, systemChance } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import { s3Url } from '../media/locations.ts'
import { openBuffers } from './buffers.ts'
import { closeQuietly, removeQuietly, storing, syncFolder } from './files.ts'
import { openFolders } from './folders.ts'
import { openHashing } from './hashing.ts'
import { checkBucket, placeOf, splitPrefix } from './keys.ts'
import { openLocks } from './locks.ts'
import type { Expiring, LocalFiles, ObjectRef, ObjectStore, PutOptions, Staged, StoredObject } from './port.ts'
import { openPresignedDoor, type PresignOptions } from './presign.ts'
import { openPublisher, removeDurably, wholeSeconds } from './publish.ts'
import { type OpenObject, openObject, readBody, readSidecar, type Sidecar } from './read.ts'
import { type ReceivedFile, receive } from './receive.ts'
import { openUploadFolders } from './upload-folders.ts'
import { openUploads } from './uploads.ts'
import { removeFolder, walkFiles } from './walk.ts'

export interface FilesystemOptions {
  /** A folder on one filesystem; made when missing. One process owns it at a time. */
  root: string
  clock: Clock
  /** Unguessable bytes: names of uploads. The system's when not given. */
  secret?: Chance['secret']
  /** False for a process that only reads beside the owner, as an edge of its own does: it leaves uploads under way alone. */
  owns?: boolean
  /** `off`: ETags are unique and say nothing of the bytes; receiving costs about half the CPU. */
  hashing?: 'md5' | 'off'
  /** What the addresses of parts are made of; without it none are given. */
  presign?: Omit<PresignOptions, 'clock'>
}

/**
 * Objects as plain files.
 *
 * Writes: `{root}/{bucket}/{key}`, a file a person can open, and beside it `.{name}.json` with size, ETag and type.
 * An object is there when both are there and agree in size. Uploads grow in `{root}/.staging`, emptied at start.
 * What comes in parts grows in `{root}/.uploads/{id}`: parts lie at their place in one file, and a journal beside it says
 * which are durable; complete, the file is renamed. Such uploads outlive restarts, and go when `expire` finds them old.
 * Needs: one filesystem with atomic rename, and a disk that keeps what it has synced (fsync, also of folders); it does
 * about five syncs an object, and two for each part or for several that end together. Back it up by copying the folder.
 * Memory: at most 16 MiB of large buffers, 64 KiB more for each further upload; two hash threads.
 * Cannot promise: more than one process or machine; a key that is also another key's folder (`a` and `a/b`);
 * listings of a folder with millions of entries in flat memory. Names that differ in case only need a filesystem that
 * tells them apart.
 */
export async function openFilesystemObjects(options: FilesystemOptions): Promise<ObjectStore & LocalFiles & Expiring> {
  const { clock, secret = systemChance.secret, hashing: wanted = 'md5', owns = true, presign } = options
  const root = resolve(options.root)
  const staging = join(root, '.staging')
  const uploading = join(root, '.uploads')
  const hashing = wanted === 'md5' ? openHashing() : null
  const buffers = openBuffers({ shared: hashing !== null })
  const locks = openLocks()
  const folders = await storing('opening the object store', async () => {
    if (owns) await rm(staging, { recursive: true, force: true })
    const opened = await openFolders(root)
    await opened.ensure(staging)
    await opened.ensure(uploading)
    return opened
  })
  let names = 0

  const newPath = () => join(staging, String(++names))
  const locate = (ref: ObjectRef) => placeOf(root, ref)
  const { writeSidecar, publish, publishKept } = openPublisher({ folders, newPath })
  const { expire: expireUploads, ...inParts } = openUploads({
    ...{ locate, locks, buffers, hashing, clock, secret, publishKept },
    folders: openUploadFolders({ root: uploading, locate, newPath, clock }),
  })

  function staged(file: ReceivedFile, path: string): Staged {
    const etag = file.md5 ?? opaqueEtag(clock.now(), path)
    let over = false
    async function end(): Promise<void> {
      over = true
      await closeQuietly(file.data)
      await removeQuietly(path)
    }
    return {
      size: file.size,
      etag,
      commit: async (ref, { content_type, signal }) => {
        if (over) throw new MediaError('internal', 'staged bytes were committed or discarded before')
        try {
          const place = locate(ref)
          signal?.throwIfAborted()
          const last_modified = wholeSeconds(clock.now())
          const sidecar: Sidecar = { size: file.size, etag, content_type, last_modified, done_at: null }
          await storing(`storing ${s3Url(ref)}`, async () => {
            await file.data.handle.sync()
            await locks.hold(place.data, () => publish(place, path, sidecar))
          })
          return { ref, size: file.size, etag, content_type, last_modified }
        } finally {
          await end()
        }
      },
      discard: async () => {
        if (!over) await end()
      },
    }
  }

  async function stage(
    source: AsyncIterable<Uint8Array>,
    given: Parameters<ObjectStore['stage']>[1] = {},
  ): Promise<Staged> {
    const path = newPath()
    return staged(await receive({ ...given, source, path, buffers, hashing }), path)
  }

  async function open(ref: ObjectRef): Promise<OpenObject | null> {
    const place = locate(ref)
    return await storing(`reading ${s3Url(ref)}`, () => openObject(ref, place))
  }

  async function remove(ref: ObjectRef): Promise<boolean> {
    const place = locate(ref)
    return await storing(`removing ${s3Url(ref)}`, () => locks.hold(place.data, () => removeDurably(place)))
  }

  async function putFile(ref: ObjectRef, path: string, put: PutOptions): Promise<StoredObject> {
    locate(ref)
    // A stream that opens its file itself may fail before anybody listens.
    const file = await openFile(path)
    const source = file.createReadStream({ highWaterMark: 1024 * 1024 })
    const { signal } = put
    const bytes = await stage(source, signal ? { signal } : {}).finally(() => source.destroy())
    return await bytes.commit(ref, put)
  }

  async function* list(bucket: string, prefix: string) {
    const { folder, start, base } = splitPrefix(root, bucket, prefix)
    for await (const { key, hasData } of walkFiles(folder, { start, base })) {
      if (!hasData) continue
      const found = await head({ bucket, key })
      if (found) yield { ref: found.ref, size: found.size, last_modified: found.last_modified }
    }
  }

  async function head(ref: ObjectRef): Promise<StoredObject | null> {
    const found = await open(ref)
    await found?.handle.close()
    return found?.object ?? null
  }

  return {
    ...inParts,
    ...(presign && openPresignedDoor({ ...presign, clock })),
    stage,
    putFile,
    head,
    list,
    get: async (ref, { range, signal } = {}) => {
      signal?.throwIfAborted()
      const found = await open(ref)
      if (!found) throw new MediaError('not_found', `no object ${s3Url(ref)}`)
      return { object: found.object, body: readBody(found, { range, signal }) }
    },
    pathOf: async (ref) => ((await head(ref)) ? locate(ref).data : null),
    remove: async (ref) => {
      await remove(ref)
    },
    removePrefix: async (bucket, prefix) => {
      const { folder, start } = splitPrefix(root, bucket, prefix)
      if (start !== '' || prefix === '')
        throw new MediaError('internal', `a prefix to remove ends with a slash: ${prefix}`)
      return await storing(`removing ${s3Url({ bucket, key: prefix })}`, () =>
        removeFolder(folder, { hold: (data, work) => locks.hold(data, work), forget: folders.forget }),
      )
    },
    markDone: async (ref) => {
      const place = locate(ref)
      await storing(`marking ${s3Url(ref)}`, () =>
        locks.hold(place.data, async () => {
          const sidecar = await readSidecar(place)
          if (!sidecar || sidecar.done_at !== null) return
          await writeSidecar(place, { ...sidecar, done_at: clock.now() })
          await syncFolder(place.folder)
        }),
      )
    },
    expire: async function* (bucket, { doneBefore, anyBefore }) {
      checkBucket(bucket)
      await storing('removing uploads that were never completed', () => expireUploads(bucket, anyBefore))
      for await (const { key, modified } of walkFiles(join(root, bucket), { start: '', base: '' })) {
        const ref = { bucket, key }
        // What has no attributes is what a crash left between two steps: its age is the file's.
        const { last_modified, done_at } = (await readSidecar(locate(ref))) ?? {
          last_modified: await modified(),
          done_at: null,
        }
        const expired = last_modified < anyBefore || (done_at !== null && done_at < doneBefore)
        if (expired && (await remove(ref))) yield ref
      }
    },
    ping: async () => {
      await storing('trying to write', async () => {
        const path = newPath()
        await writeFile(path, 'ping')
        await readFile(path)
        await unlink(path)
      })
    },
    close: async () => {
      await hashing?.close()
    },
  }
}

/** Unique among this store's; the suffix tells that it is no MD5 of the bytes, as S3 does for parts. */
function opaqueEtag(now: number, path: string): string {
  return `${createHash('md5').update(`${now} ${process.pid} ${path}`).digest('hex')}-0`
}
