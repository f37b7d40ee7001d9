import { judge, parseHttpDate, rangeHolds } from '../conditions.ts'
import { type ByteRange, parseRange } from '../range.ts'
import { finish, writeHead } from '../reply.ts'
import { openFile, type Reply, written } from '../stream.ts'
import { endToEnd, type Fields, headersOf, valueOf, without } from './fields.ts'
import { ageOf } from './freshness.ts'
import type { OriginResponse } from './origin.ts'
import type { Entry, Storage } from './storage.ts'

interface Sending {
  reply: Reply
  method: string
  /** The reader's. */
  fields: Fields
  /** For `Cache-Status`. https://www.rfc-editor.org/rfc/rfc9211 */
  status: string
  signal: AbortSignal
}

/** Fields that a 304 leaves out: they are of the bytes, which the reader has. */
const ofTheBytes = ['content-length', 'content-type', 'content-encoding', 'content-range', 'content-language']

/** Answers with what is kept: whole, a part, or that the reader has it already. */
export async function sendEntry(given: Sending & { storage: Storage; entry: Entry; now: number }): Promise<void> {
  const { reply, method, entry, now, status } = given
  const about: Fields = [
    ...without(entry.fields, 'age', 'content-length', 'cache-status'),
    ['age', String(Math.max(0, Math.floor(ageOf(entry, now))))],
    ['cache-status', status],
  ]
  const { verdict, range } = judgeEntry(given)
  if (verdict !== 'send') {
    head(reply, verdict === 'failed' ? 412 : 304, without(about, ...ofTheBytes))
    return finish(reply)
  }
  if (range === 'unsatisfiable') {
    head(reply, 416, [['content-range', `bytes */${sizeOf(entry)}`]])
    return finish(reply)
  }
  const size = sizeOf(entry)
  const { start, end } = range === 'all' ? { start: 0, end: size === null ? Number.MAX_SAFE_INTEGER : size - 1 } : range
  const bodyless = entry.status === 204 || entry.status === 304
  const length: Fields = size === null || bodyless ? [] : [['content-length', String(end + 1 - start)]]
  if (range === 'all') head(reply, entry.status, [...about, ...length])
  else head(reply, 206, [...about, ...length, ['content-range', `bytes ${start}-${end}/${size}`]])
  if (method === 'HEAD' || bodyless || end < start) return finish(reply)
  await sendBody(given, { start, end })
}

function judgeEntry({ method, fields, entry }: Sending & { entry: Entry }) {
  const validators = {
    etag: valueOf(entry.fields, 'etag') ?? null,
    lastModified: parseHttpDate(valueOf(entry.fields, 'last-modified')),
  }
  // "If … no Last-Modified …, use the Date": https://www.rfc-editor.org/rfc/rfc9111#section-4.3.2
  const dated = {
    ...validators,
    lastModified: validators.lastModified ?? parseHttpDate(valueOf(entry.fields, 'date')) ?? entry.responded_at,
  }
  if (entry.status !== 200) return { verdict: 'send', range: 'all' } as const
  const headers = Object.fromEntries(fields)
  const size = sizeOf(entry)
  const wanted = method === 'GET' ? headers.range : undefined
  const honoured = wanted !== undefined && size !== null && rangeHolds(headers['if-range'], validators)
  return {
    verdict: judge(headers, dated),
    range: honoured ? parseRange(wanted, size ?? 0) : 'all',
  } as const
}

function sizeOf({ size, fill }: Entry): number | null {
  return size ?? fill?.size() ?? null
}

async function sendBody(given: Sending & { storage: Storage; entry: Entry }, range: ByteRange): Promise<void> {
  const { reply, storage, entry, signal } = given
  const { fill } = entry
  if (fill) {
    for await (const chunk of fill.read(range, signal)) await written(reply, chunk, signal)
    return finish(reply)
  }
  const small = await storage.small(entry)
  if (small) return finish(reply, small.subarray(range.start, range.end + 1))
  const source = await openFile(storage.pathOf(entry), { range, signal })
  try {
    await source.send(reply)
    finish(reply)
  } finally {
    await source.close()
  }
}

/** Hands the origin's answer on. */
export async function sendResponse(given: Sending & { response: OriginResponse }): Promise<void> {
  const { reply, method, response, status, signal } = given
  try {
    head(reply, response.status, [...endToEnd(response.fields), ['cache-status', status]])
    if (method !== 'HEAD') for await (const chunk of response.body) await written(reply, chunk, signal)
    finish(reply)
  } finally {
    response.discard()
  }
}

export function sendGatewayProblem(reply: Reply, code: string): void {
  const body = Buffer.from(
    JSON.stringify({ type: 'about:blank', title: 'The origin did not answer', status: 504, code }),
  )
  head(reply, 504, [
    ['content-type', 'application/problem+json'],
    ['content-length', String(body.length)],
    ['cache-control', 'no-store'],
  ])
  finish(reply, reply.req.method === 'HEAD' ? undefined : body)
}

function head(reply: Reply, status: number, fields: Fields): void {
  // Its own date is the origin's, which an age is counted from.
  if (valueOf(fields, 'date') !== undefined) reply.sendDate = false
  writeHead(reply, status, headersOf(fields) as Record<string, string>)
}
