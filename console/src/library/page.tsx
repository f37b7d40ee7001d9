import { useEffect, useRef } from 'react'
import { navigate, useQuery } from '../router.ts'
import { useStore } from '../store.ts'
import { Button } from '../ui/button.tsx'
import { Empty } from '../ui/parts.tsx'
import { UploadMenu } from '../uploads/menu.tsx'
import { Card, Ghost } from './card.tsx'
import { FilterBar } from './filters.tsx'
import { type Filters, library, read, readMore } from './library.ts'
import { SelectionBar } from './selection.tsx'

/** All of the caller's media, newest first, as far as one scrolls. */
export function LibraryPage() {
  const filters = filtersOf(useQuery())
  const key = JSON.stringify(filters)
  useEffect(() => {
    document.title = 'Library · Media'
    const { filters: shown, state } = library.get()
    // The feed reads the first time; going back shows what is there.
    if (JSON.stringify(shown) !== key || state === 'idle') void read(JSON.stringify(shown) === key ? shown : filters)
  }, [key])
  const { order, state, problem, cursor } = useStore(library, (value) => value)
  const filtered = filters.q !== '' || filters.status !== '' || filters.media_type !== ''
  const loading = state === 'loading' && order.length === 0

  return (
    <div className="library">
      <h1 className="visually-hidden">Library</h1>
      <FilterBar
        filters={filters}
        onChange={(change) => navigate(addressOf({ ...filters, ...change }), { replace: true })}
      />
      {state === 'failed' && (
        <div className="banner" role="alert">
          <span>{problem}</span>
          <Button small icon="retry" onClick={() => void read()}>
            Try again
          </Button>
        </div>
      )}
      {order.length === 0 && state === 'idle' && (filtered ? <NothingFound /> : <Welcome />)}
      {(order.length > 0 || loading) && (
        <ul className={`grid ${state === 'loading' ? 'stale' : ''}`} aria-label="Media" aria-busy={state === 'loading'}>
          {order.map((media_id) => (
            <Card key={media_id} media_id={media_id} />
          ))}
          {(loading || state === 'more') &&
            Array.from({ length: loading ? 12 : 4 }, (_, index) => <Ghost key={index} />)}
        </ul>
      )}
      {cursor !== null && <More key={cursor} />}
      <SelectionBar />
    </div>
  )
}

function Welcome() {
  return (
    <Empty icon="upload" title="Drop a video, a picture or a sound">
      <p>Anywhere on this page, one or a whole folder of them, of any size. They are made ready to play everywhere.</p>
      <UploadMenu prominent />
      <p className="hint">You can paste too, and close this page while they are processed.</p>
    </Empty>
  )
}

function NothingFound() {
  return (
    <Empty icon="search" title="Nothing matches">
      <p>No media has this in its title with these filters.</p>
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
