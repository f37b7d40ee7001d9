import { useEffect, useState } from 'react'
import type { Media } from '../../../client/src/index.ts'
import { ask } from '../api/session.ts'
import { spanOf, timeOf } from '../words.ts'

interface Event {
  seq: number
  type: string
  at: string
  data: Record<string, unknown>
}

const words: Record<string, string> = {
  'media.created': 'Upload begun',
  'media.uploaded': 'Uploaded',
  'media.processing': 'Processing begun',
  'media.playable': 'Can be played',
  'media.processed': 'Ready',
  'media.failed': 'Failed',
  'media.retried': 'Asked to try again',
  'media.updated': 'Title changed',
  'media.aborted': 'Upload given up',
}
/** What the time before an event was spent on. */
const spent: Record<string, string> = {
  'media.uploaded': 'uploading',
  'media.processing': 'waiting in line',
  'media.playable': 'until it could be played',
  'media.processed': 'processing',
  'media.failed': 'processing',
}
/** After it can be played, what is left. */
const leftOver = 'making the rest'
/** Renaming takes no part in how long anything took. */
const aside = new Set(['media.updated', 'media.retried'])
const most = 200

/** What happened to it, and how long each step took. */
export function Timeline({ media }: { media: Media }) {
  const [events, setEvents] = useState<Event[]>([])
  const { media_id, version, status } = media
  useEffect(() => {
    const stop = new AbortController()
    ask<{ items: Event[] }>(`/api/media/${media_id}/log?limit=${most}`, { signal: stop.signal }).then(
      ({ items }) => setEvents(items),
      () => {},
    )
    return () => stop.abort()
  }, [media_id, version, status])

  const [first, last] = [events[0], events.findLast(({ type }) => !aside.has(type))]
  const over = status === 'processed' || status === 'failed'
  const whole = over && first && last && last !== first ? Date.parse(last.at) - Date.parse(first.at) : null
  return (
    <section className="box">
      <h2 className="timeline-head">
        What happened
        {whole !== null && <span className="muted">{spanOf(whole)}</span>}
      </h2>
      <ol className="timeline" aria-busy={events.length === 0}>
        {events.map((event, index) => (
          <li key={event.seq} className={event.type.replace('media.', 'event-')}>
            <Step
              event={event}
              before={events
                .slice(0, index)
                .findLast(({ type }) => !aside.has(type) || event.type === 'media.processing')}
            />
          </li>
        ))}
      </ol>
    </section>
  )
}

const parts: Record<string, string> = { fetch: 'reading the file', make: 'making everything', store: 'storing it' }

/** Seconds of each part of the processing. */
function Parts({ steps }: { steps: unknown }) {
  const known = Object.entries((steps ?? {}) as Record<string, unknown>).filter(([name]) => name in parts)
  if (known.length === 0) return null
  return (
    <ul className="event-parts">
      {known.map(([name, seconds]) => (
        <li key={name}>
          <span>{parts[name]}</span>
          <span>{spanOf(Number(seconds) * 1_000)}</span>
        </li>
      ))}
    </ul>
  )
}

function Step({ event, before }: { event: Event; before: Event | undefined }) {
  const { type, at, data } = event
  const ms = before && !aside.has(type) ? Date.parse(at) - Date.parse(before.at) : null
  const attempt = typeof data.attempt === 'number' && data.attempt > 1 ? ` (attempt ${data.attempt})` : ''
  return (
    <>
      <span className="event-name">
        {words[type] ?? type}
        {attempt}
      </span>
      {ms !== null && (
        <span className="event-span">
          {spanOf(ms)} {type === 'media.processed' && before?.type === 'media.playable' ? leftOver : spent[type]}
        </span>
      )}
      {type === 'media.processed' && <Parts steps={data.steps} />}
      <time dateTime={at}>{timeOf(at, { seconds: true })}</time>
    </>
  )
}
