import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import type { App } from './deps.ts'

/** Bytes of a refused body that are still read, so that its sender gets to see the answer. */
const drainLimit = 1024 * 1024
/** Milliseconds for that. */
const drainTime = 5_000

/**
 * Asks for a body only when the request has passed identity and limits:
 * "A server MAY omit sending a 100 (Continue) response" (RFC 9110, 10.1.1) when it answers finally instead.
 */
export function continueLate(app: App): void {
  const waiting = new WeakSet<object>()
  app.server.on('checkContinue', (req, res) => {
    waiting.add(req)
    app.server.emit('request', req, res)
  })
  app.addHook('preParsing', async (request, reply) => {
    if (waiting.delete(request.raw)) reply.raw.writeContinue()
  })
}

/**
 * Closes the connection of a request answered before its body was read, but not at once: bytes that arrive at a closed
 * socket make the client's system throw the answer away.
 */
export function closeGently(app: App, clock: Clock): void {
  app.addHook('onSend', async (request, reply, payload) => {
    if (!isUnread(request.raw)) return payload
    reply.header('connection', 'close')
    if (typeof payload !== 'string' && !Buffer.isBuffer(payload)) return payload
    reply.header('content-length', Buffer.byteLength(payload))
    return Readable.from(answerThenDrain(payload, request.raw, clock), { objectMode: false })
  })
}

/** Whether a body is still to come. On HTTP/2 a stream is simply reset. */
function isUnread(req: IncomingMessage): boolean {
  return req.httpVersionMajor === 1 && req.complete === false && !req.destroyed
}

async function* answerThenDrain(answer: string | Buffer, req: IncomingMessage, clock: Clock) {
  yield Buffer.from(answer)
  await drain(req, clock)
}

async function drain(req: IncomingMessage, clock: Clock): Promise<void> {
  const over = new AbortController()
  let left = drainLimit
  const count = (chunk: Buffer) => {
    left -= chunk.length
    if (left <= 0) over.abort()
  }
  const done = () => over.abort()
  req.on('data', count).once('end', done).once('close', done).once('error', done)
  req.resume()
  await clock.sleep(drainTime, over.signal).catch(() => {})
  req.off('data', count)
  req.pause()
}

/** Aborts with `upload_interrupted` when the client goes away before it is answered. */
export function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController()
  const leave = () => {
    if (!reply.raw.writableFinished) gone.abort(new MediaError('upload_interrupted', 'the client went away'))
  }
  if (reply.raw.closed) leave()
  else reply.raw.once('close', leave)
  return gone.signal
}

/** Bytes that a body is announced to have, or null. */
export function lengthOf({ headers }: FastifyRequest): number | null {
  const { 'content-length': length } = headers
  return length === undefined ? null : Number(length)
}
