import type { Readable, Writable } from 'node:stream'
import { MediaError } from '../media/errors.ts'

/**
 * Feeds a body to a parser, no faster than the parser takes it; resolves when the parser has finished.
 * However it ends, the body is left to its owner, paused and not destroyed: an answer may still have to go out.
 * @throws MediaError `too_large` when more than `limit` bytes come, `upload_interrupted` when the body or the form in it
 * stops short, `malformed_request` when it is no form; the signal's reason.
 */
export async function feed(given: {
  body: Readable
  parser: Writable
  limit: number
  signal: AbortSignal
}): Promise<void> {
  const { body, parser, limit, signal } = given
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let bytes = 0
  let parts = 0

  const onData = (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > limit) return reject(new MediaError('too_large', `a body of more than ${limit} bytes`))
    if (!parser.write(chunk)) body.pause()
  }
  const onEnd = () => void parser.end()
  const onPart = () => void parts++
  const onDrain = () => void body.resume()
  const onAbort = () => reject(signal.reason)
  const onCut = (cause?: unknown) => reject(new MediaError('upload_interrupted', 'the body stopped short', { cause }))
  const onClose = () => {
    if (!body.readableEnded) onCut()
  }
  const onWrong = (cause: Error) => {
    reject(
      parts === 0
        ? new MediaError('malformed_request', 'the body is not the form that its boundary says', {
            cause,
            detail: 'The body does not hold a form with the boundary that the Content-Type names.',
          })
        : new MediaError('upload_interrupted', 'the form stopped short', { cause }),
    )
  }

  parser.on('field', onPart).on('file', onPart).on('drain', onDrain).once('finish', resolve).on('error', onWrong)
  body.on('data', onData).once('end', onEnd).on('error', onCut).once('close', onClose)
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  else if (body.destroyed) onClose()
  try {
    await promise
  } finally {
    signal.removeEventListener('abort', onAbort)
    parser.off('drain', onDrain)
    // The listeners for errors stay: nobody else may be listening.
    body.off('data', onData).off('end', onEnd).off('close', onClose)
    if (!body.readableEnded) body.pause()
  }
}
