import { HeadBucketCommand, PutObjectTaggingCommand } from '@aws-sdk/client-s3'
import type { Chance, Clock } from '../media/clock.ts'
import { codeOf, MediaError } from '../media/errors.ts'
import { openBuffers } from './buffers.ts'
import { closeQuietly, removeQuietly, statOf, storing } from './files.ts'
import { openHashing } from './hashing.ts'
import { checkBucket, checkFolder, checkRef, isName } from './keys.ts'
import type { ObjectRef, ObjectStore, Presigning, PutOptions, Staged, StoredObject } from './port.ts'
import { type ReceivedFile, receive } from './receive.ts'
import { makeClient, openS3, type S3Address } from './s3-client.ts'
import { doing } from './s3-errors.ts'
import { openFileSender } from './s3-files.ts'
import { openMultipart } from './s3-multipart.ts'
import { openS3Objects as openWholeObjects } from './s3-objects.ts'
import { openS3Presigning } from './s3-presign.ts'
import { getObject, headObject } from './s3-read.ts'
import { openSpool } from './s3-spool.ts'
import { openS3Uploads } from './s3-uploads.ts'

export interface S3Options extends S3Address {
  /** Readiness asks for these. */
  buckets: readonly string[]
  /** A folder of this machine for bytes on their way, none for who only reads; nothing in it outlives the process. */
  spool: string | null
  clock: Clock
  chance: Pick<Chance, 'random'>
}

/** What the bucket's lifecycle looks for. */
export const doneTag = { Key: 'media-service', Value: 'done' }

/**
 * Objects in buckets of S3, or of a server that speaks as S3 does.
 *
 * Writes: `s3://{bucket}/{key}`, and below `.tails/` of the same bucket what was appended and is no full part yet. Bytes
 * that come through the service are spooled to a file first, so that they are sent with their MD5 and, when a request
 * fails, again: parts four at a time, each request five times at most, with pauses of up to 10 s.
 * Needs: buckets (`npm start -- setup` makes them with their lifecycle and CORS), room in the spool for what is on its way
 * (the whole file by form or raw PUT, four parts of one that is appended), and these permissions on objects:
 * `s3:GetObject`, `PutObject`, `DeleteObject`, `PutObjectTagging`, `AbortMultipartUpload`, `ListMultipartUploadParts`; on
 * buckets `s3:ListBucket`.
 * Costs: two requests an object, one a part; when something is appended, a list of parts and tails, and the last, unfinished part is read
 * again; of a slow sender one request in 5 s.
 * Cannot promise: that raw media live `TEMP_DAYS` after they were processed, for S3 counts from when they came; ETags that
 * are MD5s in buckets that encrypt with keys of KMS; that a part which was cut while it was sent again is gone: the one
 * before stands.
 */
export async function openS3Objects(options: S3Options): Promise<ObjectStore & Presigning> {
  const { clock, chance, publicEndpoint, endpoint } = options
  const spool = await openSpool(options.spool)
  const client = makeClient(options)
  const publicClient = makeClient({ ...options, endpoint: publicEndpoint ?? endpoint })
  const s3 = openS3(client, { clock, chance })
  const hashing = openHashing()
  const buffers = openBuffers({ shared: true })
  const objects = openWholeObjects(s3)
  const multipart = openMultipart(s3)
  const files = openFileSender({ s3, objects, multipart, hashing, buffers })

  function staged(file: ReceivedFile, path: string): Staged {
    const { size, md5 } = file
    const etag = md5 ?? ''
    let over = false
    async function end(): Promise<void> {
      over = true
      await closeQuietly(file.data)
      await removeQuietly(path)
    }
    return {
      size,
      etag,
      commit: async (ref, put) => {
        if (over) throw new MediaError('internal', 'staged bytes were committed or discarded before')
        try {
          checkRef(ref)
          return await files.putWhole(ref, path, { ...put, size, md5: etag })
        } finally {
          await end()
        }
      },
      discard: async () => {
        if (!over) await end()
      },
    }
  }

  async function head(ref: ObjectRef): Promise<StoredObject | null> {
    checkRef(ref)
    return await headObject(s3, ref)
  }

  return {
    ...openS3Uploads({
      ...{ multipart, objects, spool, buffers, hashing, clock },
      read: async function* ({ ref }, { key }) {
        yield* (await getObject(s3, { bucket: ref.bucket, key })).body
      },
    }),
    ...openS3Presigning(publicClient),
    stage: async (source, given = {}) => {
      const path = spool.newPath()
      return staged(await receive({ ...given, source, path, buffers, hashing, flush: async () => {} }), path)
    },
    putFile: async (ref, path, put: PutOptions) => {
      checkRef(ref)
      const size = (await storing('reading a local file', () => statOf(path)))?.size
      if (size === undefined) throw new MediaError('internal', `no local file for ${ref.key}`)
      return await files.putFile(ref, path, { ...put, size })
    },
    head,
    get: async (ref, given) => {
      checkRef(ref)
      return await getObject(s3, ref, given)
    },
    remove: async (ref) => {
      checkRef(ref)
      await objects.remove(ref)
    },
    removePrefix: async (bucket, prefix) => {
      checkFolder(bucket, prefix)
      return await removeAll(objects, bucket, prefix)
    },
    list: async function* (bucket, prefix) {
      checkBucket(bucket)
      for await (const { key, size, last_modified } of objects.entries(bucket, prefix)) {
        if (key.split('/').every(isName)) yield { ref: { bucket, key }, size, last_modified }
      }
    },
    markDone: async (ref) => {
      checkRef(ref)
      const { bucket: Bucket, key: Key } = ref
      const wanted = { Bucket, Key, Tagging: { TagSet: [doneTag] } }
      try {
        await s3.run(doing('PutObjectTagging', ref), (_, abort) =>
          client.send(new PutObjectTaggingCommand(wanted), abort),
        )
      } catch (error) {
        if (codeOf(error) !== 'not_found') throw error
      }
    },
    ping: async () => {
      for (const bucket of options.buckets) {
        const asked = { action: 's3:ListBucket', bucket }
        await s3.run(asked, (_, abort) => client.send(new HeadBucketCommand({ Bucket: bucket }), abort), {
          attempts: 1,
        })
      }
    },
    close: async () => {
      await hashing.close()
      await spool.close()
      s3.close()
      publicClient.destroy()
    },
  }
}

const removedAtOnce = 1_000

async function removeAll(
  objects: ReturnType<typeof openWholeObjects>,
  bucket: string,
  prefix: string,
): Promise<number> {
  let removed = 0
  let keys: string[] = []
  const flush = async () => {
    if (keys.length > 0) await objects.removeKeys(bucket, keys)
    removed += keys.length
    keys = []
  }
  for await (const { key } of objects.entries(bucket, prefix)) {
    keys.push(key)
    if (keys.length === removedAtOnce) await flush()
  }
  await flush()
  return removed
}
