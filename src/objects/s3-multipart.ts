import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListPartsCommand,
  type ListPartsCommandOutput,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { codeOf, MediaError } from '../media/errors.ts'
import { noUpload } from './parts.ts'
import type { ObjectRef, Part, PutOptions, StoredObject, UploadRef } from './port.ts'
import { type RunOptions, type S3, unquote } from './s3-client.ts'
import { doing, nameOf } from './s3-errors.ts'
import { headObject } from './s3-read.ts'
import { base64Of, type Range, sendRange } from './s3-spool.ts'

/** S3's own uploads in parts; `upload_id` is S3's. */
export interface Multipart {
  create(ref: ObjectRef, options: PutOptions): Promise<UploadRef>
  /** @param part `md5` in hexadecimal: S3 compares. */
  putPart(upload: UploadRef, part: { part_number: number; range: Range; md5: string } & RunOptions): Promise<Part>
  /** By number. @throws MediaError `not_found` */
  list(upload: UploadRef): Promise<Part[]>
  /** @throws MediaError `not_found`, `invalid_parts` */
  complete(upload: UploadRef, parts: readonly Part[]): Promise<StoredObject>
  abort(upload: UploadRef): Promise<void>
}

export function openMultipart(s3: S3): Multipart {
  return {
    create: async (ref, { content_type, signal }) => {
      const { bucket: Bucket, key: Key } = ref
      const wanted = { Bucket, Key, ContentType: content_type }
      const { UploadId } = await s3.run(
        doing('PutObject', ref),
        (client, abort) => client.send(new CreateMultipartUploadCommand(wanted), abort),
        { signal },
      )
      if (!UploadId) throw new MediaError('unavailable', 'S3 began an upload and gave it no name')
      return { ref, upload_id: UploadId }
    },

    putPart: async (upload, { part_number, range, md5, signal }) => {
      const { size } = range
      const asked = doing('PutObject', upload.ref)
      const { ETag } = await ofUpload(upload, () =>
        sendRange(s3, asked, { ...range, signal }, (client, Body, abort) => {
          const attributes = { PartNumber: part_number, ContentLength: size, ContentMD5: base64Of(md5) }
          return client.send(new UploadPartCommand({ ...namesOf(upload), ...attributes, Body }), abort)
        }),
      )
      return { part_number, size, etag: unquote(ETag) || md5 }
    },

    list: async (upload) => {
      const parts: Part[] = []
      let marker: string | undefined
      do {
        const wanted = { ...namesOf(upload), ...(marker !== undefined && { PartNumberMarker: marker }) }
        const page: ListPartsCommandOutput = await ofUpload(upload, () =>
          s3.run(doing('ListMultipartUploadParts', upload.ref), (client, abort) =>
            client.send(new ListPartsCommand(wanted), abort),
          ),
        )
        for (const { PartNumber = 0, Size = 0, ETag } of page.Parts ?? []) {
          parts.push({ part_number: PartNumber, size: Size, etag: unquote(ETag) })
        }
        marker = page.IsTruncated ? page.NextPartNumberMarker : undefined
      } while (marker !== undefined)
      return parts
    },

    complete: async (upload, parts) => await complete(s3, upload, parts),

    abort: async (upload) => {
      try {
        await ofUpload(upload, () =>
          s3.run(doing('AbortMultipartUpload', upload.ref), (client, abort) =>
            client.send(new AbortMultipartUploadCommand(namesOf(upload)), abort),
          ),
        )
      } catch (error) {
        if (codeOf(error) !== 'not_found') throw error
      }
    },
  }
}

function namesOf({ ref, upload_id }: UploadRef) {
  return { Bucket: ref.bucket, Key: ref.key, UploadId: upload_id }
}

/** In no bucket there is no upload either. */
async function ofUpload<T>(upload: UploadRef, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (nameOf(error) === 'NoSuchBucket' || codeOf(error) === 'not_found') throw noUpload(upload.upload_id)
    throw error
  }
}

/** S3 may have made the object and its answer been lost: then the upload is gone, and the object is there. */
async function complete(s3: S3, upload: UploadRef, parts: readonly Part[]): Promise<StoredObject> {
  const { ref } = upload
  const Parts = parts.map(({ part_number, etag }) => ({ PartNumber: part_number, ETag: `"${etag}"` }))
  let tries = 0
  let failure: unknown
  try {
    await s3.run(doing('PutObject', ref), async (client, abort) => {
      tries++
      await client.send(new CompleteMultipartUploadCommand({ ...namesOf(upload), MultipartUpload: { Parts } }), abort)
    })
  } catch (error) {
    const gone = codeOf(error) === 'not_found' || nameOf(error) === 'NoSuchBucket'
    if (gone && tries === 1) throw noUpload(upload.upload_id)
    if (!gone && codeOf(error) !== 'unavailable') throw error
    failure = error
  }
  // Some servers answer without an ETag, and none with the time.
  const object = await headObject(s3, ref).catch((error) => {
    throw failure ?? error
  })
  const size = parts.reduce((sum, part) => sum + part.size, 0)
  // An encrypting bucket's ETags are no MD5s; the number of parts is in all.
  if (object?.size === size && object.etag.endsWith(`-${parts.length}`)) return object
  throw failure ?? new MediaError('unavailable', `${ref.key} was completed and is not there`)
}
