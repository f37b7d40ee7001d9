import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { MediaError } from '../media/errors.ts'
import type { Answered, Idempotency, Keyed } from '../uploads/idempotency.ts'

/** What doors that take a key refuse besides. */
export const idempotencyCodes = ['idempotency_in_flight', 'idempotency_mismatch', 'wrong_state'] as const

/** Characters of a key, at most. */
const longestKey = 255

/** Described here, and judged by `keyOf`. */
export const IdempotencyHeaders = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      description: `Up to ${longestKey} printable characters: sent again with the same key within 24 hours, it answers the same media.`,
    }),
  ),
})

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

interface Asked {
  request: FastifyRequest
  reply: FastifyReply
  /** The door: a key is one door's. */
  route: string
  /** The request's own when not given. */
  key?: string
}

/**
 * Answers a request under its key, when it has one, and tells the sender when he has had the answer before.
 * @throws MediaError `malformed_request`, `idempotency_in_flight`, and what `work` throws.
 */
export async function answerOnce<T>(
  idempotency: Idempotency,
  { request, reply, route, key = keyOf(request.headers) ?? undefined }: Asked,
  work: (keyed: Keyed | undefined) => Promise<T>,
): Promise<Answered<T>> {
  const { user_id } = request.caller
  const answered = await idempotency.answer({ user_id, route, key: key ?? null }, work)
  if (answered.replayed) reply.header('idempotency-replayed', 'true')
  return answered
}
