import type { ServerResponse } from 'node:http'
import type { StoredObject } from '../objects/port.ts'
import { type ConditionHeaders, judge, rangeHolds } from './conditions.ts'
import { type ByteRange, parseRange } from './range.ts'
import type { Reply } from './stream.ts'

/** What a request for an object that is there is answered with. */
export interface Answer {
  status: 200 | 206 | 304 | 412 | 416
  headers: Record<string, string | number>
  /** The bytes to send; null when none are. */
  range: ByteRange | null
}

export interface Asked {
  method: string
  headers: ConditionHeaders & { range?: string | undefined }
}

/** The body of a refusal, as `application/problem+json`. */
export interface Problem {
  status: number
}

/** Outputs come from strangers: a browser that opens one by itself runs nothing in it and guesses no other type. */
const everywhere = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers':
    'accept-ranges, content-disposition, content-length, content-range, etag, last-modified, retry-after',
  'cross-origin-resource-policy': 'cross-origin',
  'x-content-type-options': 'nosniff',
  'content-security-policy': 'sandbox',
}

/**
 * What replies say otherwise where pages of some origins read with cookies: to those, browsers hand what names them.
 * What a browser has kept for one page is then no answer to another.
 */
export function corsFor(origin: string | undefined, origins: readonly string[]): Answer['headers'] | null {
  if (origins.length === 0) return null
  if (origin === undefined || !origins.includes(origin)) return { vary: 'Origin' }
  return { vary: 'Origin', 'access-control-allow-origin': origin, 'access-control-allow-credentials': 'true' }
}

/** A key's bytes never change. `private`: who holds the address may keep them, a cache shared with others may not. */
const keptForGood = 'private, max-age=31536000, immutable'

/** Decides by RFC 9110 what of `object` goes out; `disposition` is a header value already checked. */
export function answerFor({ method, headers }: Asked, object: Omit<StoredObject, 'ref'>, disposition?: string): Answer {
  const validators = { etag: `"${object.etag}"`, lastModified: object.last_modified }
  const verdict = judge(headers, validators)
  if (verdict === 'failed') return { status: 412, headers: {}, range: null }
  // "A server MUST ignore a Range header field received with a request method" other than GET.
  const honoured = method === 'GET' && headers.range !== undefined && rangeHolds(headers['if-range'], validators)
  const range = verdict === 'send' && honoured ? parseRange(headers.range, object.size) : 'all'
  if (range === 'unsatisfiable') {
    return { status: 416, headers: { 'content-range': `bytes */${object.size}` }, range: null }
  }
  const about = {
    ...everywhere,
    'accept-ranges': 'bytes',
    'cache-control': keptForGood,
    etag: validators.etag,
    'last-modified': httpDate(object.last_modified),
  }
  if (verdict === 'not_modified') return { status: 304, headers: about, range: null }
  const { start, end } = range === 'all' ? { start: 0, end: object.size - 1 } : range
  const whole: Answer['headers'] = { ...about, 'content-type': object.content_type, 'content-length': end + 1 - start }
  if (disposition !== undefined) whole['content-disposition'] = disposition
  const sent = method === 'GET' && end >= start ? { start, end } : null
  if (range === 'all') return { status: 200, headers: whole, range: sent }
  whole['content-range'] = `bytes ${start}-${end}/${object.size}`
  return { status: 206, headers: whole, range: sent }
}

/** `Sun, 06 Nov 1994 08:49:37 GMT` */
export function httpDate(ms: number): string {
  return new Date(ms).toUTCString()
}

/** For browsers that ask before they send a range from another origin. */
export function sendPreflight(reply: Reply, cors: Answer['headers'] | null): void {
  writeHead(reply, 204, {
    ...everywhere,
    'access-control-allow-methods': 'GET, HEAD, OPTIONS',
    'access-control-allow-headers':
      'authorization, range, if-range, if-match, if-none-match, if-modified-since, if-unmodified-since',
    'access-control-max-age': 86_400,
    ...cors,
  })
  reply.end()
}

/** A refusal is nobody's to keep. */
export function sendProblem(reply: Reply, problem: Problem, extra: Answer['headers'] = {}): void {
  const body = Buffer.from(JSON.stringify(problem))
  writeHead(reply, problem.status, {
    ...everywhere,
    'content-type': 'application/problem+json',
    'content-length': body.length,
    'cache-control': 'no-store',
    ...(problem.status === 405 ? { allow: 'GET, HEAD, OPTIONS' } : {}),
    ...(problem.status === 503 ? { 'retry-after': 5 } : {}),
    ...extra,
  })
  finish(reply, reply.req.method === 'HEAD' ? undefined : body)
}

// The two kinds of reply declare these methods apart, so the union of both cannot be called.
export function writeHead(reply: Reply, status: number, headers: Answer['headers']): void {
  ;(reply as ServerResponse).writeHead(status, headers)
}

export function finish(reply: Reply, body?: Buffer): void {
  ;(reply as ServerResponse).end(body)
}
