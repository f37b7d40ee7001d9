import { MediaError } from '../media/errors.ts'
import { type ObjectRef, s3Url } from '../media/locations.ts'
import { storageError } from './files.ts'

/** What is asked of S3: the permission it takes, and where. */
export interface Doing {
  /** As in a policy: `s3:PutObject`. */
  action: string
  bucket: string
  key?: string
}

export function doing(action: string, { bucket, key }: ObjectRef): Doing {
  return { action: `s3:${action}`, bucket, key }
}

/** What of an SDK's error is looked at; its other fields may hold what was signed and are not passed on. */
interface S3Failure {
  name?: string
  message?: string
  code?: string
  syscall?: string
  $metadata?: { httpStatusCode?: number; requestId?: string }
  $response?: { statusCode?: number }
}

const transientNames = new Set([
  'BadDigest', // the bytes were damaged on their way
  'ConditionalRequestConflict',
  'IncompleteBody',
  'InternalError',
  'OperationAborted',
  'RequestTimeTooSkewed', // the SDK has corrected its clock by the answer
  'RequestTimeout',
  'ServiceUnavailable',
  'SlowDown',
  'Throttling',
  'ThrottlingException',
])

/** Whether the same request may well be answered next time. */
export function isTransient(error: unknown): boolean {
  const failure = (error ?? {}) as S3Failure
  if (transientNames.has(String(failure.name))) return true
  const status = statusOf(failure)
  if (status !== undefined) return status >= 500 || status === 429
  // Nobody answered, unless it is our own disk or our own mistake.
  return !isOurs(error)
}

function isOurs(error: unknown): boolean {
  if (error instanceof MediaError || error instanceof TypeError || error instanceof RangeError) return true
  return ['open', 'read', 'write'].includes(String((error as S3Failure).syscall)) && !isSocket(error as S3Failure)
}

function isSocket({ code }: S3Failure): boolean {
  return ['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ECONNABORTED', 'ENOTCONN'].includes(String(code))
}

function statusOf({ $metadata, $response }: S3Failure): number | undefined {
  return $metadata?.httpStatusCode ?? $response?.statusCode
}

/** S3's own name of an error that `s3Error` has made ours; empty when it has none. */
export function nameOf(error: unknown): string {
  const { cause } = (error ?? {}) as { cause?: unknown }
  return cause instanceof Error ? cause.name : ''
}

/** What an error of S3 means to those above. */
export function s3Error(error: unknown, asked: Doing): MediaError {
  if (error instanceof MediaError) return error
  const failure = (error ?? {}) as S3Failure
  const where = s3Url({ bucket: asked.bucket, key: asked.key ?? '' })
  if (statusOf(failure) === undefined && isOurs(error)) return storageError(error, `sending ${where}`)
  const { code, text, detail } = meaningOf(failure, asked, where)
  return new MediaError(code, text, { cause: scrubbed(failure), ...(detail !== undefined && { detail }) })
}

interface Meaning {
  code: MediaError['code']
  text: string
  detail?: string
}

function meaningOf(failure: S3Failure, { action, bucket }: Doing, where: string): Meaning {
  const status = statusOf(failure)
  const said = `${failure.name}${status === undefined ? '' : `, HTTP ${status}`}`
  switch (failure.name) {
    case 'NoSuchBucket':
      return {
        code: 'unavailable',
        text: `there is no bucket "${bucket}": \`npm start -- setup\` makes it, or name another`,
      }
    case 'NoSuchUpload':
      return { code: 'not_found', text: `no such upload of ${where}: never begun, complete or aborted` }
    case 'EntityTooSmall':
      return {
        code: 'invalid_parts',
        text: `a part of ${where} is too small`,
        detail: 'Each part but the last has 5 MiB at least.',
      }
    case 'InvalidPart':
    case 'InvalidPartOrder':
      return {
        code: 'invalid_parts',
        text: `${said} for ${where}`,
        detail: 'A part is not stored, or has another ETag.',
      }
    case 'QuotaExceeded':
      return { code: 'storage_full', text: `no room left in bucket "${bucket}" (${said})` }
    case 'InvalidAccessKeyId':
    case 'SignatureDoesNotMatch':
    case 'ExpiredToken':
    case 'InvalidToken':
    case 'CredentialsProviderError':
      return {
        code: 'unavailable',
        text: `S3 was not given credentials it knows (${said}): see AWS_ACCESS_KEY_ID or the role of this machine`,
      }
  }
  if (status === 404) return { code: 'not_found', text: `no object ${where}` }
  if (status === 403)
    return {
      code: 'unavailable',
      text: `S3 refuses ${action} on bucket "${bucket}": allow it to the service (${said})`,
    }
  if (status === 507) return { code: 'storage_full', text: `no room left in bucket "${bucket}" (${said})` }
  return { code: 'unavailable', text: `S3 failed at ${action} of ${where} (${failure.code ?? said})` }
}

/** The error without the fields that say what was signed, and how. */
function scrubbed({ name, message, $metadata }: S3Failure): Error {
  const request = $metadata?.requestId ? ` (request ${$metadata.requestId})` : ''
  return Object.assign(new Error(`${message ?? ''}${request}`), { name: name ?? 'Error' })
}
