import { useEffect, useRef, useState } from 'react'
import { navigate, useQuery } from '../router.ts'
import { useStore } from '../store.ts'
import { Button } from '../ui/button.tsx'
import { Empty } from '../ui/parts.tsx'
import { UploadMenu } from '../uploads/menu.tsx'
import { Ghost } from './card.tsx'
import { FilterBar } from './filters.tsx'
import { Grid } from './grid.tsx'
import { type Filters, library, read, readMore } from './library.ts'
import { SelectionBar } from './selection.tsx'

/** All of the caller's media, newest first, as far as one scrolls. */
export function LibraryPage() {
  const filters = filtersOf(useQuery())
  const key = JSON.stringify(filters)
  useEffect(() => {
    document.title = 'Library · Media'
    const { filters: shown, state, live } = library.get()
    const same = JSON.stringify(shown) === key
    // The feed reads the first time, and keeps what is read: going back is to where one was.
    if (!same || (state === 'idle' && !live)) void read(same ? shown : filters)
  }, [key])
  const { order, state, problem, cursor, live, begun } = useStore(library, (value) => value)
  const filtered = filters.q !== '' || filters.status !== '' || filters.media_type !== ''
  const loading = state === 'loading' && order.length === 0
  const empty = order.length === 0 && state === 'idle' && !filtered

  return (
    <div className="library">
      <h1 className="visually-hidden">Library</h1>
      {!empty && (
        <FilterBar
          filters={filters}
          // What is typed arrives later than what is clicked meanwhile.
          onChange={(change) => navigate(addressOf({ ...filtersOf(location.search), ...change }), { replace: true })}
        />
      )}
      {begun && !live && state !== 'failed' && <Disconnected />}
      {state === 'failed' && (
        <div className="banner" role="alert">
          <span>{problem}</span>
          <Button small icon="retry" onClick={() => void read()}>
            Try again
          </Button>
        </div>
      )}
      {empty && <Welcome />}
      {order.length === 0 && state === 'idle' && filtered && <NothingFound filters={filters} />}
      {(order.length > 0 || loading) && (
        <Grid order={order} busy={state === 'loading'}>
          {(loading || state === 'more') &&
            Array.from({ length: loading ? 12 : 4 }, (_, index) => <Ghost key={index} />)}
        </Grid>
      )}
      {cursor !== null && <More key={cursor} />}
      <SelectionBar />
    </div>
  )
}

/** Not for the second between one stream and the next. */
function Disconnected() {
  const [late, setLate] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 4_000)
    return () => clearTimeout(timer)
  }, [])
  return (
    <p className={late ? 'disconnected' : 'visually-hidden'} role="status">
      {late && 'Reconnecting… What changes meanwhile is shown then.'}
    </p>
  )
}

function Welcome() {
  return (
    <div className="welcome">
      <Empty
        icon="upload"
        title={touched() ? 'Add a video, a picture or a sound' : 'Drop a video, a picture or a sound'}
      >
        <p>
          {touched() ? 'One or many of them' : 'Anywhere on this page, one or a whole folder of them'}, of any size.
          They are made ready to play everywhere.
        </p>
        <UploadMenu prominent />
        <p className="hint">
          {touched() ? 'You can close this page' : 'You can paste too, and close this page'} while they are processed.
        </p>
      </Empty>
    </div>
  )
}

/** Fingers drop nothing. */
function touched(): boolean {
  return matchMedia('(hover: none) and (pointer: coarse)').matches
}

const kinds = { '': 'Nothing', video: 'No video', image: 'No picture', audio: 'No sound' }
const states = {
  '': '',
  processed: ' that is ready',
  processing: ' that is being processed',
  failed: ' that failed',
  uploading: ' that is being uploaded',
}

function NothingFound({ filters: { q, media_type, status } }: { filters: Filters }) {
  return (
    <Empty icon="search" title="Nothing matches">
      <p className="words">
        {kinds[media_type]}
        {states[status]} {q ? `has “${q}” in its title.` : 'is here.'}
      </p>
      <Button onClick={() => navigate('/')}>Clear search and filters</Button>
    </Empty>
  )
}

/** Reads on when it comes near, and at a click for who scrolls otherwise. */
function More() {
  const end = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const eye = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && void readMore(), {
      rootMargin: '800px',
    })
    if (end.current) eye.observe(end.current)
    return () => eye.disconnect()
  }, [])
  return (
    <div ref={end} className="more">
      <Button look="quiet" onClick={() => void readMore()}>
        Show more
      </Button>
    </div>
  )
}

function filtersOf(query: string): Filters {
  const asked = new URLSearchParams(query)
  const pick = <T extends string>(name: string, known: readonly T[]): T | '' =>
    known.find((one) => one === asked.get(name)) ?? ''
  return {
    q: asked.get('q') ?? '',
    status: pick('status', ['processed', 'processing', 'failed', 'uploading']),
    media_type: pick('type', ['video', 'image', 'audio']),
  }
}

function addressOf({ q, status, media_type }: Filters): string {
  const query = new URLSearchParams()
  if (q) query.set('q', q)
  if (media_type) query.set('type', media_type)
  if (status) query.set('status', status)
  return query.size > 0 ? `/?${query}` : '/'
}
