import type { ErrorCode } from '../media/errors.ts'

/** What a failed job means: whether trying again can help (`wait`: in the end it will), and the words for the media's owner. */
interface Outcome {
  action: 'retry' | 'park' | 'wait'
  /** Stored as `error.message`: what happened, what to do. */
  message: string
  /** A job never fails with it: it belongs to requests. */
  onlyRequests?: true
}

const ours = { action: 'retry', message: 'Processing failed on our side. Please retry later.' } as const
const notOfJobs = {
  onlyRequests: true,
  action: 'park',
  message: 'Processing failed for a reason we did not expect. Please retry.',
} as const

export const outcomes: Record<ErrorCode, Outcome> = {
  undecodable: {
    action: 'park',
    message: 'The file is damaged or is not what its name says: it cannot be decoded. Upload a good copy.',
  },
  no_streams: { action: 'park', message: 'The file holds no picture, video or sound. Upload another file.' },
  unsupported_media: {
    action: 'park',
    message: 'This format is not supported. Convert the file to a common one and upload it again.',
  },
  too_many_pixels: {
    action: 'park',
    message: 'The picture has more pixels than we process. Make it smaller and upload it again.',
  },
  too_long: { action: 'park', message: 'The media is longer than we process. Upload a shorter one.' },
  output_mismatch: {
    action: 'park',
    message: 'The file could be read only in part, so no faithful copy could be made. Upload a good copy.',
  },
  deadline_exceeded: {
    action: 'park',
    message: 'Processing took far longer than a file of this size should. Convert the file and upload it again.',
  },
  memory_exceeded: {
    action: 'park',
    message: 'Processing needed more memory than is allowed. Make the file smaller and upload it again.',
  },
  output_too_large: {
    action: 'park',
    message: 'The result would be larger than is allowed. Upload a smaller or shorter file.',
  },
  malware_found: { action: 'park', message: 'The file holds malware, so it was not processed. Upload a clean file.' },
  too_large_to_scan: {
    action: 'park',
    message: 'The file is larger than what can be checked for malware. Upload a smaller one.',
  },
  refused_by_moderation: { action: 'park', message: 'The media was refused by moderation.' },
  scanner_unavailable: { action: 'wait', message: 'The file waits to be checked for malware.' },
  raw_missing: { action: 'park', message: 'The uploaded bytes are no longer there. Upload the file again.' },
  checksum_mismatch: {
    action: 'park',
    message: 'The bytes that arrived have another checksum than the one announced. Upload the file again.',
  },
  gave_up: {
    action: 'park',
    message: 'Processing was tried several times and never came to an end. Please retry, or upload another copy.',
  },

  tool_missing: ours,
  sandbox_missing: ours,
  step_failed: ours,
  tool_crashed: ours,
  storage_full: ours,
  unavailable: ours,
  interrupted: ours,
  lease_lost: ours,
  internal: ours,
  conflict: ours,
  slow_down: ours,

  malformed_request: notOfJobs,
  upload_interrupted: notOfJobs,
  too_many_files: notOfJobs,
  invalid_cursor: notOfJobs,
  unauthenticated: notOfJobs,
  foreign_host: notOfJobs,
  foreign_origin: notOfJobs,
  not_operator: notOfJobs,
  bad_signature: notOfJobs,
  not_found: notOfJobs,
  quota_exceeded: notOfJobs,
  rendition_not_found: notOfJobs,
  method_not_allowed: notOfJobs,
  wrong_state: notOfJobs,
  not_ready: notOfJobs,
  raw_expired: notOfJobs,
  too_large: notOfJobs,
  title_missing: notOfJobs,
  unknown_profile: notOfJobs,
  file_missing: notOfJobs,
  file_empty: notOfJobs,
  invalid_request: notOfJobs,
  wrong_offset: notOfJobs,
  idempotency_in_flight: notOfJobs,
  idempotency_mismatch: notOfJobs,
  length_required: notOfJobs,
  invalid_parts: notOfJobs,
  size_mismatch: notOfJobs,
  precondition_failed: notOfJobs,
  range_not_satisfiable: notOfJobs,
  cookies_unavailable: notOfJobs,
}

const firstPause = 2_000
const longestPause = 5 * 60_000

/** Milliseconds before the try after `attempts` tries: doubling, and half of it left to chance so that many do not come back at once. */
export function pauseAfter(attempts: number, random: number): number {
  const whole = Math.min(firstPause * 2 ** (attempts - 1), longestPause)
  return Math.round(whole / 2 + (whole / 2) * random)
}
