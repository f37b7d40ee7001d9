import type { Problem } from '../../contract/problem.ts'
import { codeOf, type ErrorCode, errorCodes, MediaError } from '../media/errors.ts'

/** What a code means to the caller. */
export interface Answer {
  status: number
  title: string
  /** The detail when the error brings none of its own. */
  detail: string
  /** Seconds, sent as `Retry-After`. */
  retryAfter?: number
}

const ours: Answer = {
  status: 500,
  title: 'Internal error',
  detail: 'Something broke on our side. Try again; when it stays, tell the operator the request_id.',
}
const theFile = (title: string): Answer => ({ status: 422, title, detail: 'The file cannot be processed as it is.' })

export const answers: Record<ErrorCode, Answer> = {
  malformed_request: { status: 400, title: 'Malformed request', detail: 'The request cannot be read.' },
  upload_interrupted: {
    status: 400,
    title: 'Upload interrupted',
    detail: 'The body ended before it was whole. Nothing was kept: send it again.',
  },
  too_many_files: { status: 400, title: 'Too many files', detail: 'One upload takes one file.' },
  invalid_cursor: {
    status: 400,
    title: 'Invalid cursor',
    detail: 'Give back next_cursor as it was, with the same filters; or start without a cursor.',
  },
  unauthenticated: {
    status: 401,
    title: 'No identity',
    detail: 'Send "Authorization: Bearer …" with a valid token or API key.',
  },
  foreign_host: {
    status: 403,
    title: 'Foreign host',
    detail: 'The Host header names neither this machine nor PUBLIC_URL.',
  },
  foreign_origin: {
    status: 403,
    title: 'Foreign origin',
    detail: 'Web pages of this origin may not call the service. The operator allows origins with CORS_ORIGINS.',
  },
  not_operator: { status: 403, title: 'Not an operator', detail: 'This needs a token with the scope "operator".' },
  bad_signature: {
    status: 403,
    title: 'Bad signature',
    detail: 'The address is unsigned, altered or expired. Ask for a fresh one.',
  },
  not_found: { status: 404, title: 'Not found', detail: 'There is nothing at this address.' },
  rendition_not_found: {
    status: 404,
    title: 'No such rendition',
    detail: 'The media has no rendition of this name; its record lists those it has.',
  },
  method_not_allowed: { status: 405, title: 'Method not allowed', detail: 'The Allow header lists what is possible.' },
  wrong_state: { status: 409, title: 'Wrong state', detail: 'The media is not in a state that allows this.' },
  not_ready: {
    status: 409,
    title: 'Not ready',
    detail: 'The media is not processed yet. Wait for `playable`, or watch its events.',
  },
  raw_expired: {
    status: 409,
    title: 'Raw media expired',
    detail: 'The uploaded bytes are no longer kept, so they cannot be processed again. Upload them again.',
  },
  conflict: { status: 409, title: 'Conflict', detail: 'Somebody changed it at the same time. Read it and try again.' },
  wrong_offset: {
    status: 409,
    title: 'Wrong offset',
    detail: 'The upload stands elsewhere. Ask for its offset and go on from there.',
  },
  idempotency_in_flight: {
    status: 409,
    title: 'Request in flight',
    detail: 'A request with this Idempotency-Key is being answered. Try again when it is over.',
    retryAfter: 1,
  },
  length_required: { status: 411, title: 'Length required', detail: 'Send the body with a Content-Length.' },
  precondition_failed: {
    status: 412,
    title: 'Precondition failed',
    detail: 'What is there is not what the conditions of the request name.',
  },
  too_large: {
    status: 413,
    title: 'Too large',
    detail: 'The body is larger than this address takes. Large files go through POST /api/media/upload/init.',
  },
  unsupported_media: {
    status: 415,
    title: 'Unsupported media',
    detail: 'This is no image, video or sound that the service takes.',
  },
  title_missing: { status: 422, title: 'Title missing', detail: 'Send a "title".' },
  unknown_profile: { status: 422, title: 'Unknown profile', detail: 'There is no profile of that name.' },
  file_missing: { status: 422, title: 'File missing', detail: 'Send a field "file" with the file.' },
  file_empty: { status: 422, title: 'File empty', detail: 'The file has no bytes.' },
  invalid_parts: {
    status: 422,
    title: 'Invalid parts',
    detail: 'The parts are not those that the store holds, or one is missing. Ask which it holds, and send the others.',
  },
  size_mismatch: {
    status: 422,
    title: 'Size mismatch',
    detail: 'There are not as many bytes as were declared.',
  },
  idempotency_mismatch: {
    status: 422,
    title: 'Idempotency-Key used before',
    detail: 'This Idempotency-Key was used for another request. Take a new key for each upload.',
  },
  invalid_request: { status: 422, title: 'Invalid request', detail: 'A value is not one that is taken here.' },
  cookies_unavailable: {
    status: 409,
    title: 'Cookies do not reach the CDN',
    detail: 'Play by the signed address, which needs none; the operator makes cookies possible with CDN_COOKIE_DOMAIN.',
  },
  range_not_satisfiable: { status: 416, title: 'Range not satisfiable', detail: 'The range lies outside the file.' },
  slow_down: { status: 429, title: 'Slow down', detail: 'Too many requests at once. Try again later.', retryAfter: 5 },
  quota_exceeded: {
    status: 403,
    title: 'Quota exceeded',
    detail: 'You have as much as you may have here. Remove some, or ask the operator for more.',
  },
  storage_full: {
    status: 503,
    title: 'Storage full',
    detail: 'There is no room at the moment. Nothing was kept: try again later.',
    retryAfter: 60,
  },
  unavailable: {
    status: 503,
    title: 'Unavailable',
    detail: 'The service cannot answer at the moment. Try again.',
    retryAfter: 5,
  },
  internal: ours,
  undecodable: theFile('The file cannot be decoded'),
  no_streams: theFile('The file has neither picture nor sound'),
  too_many_pixels: theFile('The picture has too many pixels'),
  too_long: theFile('The file plays too long'),
  output_mismatch: theFile('The result does not match the source'),
  deadline_exceeded: theFile('Processing took too long'),
  memory_exceeded: theFile('Processing needs too much memory'),
  output_too_large: theFile('The result is too large'),
  checksum_mismatch: theFile('The bytes are not those that were announced'),
  malware_found: theFile('The file holds malware'),
  too_large_to_scan: theFile('The file is too large to be checked for malware'),
  refused_by_moderation: theFile('The media was refused by moderation'),
  scanner_unavailable: ours,
  step_failed: ours,
  raw_missing: ours,
  tool_missing: ours,
  tool_crashed: ours,
  sandbox_missing: ours,
  lease_lost: ours,
  interrupted: ours,
  gave_up: ours,
}

