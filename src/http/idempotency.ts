import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyReply } from 'fastify'
import { MediaError } from '../media/errors.ts'
import type { Answered } from '../uploads/idempotency.ts'

/** Characters of a key, at most. */
const longestKey = 255

/**
 * The `Idempotency-Key` of a request, or null. "The Idempotency-Key request header field […] is an Item Structured
 * Header. Its value MUST be a String" (draft-ietf-httpapi-idempotency-key-header-07, 2.1); most clients send it bare.
 * @throws MediaError `malformed_request`
 */
export function keyOf({ 'idempotency-key': given }: IncomingHttpHeaders): string | null {
  if (given === undefined) return null
  const key = unquoted(String(given).trim())
  if (key !== null && key.length <= longestKey) return key
  throw new MediaError('malformed_request', 'an Idempotency-Key that is none', {
    detail: `An Idempotency-Key has 1 to ${longestKey} printable ASCII characters, in double quotes when there are blanks in it.`,
  })
}

/** A String of RFC 9651, 3.3.3, or a bare word: blanks in it would be a header that came twice. */
function unquoted(given: string): string | null {
  if (!given.startsWith('"')) return /^[\x21-\x7e]+$/.test(given) ? given : null
  const text = /^"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])+)"$/.exec(given)?.[1]
  return text === undefined ? null : text.replace(/\\(.)/g, '$1')
}

/** Tells the sender that he has had this answer before. */
export function tellReplayed(reply: FastifyReply, { replayed }: Pick<Answered<unknown>, 'replayed'>): void {
  if (replayed) reply.header('idempotency-replayed', 'true')
}
