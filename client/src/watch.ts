import type { Media, Status } from './contract.ts'
import { ServiceUnreachable } from './errors.ts'
import { openPatience, sleep } from './patience.ts'
import type { Requests } from './requests.ts'

export interface WatchOptions {
  /** Ends the iteration; it throws the signal's reason. */
  signal?: AbortSignal | undefined
  /** Milliseconds to go on trying though the service cannot be reached; five minutes when not given. */
  retryFor?: number | undefined
}

const finalStatuses: readonly Status[] = ['processed', 'failed', 'deleted']
/** The service gives a sign of life every 15 s. */
const silence = 45_000

/** A media now and at each change, until its status is final; over as many connections as it takes. */
export async function* watchMedia(
  requests: Requests,
  media_id: string,
  { signal, retryFor = 300_000 }: WatchOptions,
): AsyncGenerator<Media, void, undefined> {
  const stop = new AbortController()
  const end = () => stop.abort(signal?.reason)
  signal?.addEventListener('abort', end)
  if (signal?.aborted) end()
  const patience = openPatience({ retryFor, signal: stop.signal })
  let last: string | undefined
  let pause = 1_000
  try {
    for (let attempt = 0; ; attempt++) {
      try {
        const headers = { accept: 'text/event-stream', ...(last ? { 'last-event-id': last } : {}) }
        const path = `/api/media/${encodeURIComponent(media_id)}/events`
        const response = await requests.open('GET', path, { headers, signal: stop.signal })
        if (response.status === 204 || !response.body) return
        for await (const { id, retry, data } of eventsOf(response.body, response.url, stop.signal)) {
          patience.progressed()
          attempt = 0
          pause = retry ?? pause
          if (data === undefined) continue
          last = id ?? last
          const media = JSON.parse(data) as Media
          yield media
          if (finalStatuses.includes(media.status)) return
        }
        await sleep(pause, stop.signal)
      } catch (error) {
        await patience.wait(error, attempt)
      }
    }
  } finally {
    signal?.removeEventListener('abort', end)
    stop.abort()
  }
}

interface ServerEvent {
  id?: string
  retry?: number
  data?: string
}

/** @throws ServiceUnreachable when the stream breaks or falls silent */
async function* eventsOf(
  body: ReadableStream<Uint8Array>,
  url: string,
  signal: AbortSignal,
): AsyncGenerator<ServerEvent> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader()
  let text = ''
  try {
    for (;;) {
      const { done, value } = await readWithin(reader, url)
      if (done) return
      const frames = (text + value).replace(/\r\n?/g, '\n').split('\n\n')
      text = frames.pop() ?? ''
      yield* frames.map(parseEvent)
    }
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    // Whoever stops listening frees the connection.
    reader.cancel().catch(() => {})
  }
}

async function readWithin(reader: ReadableStreamDefaultReader<string>, url: string) {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('silent for too long')), silence)
  })
  try {
    return await Promise.race([reader.read(), late])
  } catch (cause) {
    throw new ServiceUnreachable(url, cause)
  } finally {
    clearTimeout(timer)
  }
}

/** https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation, as far as it is used */
function parseEvent(frame: string): ServerEvent {
  const event: ServerEvent = {}
  for (const line of frame.split('\n')) {
    const [, field, value = ''] = /^([a-z]+): ?(.*)$/.exec(line) ?? []
    if (field === 'id') event.id = value
    if (field === 'retry' && /^\d+$/.test(value)) event.retry = Number(value)
    if (field === 'data') event.data = event.data === undefined ? value : `${event.data}\n${value}`
  }
  return event
}
