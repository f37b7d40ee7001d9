import { type ErrorCode, MediaError } from '../media/errors.ts'

/** What the library refuses by itself, as ours: its words name its headers, ours what happened and what to do. */

/** What is known of the upload, when there is one. */
export interface Known {
  /** Bytes held durably. */
  offset: number
  /** Bytes of the whole, null while nobody has said. */
  size: number | null
}

interface Refused {
  status: number
  /** The library's. */
  words: string
  known: Known | undefined
  maxBytes: number
}

export function refusalOf({ status, words, known, maxBytes }: Refused): MediaError {
  const said = words.trim()
  if (said === 'Invalid content-type' || said === 'Content-Type header required') {
    const code = status === 400 ? 'unsupported_media' : 'malformed_request'
    return new MediaError(code, said, {
      detail: 'The chunks of an upload are sent with "Content-Type: application/offset+octet-stream".',
    })
  }
  const code = codes[status]
  if (!code) return new MediaError('internal', `tus: ${status} ${said}`)
  return new MediaError(code, said, { detail: detailOf(said, { known, maxBytes }) })
}

const codes: Record<number, ErrorCode> = {
  400: 'malformed_request',
  403: 'malformed_request',
  404: 'not_found',
  409: 'wrong_offset',
  410: 'not_found',
  413: 'too_large',
  501: 'invalid_request',
}

function detailOf(said: string, { known, maxBytes }: Pick<Refused, 'known' | 'maxBytes'>): string {
  const invalid = /^Invalid (.+)$/.exec(said)?.[1]
  if (invalid) return `Not of the form that tus 1.0 demands: ${invalid}.`
  switch (said) {
    case 'Upload-Offset header required':
      return 'Send Upload-Offset: the byte that the chunk begins with, as HEAD tells it.'
    case 'Upload-Offset conflict':
      return `The upload holds ${known?.offset} bytes. Send the rest from there, with "Upload-Offset: ${known?.offset}".`
    case "upload's size exceeded":
      return tooMuch(known, maxBytes)
    case 'Maximum size exceeded':
      return `Files may have ${maxBytes} bytes at most.`
    case 'Upload-Length or Upload-Defer-Length header required':
      return known
        ? otherLength(known)
        : 'Send Upload-Length with the bytes of the file, or "Upload-Defer-Length: 1"; not both.'
    case 'The file for this url was not found':
      return 'There is no such upload, or it has expired. Begin a new one.'
    default:
      return said
  }
}

function tooMuch(known: Known | undefined, maxBytes: number): string {
  if (!known || known.size === null) return `Files may have ${maxBytes} bytes at most.`
  const { offset, size } = known
  return `The upload was declared to have ${size} bytes, of which ${size - offset} are missing. Send no more than those.`
}

function otherLength({ offset, size }: Known): string {
  if (size !== null) return `The upload was declared to have ${size} bytes, and that stays. Leave Upload-Length out.`
  return `The upload holds ${offset} bytes already. Send an Upload-Length that is not less.`
}