/** Where the codes are documented, relative to the service. */
export const errorsPage = '/docs/errors'

/** Codes that a request can be answered with; the rest are `error.code` of a failed media. */
export const requestCodes: readonly ErrorCode[] = errorCodes.slice(0, errorCodes.indexOf('internal') + 1)

/** The body of a refusal. Never shows an error's own message, which is the operator's. */
export function problemOf(error: unknown, request_id: string): Problem {
  const code = codeOf(error)
  const { status, title, detail } = answers[code]
  const exact = error instanceof MediaError ? error.detail : undefined
  return { type: `${errorsPage}#${code}`, title, status, detail: exact ?? detail, code, request_id }
}

interface FastifyProblem {
  code?: string
  statusCode?: number
  validation?: {
    instancePath: string
    keyword?: string
    message?: string
    params?: { allowedValues?: unknown[] }
    example?: unknown
  }[]
  validationContext?: string
}

/** Turns what fastify throws into one of our errors; anything of ours, and anything unknown, stays as it is. */
export function asMediaError(error: unknown): unknown {
  if (error instanceof MediaError) return error
  const { code, statusCode = 500, validation, validationContext = 'request' } = (error ?? {}) as FastifyProblem
  const message = error instanceof Error ? error.message : String(error)
  // A name that cannot be one names nothing.
  if (validationContext === 'params' || code === 'FST_ERR_MAX_PARAM_LENGTH') {
    return new MediaError('not_found', message, { cause: error })
  }
  if (validation) {
    return new MediaError('invalid_request', message, {
      cause: error,
      detail: sayWhere(validationContext, validation[0]),
    })
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE' || code === 'FST_ERR_CTP_EMPTY_TYPE') {
    const detail = 'The Content-Type is not one that this address takes.'
    return new MediaError('unsupported_media', message, { cause: error, detail })
  }
  if (code === 'FST_ERR_CTP_INVALID_JSON_BODY') {
    return new MediaError('malformed_request', message, { cause: error, detail: 'The body is not valid JSON.' })
  }
  if (statusCode === 413) return new MediaError('too_large', message, { cause: error })
  if (statusCode >= 400 && statusCode < 500) return new MediaError('malformed_request', message, { cause: error })
  return error
}

type Invalid = NonNullable<FastifyProblem['validation']>[number]

/** `query.limit must be <= 100.` */
function sayWhere(context: string, invalid: Invalid | undefined): string {
  const part = context === 'querystring' ? 'query' : context
  const where = [part, ...(invalid?.instancePath.split('/').slice(1) ?? [])].join('.')
  return `${where} ${sayWhat(invalid)}.`
}

function sayWhat({ keyword, message, params, example }: Invalid = { instancePath: '' }): string {
  if (keyword === 'pattern' && example !== undefined) return `must look like ${example}`
  if (keyword === 'pattern') return 'is not of the form that /docs describes'
  if (keyword === 'boolean') return 'is not taken here'
  if (keyword === 'enum') return `must be one of: ${params?.allowedValues?.join(', ')}`
  return message ?? 'is not valid'
}
