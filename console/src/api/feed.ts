import type { Media } from '../../../client/src/index.ts'
import { authorization, signOut } from './session.ts'

/** The service's stream of all the caller's media, for as long as somebody looks. */

export interface FeedListener {
  /** From here on everything is told: what was read before may be old. */
  onBegin(): void
  onMedia(media: Media): void
  onGone(media_id: string): void
  onLive(live: boolean): void
}

const address = '/api/media/events'
const firstPause = 1_000
const longestPause = 20_000
/** Milliseconds of silence, though the service shows a sign of life every 15 s. */
const silence = 40_000
/** Milliseconds that a page nobody looks at stays connected: browsers allow six connections, of all tabs together. */
const unseen = 30_000

export function followFeed(listener: FeedListener): () => void {
  const ended = new AbortController()
  let place = ''
  let visit = new AbortController()
  let leaving: ReturnType<typeof setTimeout> | undefined

  async function run(): Promise<void> {
    for (let pause = firstPause; !ended.signal.aborted; ) {
      await shown()
      visit = new AbortController()
      try {
        await read(visit.signal, () => {
          pause = firstPause
        })
      } catch (error) {
        if (error instanceof Refused && error.status === 401) return signOut('Your sign-in has ended.')
      }
      listener.onLive(false)
      if (ended.signal.aborted) return
      await new Promise((resolve) => setTimeout(resolve, pause))
      pause = Math.min(pause * 2, longestPause)
    }
  }

  async function read(signal: AbortSignal, onAnswer: () => void): Promise<void> {
    const alive = new AbortController()
    const within = AbortSignal.any([signal, ended.signal, alive.signal])
    const headers = { ...authorization(), ...(place ? { 'last-event-id': place } : {}) }
    const answer = await fetch(address, { headers, signal: within })
    if (!answer.ok || !answer.body) throw new Refused(answer.status)
    onAnswer()
    if (!place) listener.onBegin()
    listener.onLive(true)
    let timer = setTimeout(() => alive.abort(), silence)
    try {
      for await (const frame of framesOf(answer.body)) {
        clearTimeout(timer)
        timer = setTimeout(() => alive.abort(), silence)
        hear(frame)
      }
    } finally {
      clearTimeout(timer)
    }
  }

  function hear({ event, data, id }: Frame): void {
    if (id) place = id
    if (event === 'media') listener.onMedia(JSON.parse(data))
    if (event === 'gone') listener.onGone(JSON.parse(data).media_id)
    if (event === 'reset') listener.onBegin()
  }

  function look(): void {
    clearTimeout(leaving)
    if (document.hidden) leaving = setTimeout(() => visit.abort(), unseen)
  }

  document.addEventListener('visibilitychange', look)
  void run()
  return () => {
    document.removeEventListener('visibilitychange', look)
    clearTimeout(leaving)
    ended.abort()
  }
}

class Refused extends Error {
  readonly status: number
  constructor(status: number) {
    super(`refused with ${status}`)
    this.status = status
  }
}

async function shown(): Promise<void> {
  if (!document.hidden) return
  await new Promise<void>((resolve) => {
    const look = () => {
      if (document.hidden) return
      document.removeEventListener('visibilitychange', look)
      resolve()
    }
    document.addEventListener('visibilitychange', look)
  })
}

interface Frame {
  event: string
  data: string
  id: string
}

async function* framesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Frame> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader()
  let text = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      text += value
      const frames = text.split('\n\n')
      text = frames.pop() ?? ''
      yield* frames.map(parseFrame)
    }
  } finally {
    reader.cancel().catch(() => {})
  }
}

function parseFrame(frame: string): Frame {
  const field = (name: string) => new RegExp(`^${name}: ?(.*)$`, 'm').exec(frame)?.[1] ?? ''
  return { event: field('event'), data: field('data'), id: field('id') }
}
