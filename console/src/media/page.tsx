import { lazy, Suspense, useEffect, useState } from 'react'
import { type Media, MediaServiceError } from '../../../client/src/index.ts'
import { client, noteError } from '../api/session.ts'
import { library, note } from '../library/library.ts'
import { useStore } from '../store.ts'
import { Icon } from '../ui/icons.tsx'
import { Link } from '../ui/link.tsx'
import { Empty, Spinner, Status } from '../ui/parts.tsx'
import { explain } from '../words.ts'
import { Actions } from './actions.tsx'
import { Details } from './details.tsx'
import { EmbedCode } from './embed.tsx'
import { Failure, Waiting } from './failure.tsx'
import { Files } from './files.tsx'
import { Picture } from './picture.tsx'
import { ratioOf } from './ratio.ts'
import { RawRecord } from './record.tsx'
import { Tabs } from './tabs.tsx'
import { Timeline } from './timeline.tsx'
import { Title } from './title.tsx'
import '../styles/media.css'

const Player = lazy(async () => ({ default: (await import('./player.tsx')).Player }))
const SoundPlayer = lazy(async () => ({ default: (await import('./sound.tsx')).SoundPlayer }))

/** One media: to see and hear, to hand on, and what became of it. */
export function MediaPage({ media_id }: { media_id: string }) {
  const media = useStore(library, (value) => value.media.get(media_id))
  const [problem, setProblem] = useState<string | null>(null)

  useEffect(() => {
    let over = false
    client.get(media_id).then(note, (error) => {
      noteError(error)
      if (over) return
      const gone = error instanceof MediaServiceError && error.status === 404
      setProblem(gone ? 'gone' : explain(error))
    })
    return () => {
      over = true
    }
  }, [media_id])
  // Removed while it is looked at.
  const [seen, setSeen] = useState(false)
  useEffect(() => {
    if (media) setSeen(true)
    document.title = `${media?.title ?? 'Media'} · Media`
  }, [media])

  if (!media && (seen || problem === 'gone')) return <Gone />
  if (!media && problem)
    return (
      <Empty whole icon="alert" title="It cannot be shown">
        {problem}
      </Empty>
    )
  if (!media) return <Spinner label="Loading" />
  return <Content media={media} />
}

function Content({ media }: { media: Media }) {
  return (
    <div className="media">
      <Link href="/" className="back">
        <Icon name="back" size={18} />
        Library
      </Link>
      <div className="media-columns">
        <div className="media-main">
          <Stage media={media} />
          <div className="media-head">
            <Title media={media} />
            <Status media={media} />
            <span className="stretch" />
            <Actions media={media} />
          </div>
          <Tabs
            label="About this media"
            tabs={[
              { name: 'Files', content: <Files media={media} /> },
              { name: 'Embed', content: <EmbedCode media={media} /> },
              { name: 'Record', content: <RawRecord media={media} /> },
            ]}
          />
        </div>
        <aside aria-label="What is known of it">
          <Timeline media={media} />
          <Details media={media} />
        </aside>
      </div>
    </div>
  )
}

/** What there is to see or hear; its place is there before it is. */
function Stage({ media }: { media: Media }) {
  const { status, playable, media_type } = media
  if (status === 'failed' && !playable) return <Failure media={media} />
  if (!playable) return <Waiting media={media} />
  return (
    <>
      {status === 'failed' && <Failure media={media} />}
      <Suspense fallback={<div className="stage" style={{ aspectRatio: ratioOf(media) }} />}>
        {media_type === 'image' ? (
          <Picture media={media} />
        ) : media_type === 'audio' ? (
          <SoundPlayer media={media} />
        ) : (
          <Player media={media} />
        )}
      </Suspense>
    </>
  )
}

function Gone() {
  return (
    <Empty whole icon="search" title="It is not here">
      <p>This media does not exist, was deleted, or belongs to somebody else.</p>
      <Link href="/" className="button">
        Back to the library
      </Link>
    </Empty>
  )
}
