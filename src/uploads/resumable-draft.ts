import type { IncomingHttpHeaders } from 'node:http'
import { MediaError } from '../media/errors.ts'
import type { ResumableWords } from './resumable.ts'
import { readMetadata } from './tus-headers.ts'

/**
 * The headers of the IETF's resumable uploads: draft-ietf-httpbis-resumable-upload-05, interop version 6
 * (https://datatracker.ietf.org/doc/draft-ietf-httpbis-resumable-upload/05/).
 * Its neighbours are answered too, for they differ in little: 5 (draft 03) sends appended bytes under any content type;
 * 7 (drafts 06 to 08) renames the limit `expires` to `max-age` and names the problem of inconsistent lengths; 8 (drafts
 * 09 to 12) only demands what is done here anyway.
 */
export const draftVersions = ['5', '6', '7', '8']

/** "The current interop version is 6." Null: none that is spoken here; then there are no interim answers. */
export function draftVersionOf({ 'upload-draft-interop-version': said }: IncomingHttpHeaders): string | null {
  return draftVersions.find((version) => version === said) ?? null
}

/** Whether a request speaks the draft. HEAD and DELETE may say nothing at all. */
export function speaksDraft(method: string, headers: IncomingHttpHeaders): boolean {
  if ('tus-resumable' in headers) return false
  return 'upload-complete' in headers || 'upload-draft-interop-version' in headers || /^(HEAD|DELETE)$/.test(method)
}

/** "Its field value is a Boolean, whose value is true if the upload is complete." @throws MediaError `malformed_request` */
export function completeSaid(headers: IncomingHttpHeaders): boolean {
  const { 'upload-complete': said, 'upload-incomplete': former } = headers
  const value = bare(said) ?? opposite(bare(former as string | undefined))
  if (value === '?1' || value === '?0') return value === '?1'
  throw malformed(
    'Upload-Complete',
    'is ?1 when the upload is complete with this request, and ?0 when more will follow',
  )
}

/** Versions before 5 said `Upload-Incomplete`: iOS 17 does, and takes it that it cannot resume when no 104 comes. */
function opposite(incomplete: string | undefined): string | undefined {
  return incomplete === '?0' || incomplete === '?1' ? complete(incomplete === '?0') : undefined
}

export function complete(value: boolean): string {
  return value ? '?1' : '?0'
}

/** "Its field value is an Integer." @throws MediaError `malformed_request` */
export function offsetSaid({ 'upload-offset': said }: IncomingHttpHeaders): number {
  return integer(said) ?? refuse('Upload-Offset', 'is a number of bytes')
}

/**
 * The size of the whole, by both of the draft's indicators: "Upload-Complete […] true and a valid Content-Length […]: The
 * length is then the sum of the current offset and the Content-Length"; "the Upload-Length header field". Null: not told.
 * @throws MediaError `malformed_request`: "If both […] are present in the same request, their indicated lengths MUST match."
 */
export function sizeSaid(headers: IncomingHttpHeaders, offset: number): number | null {
  const { 'upload-length': said, 'content-length': rest } = headers
  const told = said === undefined ? null : (integer(said) ?? refuse('Upload-Length', 'is a number of bytes'))
  const summed = completeSaid(headers) && rest !== undefined ? offset + Number(rest) : null
  if (told !== null && summed !== null && told !== summed) {
    throw malformed('Upload-Length', 'is not what the offset and the Content-Length of the last request come to')
  }
  return told ?? summed
}

/** Limits of an upload; `expires_at` of one that is under way. Sizes in bytes, times in seconds. */
export function limitsOf(given: { maxBytes: number; left?: number }): string {
  const { maxBytes, left } = given
  // "unrecognized keys MUST be ignored": one name for drafts up to 05, one from 06 on.
  const ages = left === undefined ? [] : [`max-age=${left}`, `expires=${left}`]
  return [`max-size=${maxBytes}`, 'min-size=1', ...ages].join(', ')
}

/**
 * What is said of the file: in the address, else by "The Content-Disposition header field […] can be used to transmit a
 * filename", else as tus does, whose clients speak the draft too.
 * @throws MediaError `malformed_request`
 */
export function wordsOf(
  headers: IncomingHttpHeaders,
  query: { title?: string | undefined; filename?: string | undefined; profile?: string | undefined },
): Omit<ResumableWords, 'file_size'> {
  const said = readMetadata(headers['upload-metadata'] as string | undefined)
  const { 'content-type': type, 'content-disposition': disposition } = headers
  return {
    title: query.title ?? said.title,
    profile: query.profile ?? said.profile,
    filename: query.filename ?? filenameOf(disposition) ?? said.filename,
    content_type: type === undefined || type.startsWith('application/partial-upload') ? said.content_type : type,
    metadata: said.metadata,
  }
}

/** RFC 6266: `filename*` goes before `filename`. */
export function filenameOf(disposition: string | undefined): string | null {
  if (disposition === undefined) return null
  const extended = /;\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]+)/i.exec(disposition)?.[1]
  if (extended !== undefined) {
    try {
      return decodeURIComponent(extended)
    } catch {
      // As if it were not there.
    }
  }
  const quoted = /;\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]+))/i.exec(disposition)
  const name = quoted?.[1]?.replace(/\\(.)/g, '$1') ?? quoted?.[2]
  // Header fields come as latin1; most clients send UTF-8.
  return name === undefined ? null : Buffer.from(name, 'latin1').toString('utf8')
}

/** A structured field's item without its parameters. */
function bare(said: string | string[] | undefined): string | undefined {
  return said === undefined ? undefined : String(said).split(';')[0]?.trim()
}

function integer(said: string | string[] | undefined): number | null {
  const digits = bare(said)
  return digits !== undefined && /^\d{1,15}$/.test(digits) ? Number(digits) : null
}

function refuse(name: string, words: string): never {
  throw malformed(name, words)
}

function malformed(name: string, words: string): MediaError {
  return new MediaError('malformed_request', `${name} cannot be read`, { detail: `${name} ${words}.` })
}
