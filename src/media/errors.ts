/**
 * Every way in which a request or a job can fail, by its stable code.
 * What a code means is said at the doors: `http/errors.ts` (status and words for the caller)
 * and `worker/outcomes.ts` (retry or park, and words for the owner). A new code does not compile until both have answered.
 */
export const errorCodes = [
  // requests
  'malformed_request',
  'upload_interrupted',
  'too_many_files',
  'invalid_cursor',
  'unauthenticated',
  'foreign_host',
  'foreign_origin',
  'not_operator',
  'bad_signature',
  'not_found',
  'rendition_not_found',
  'method_not_allowed',
  'wrong_state',
  'not_ready',
  'raw_expired',
  'conflict',
  'wrong_offset',
  'idempotency_in_flight',
  'precondition_failed',
  'length_required',
  'too_large',
  'unsupported_media',
  'title_missing',
  'unknown_profile',
  'file_missing',
  'file_empty',
  'invalid_parts',
  'size_mismatch',
  'idempotency_mismatch',
  'invalid_request',
  'range_not_satisfiable',
  'cookies_unavailable',
  'slow_down',
  'quota_exceeded',
  'storage_full',
  'unavailable',
  'internal',
  // processing: the file
  'undecodable',
  'no_streams',
  'too_many_pixels',
  'too_long',
  'output_mismatch',
  'deadline_exceeded',
  'memory_exceeded',
  'output_too_large',
  'checksum_mismatch',
  'malware_found',
  'too_large_to_scan',
  'refused_by_moderation',
  // processing: us
  'raw_missing',
  'scanner_unavailable',
  'step_failed',
  'tool_missing',
  'tool_crashed',
  'sandbox_missing',
  'lease_lost',
  'interrupted',
  'gave_up',
] as const
export type ErrorCode = (typeof errorCodes)[number]

const fileCodes: readonly string[] = [
  'unsupported_media',
  ...errorCodes.slice(errorCodes.indexOf('undecodable'), errorCodes.indexOf('raw_missing')),
]

/** Whether what a parked job says of its end is the fault of the file, and so its owner's matter. */
export function isFileFault(last_error: string | null): boolean {
  return fileCodes.includes(last_error?.split(':')[0] ?? '')
}

/** An error with a stable code. `message` is the operator's text; it may name internals and is never shown to a caller. */
export class MediaError extends Error {
  readonly code: ErrorCode
  /** One sentence that the caller may read, more exact than the code's own. */
  readonly detail: string | undefined
  /** Seconds after which asking again can help, where it is known more exactly than the code says. */
  readonly retryAfter: number | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; detail?: string; retryAfter?: number } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'MediaError'
    this.code = code
    this.detail = options.detail
    this.retryAfter = options.retryAfter
  }
}

/** Why what comes, or is under way, is refused while the service stops: to its caller a refusal, to its operator none. */
export class Closing extends MediaError {
  constructor() {
    super('unavailable', 'closing')
  }
}

/** The code of any thrown thing; `internal` when it has none of ours. */
export function codeOf(error: unknown): ErrorCode {
  return error instanceof MediaError ? error.code : 'internal'
}

/** Whether the operating system says that there is no room: ENOSPC, or a quota. */
export function isStorageFull(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'storage_full'
}
