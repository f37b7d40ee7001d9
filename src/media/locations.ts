import { MediaError } from './errors.ts'

/** `s3://bucket/key` is a logical name in every engine: a folder on the embedded engine, a bucket on S3. */
export interface ObjectRef {
  bucket: string
  key: string
}

export function s3Url({ bucket, key }: ObjectRef): string {
  return `s3://${bucket}/${key}`
}

/** @throws MediaError `internal` when `url` is not `s3://bucket/key`. */
export function parseS3Url(url: string): ObjectRef {
  const match = /^s3:\/\/([^/]+)\/(.+)$/.exec(url)
  if (!match?.[1] || !match[2]) throw new MediaError('internal', `not an s3:// address: ${url}`)
  return { bucket: match[1], key: match[2] }
}

/** Where an attempt's outputs lie: never over those of another. Ends with a slash. */
export function outputPrefix(media_id: string, token: number): string {
  return `${media_id}/v${token}/`
}
