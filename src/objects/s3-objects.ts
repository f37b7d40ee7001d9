import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import type { ObjectRef, PutOptions } from './port.ts'
import { type S3, unquote } from './s3-client.ts'
import { doing } from './s3-errors.ts'
import { base64Of, type Range, sendRange } from './s3-spool.ts'

export interface ListedEntry {
  key: string
  size: number
  /** Without quotes. */
  etag: string
  /** Milliseconds since the epoch. */
  last_modified: number
}

/** Whole objects, whatever their keys. */
export interface S3Objects {
  /** One request, whose bytes S3 compares with their MD5; resolves with the ETag. */
  put(ref: ObjectRef, range: Range, options: PutOptions & { md5: string }): Promise<string>
  entries(bucket: string, prefix: string): AsyncIterable<ListedEntry>
  remove(ref: ObjectRef): Promise<void>
  removeKeys(bucket: string, keys: readonly string[]): Promise<void>
}

/** What S3 removes in one request. */
const removedAtOnce = 1_000

export function openS3Objects(s3: S3): S3Objects {
  return {
    put: async (ref, range, { content_type, md5, signal }) => {
      const { bucket: Bucket, key: Key } = ref
      const { ETag } = await sendRange(s3, doing('PutObject', ref), { ...range, signal }, (client, Body, abort) => {
        const attributes = { ContentType: content_type, ContentLength: range.size, ContentMD5: base64Of(md5) }
        return client.send(new PutObjectCommand({ Bucket, Key, Body, ...attributes }), abort)
      })
      return unquote(ETag) || md5
    },

    entries: async function* (bucket, prefix) {
      let ContinuationToken: string | undefined
      do {
        const wanted = { Bucket: bucket, Prefix: prefix, ...(ContinuationToken && { ContinuationToken }) }
        const page: ListObjectsV2CommandOutput = await s3.run(
          { action: 's3:ListBucket', bucket, key: prefix },
          (client, abort) => client.send(new ListObjectsV2Command(wanted), abort),
        )
        for (const { Key, Size, ETag, LastModified } of page.Contents ?? []) {
          if (Key === undefined) continue
          yield { key: Key, size: Size ?? 0, etag: unquote(ETag), last_modified: LastModified?.getTime() ?? 0 }
        }
        ContinuationToken = page.IsTruncated ? page.NextContinuationToken : undefined
      } while (ContinuationToken !== undefined)
    },

    remove: async (ref) => {
      const { bucket: Bucket, key: Key } = ref
      await s3.run(doing('DeleteObject', ref), (client, abort) =>
        client.send(new DeleteObjectCommand({ Bucket, Key }), abort),
      )
    },

    removeKeys: async (bucket, keys) => {
      for (let start = 0; start < keys.length; start += removedAtOnce) {
        await removeSome(s3, bucket, keys.slice(start, start + removedAtOnce))
      }
    },
  }
}

/** Some may fail where others do not: those alone are asked for again. */
async function removeSome(s3: S3, bucket: string, keys: readonly string[]): Promise<void> {
  let left = keys
  await s3.run({ action: 's3:DeleteObject', bucket }, async (client, abort) => {
    const Delete = { Objects: left.map((Key) => ({ Key })), Quiet: true }
    const { Errors = [] } = await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete }), abort)
    const [first] = Errors
    if (!first) return
    left = Errors.map(({ Key }) => Key ?? '').filter((key) => key !== '')
    const { Code: name = 'InternalError', Message = 'an object was not removed' } = first
    const $metadata = { httpStatusCode: name === 'AccessDenied' ? 403 : 400 }
    throw Object.assign(new Error(Message), { name, $metadata })
  })
}
