import { type Answer, ServiceUnreachable, SourceChanged } from './errors.ts'
import type { Bytes } from './source.ts'

/** One request with a body large enough to watch it go. */
export interface Sending {
  method: 'PUT' | 'POST'
  url: string
  headers?: Record<string, string>
  body: Bytes
  /** Bytes of the body. */
  size: number
  signal: AbortSignal
  /** Called with the number of bytes handed to the network so far, where that can be known. */
  onSent(bytes: number): void
}

/**
 * Sends, and resolves with whatever is answered.
 * @throws ServiceUnreachable; SourceChanged when the body cannot be read; the signal's reason.
 */
export type Transport = (sending: Sending) => Promise<Answer>

export type Fetch = typeof globalThis.fetch

/** Milliseconds without a byte or an answer after which a connection counts as dead. */
const stallTime = 60_000
/** Bytes a millisecond that are waited for where nobody can see them go. */
const slowest = 16
/** Bytes that bytes in memory are sent in. */
const pieceSize = 256 * 1024

/** XMLHttpRequest where there is one: it alone sees bytes go in a browser. */
export function chooseTransport(given: Fetch | undefined, fetch: Fetch): Transport {
  const { XMLHttpRequest } = globalThis as { XMLHttpRequest?: new () => Xhr }
  const send = XMLHttpRequest && !given ? sendByXhr(XMLHttpRequest) : sendByFetch(fetch)
  return async (sending) => await watched(sending, send)
}

/** Ends a request that stands still. */
async function watched(sending: Sending, send: Transport): Promise<Answer> {
  const { signal, url, size, onSent } = sending
  const stop = new AbortController()
  const end = () => stop.abort(signal.reason)
  const stall = () => stop.abort(new ServiceUnreachable(url, new Error('the connection stood still')))
  let timer = setTimeout(stall, stallTime + size / slowest)
  let over = false
  signal.addEventListener('abort', end)
  if (signal.aborted) end()
  try {
    const hear = (bytes: number) => {
      // A body may be read on for a moment when its request is over.
      if (over) return
      clearTimeout(timer)
      timer = setTimeout(stall, stallTime)
      onSent(bytes)
    }
    return await send({ ...sending, signal: stop.signal, onSent: hear })
  } finally {
    over = true
    clearTimeout(timer)
    signal.removeEventListener('abort', end)
  }
}

function sendByFetch(fetch: Fetch): Transport {
  return async ({ method, url, headers = {}, body, size, signal, onSent }) => {
    const counted = sendsStreams ? count(streamOf(body), onSent) : null
    const init = {
      ...{ method, signal },
      // A stream says no length by itself, and stores want one.
      headers: counted ? { ...headers, 'content-length': String(size) } : headers,
      body: counted ? counted.stream : await sendable(body),
      ...(counted ? { duplex: 'half' } : {}),
    }
    try {
      const response = await fetch(url, init as RequestInit)
      return { status: response.status, header: (name) => response.headers.get(name), text: await response.text() }
    } catch (cause) {
      signal.throwIfAborted()
      const failure = counted?.failure()
      if (failure !== undefined) throw failure instanceof SourceChanged ? failure : new SourceChanged(failure)
      throw new ServiceUnreachable(url, cause)
    } finally {
      // `fetch` leaves a body that it did not come to read as it is: with an open file behind it.
      counted?.close()
    }
  }
}

/** Node sends streams with a length; browsers send them chunked, over HTTP/2 alone. */
const sendsStreams = Boolean((globalThis as { process?: { versions?: { node?: string } } }).process?.versions?.node)

function streamOf(body: Bytes): ReadableStream<Uint8Array> {
  if (body instanceof Blob) return body.stream()
  return body instanceof Uint8Array ? streamBytes(body) : body
}

/** In pieces, so that one sees them go; nothing is copied. */
function streamBytes(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let at = 0
  const pull = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    if (at < bytes.length) controller.enqueue(bytes.subarray(at, (at += pieceSize)))
    else controller.close()
  }
  return new ReadableStream<Uint8Array>({ pull }, { highWaterMark: 0 })
}

async function sendable(body: Bytes): Promise<Blob | Uint8Array> {
  return body instanceof ReadableStream ? await new Response(body).blob() : body
}

interface Counted {
  stream: ReadableStream<Uint8Array>
  /** What reading broke of. */
  failure(): unknown
  close(): void
}

/** The same stream, pulled no faster; says how far it is. */
function count(source: ReadableStream<Uint8Array>, onSent: (bytes: number) => void): Counted {
  const reader = source.getReader()
  let failure: unknown
  let bytes = 0
  const pull = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
    try {
      const { done, value } = await reader.read()
      // Who asks for more has sent what came before.
      onSent(bytes)
      if (done) return controller.close()
      bytes += value.byteLength
      controller.enqueue(value)
    } catch (error) {
      failure = error
      controller.error(error)
    }
  }
  const close = async (reason?: unknown) => await reader.cancel(reason)
  return {
    stream: new ReadableStream<Uint8Array>({ pull, cancel: close }, { highWaterMark: 0 }),
    failure: () => failure,
    close: () => void close().catch(() => {}),
  }
}

/** What is used of XMLHttpRequest. */
interface Xhr {
  upload: { onprogress: ((event: { loaded: number }) => void) | null }
  onload: (() => void) | null
  onerror: (() => void) | null
  onabort: (() => void) | null
  status: number
  responseText: string
  open(method: string, url: string): void
  setRequestHeader(name: string, value: string): void
  getResponseHeader(name: string): string | null
  send(body: unknown): void
  abort(): void
}

function sendByXhr(Request: new () => Xhr): Transport {
  return async ({ method, url, headers = {}, body, signal, onSent }) => {
    const ready = await sendable(body)
    signal.throwIfAborted()
    return await new Promise<Answer>((resolve, reject) => {
      const request = new Request()
      const stop = () => request.abort()
      const end = (settle: () => void) => {
        signal.removeEventListener('abort', stop)
        settle()
      }
      request.upload.onprogress = ({ loaded }) => onSent(loaded)
      request.onload = () => end(() => resolve(answerOf(request)))
      request.onerror = () => end(() => reject(new ServiceUnreachable(url, new Error('the connection broke'))))
      request.onabort = () => end(() => reject(signal.reason))
      signal.addEventListener('abort', stop)
      request.open(method, url)
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value)
      request.send(ready)
    })
  }
}

function answerOf(request: Xhr): Answer {
  const { status, responseText: text } = request
  return { status, header: (name) => request.getResponseHeader(name), text }
}
