import { memo, useState } from 'react'
import { useStore } from '../store.ts'
import { Icon } from '../ui/icons.tsx'
import { Link } from '../ui/link.tsx'
import { Progress, Status } from '../ui/parts.tsx'
import { agoOf, clockOf, sizeOf, timeOf } from '../words.ts'
import { library, toggle } from './library.ts'
import { Thumbnail } from './thumbnail.tsx'

/** One media in the grid. */
export const Card = memo(function Card({ media_id, place, of }: { media_id: string; place: number; of: number }) {
  const media = useStore(library, (value) => value.media.get(media_id))
  const selected = useStore(library, (value) => value.selected.has(media_id))
  const choosing = useStore(library, (value) => value.selected.size > 0)
  const [near, setNear] = useState(false)
  if (!media) return null
  const { title, status, media_type, duration, file_size, upload_time, progress } = media
  const under = status === 'processing'
  return (
    <li
      className={`card ${selected ? 'selected' : ''}`}
      aria-posinset={place}
      aria-setsize={of}
      onPointerEnter={(event) => event.pointerType === 'mouse' && setNear(true)}
      onPointerLeave={() => setNear(false)}
    >
      <Link
        href={`/media/${media_id}`}
        onClick={(event) => {
          // Once something is chosen, a click chooses more.
          if (!choosing) return
          event.preventDefault()
          toggle(media_id, { range: event.shiftKey })
        }}
      >
        <Thumbnail media={media} moving={near} />
        <span className="card-title">{title}</span>
      </Link>
      <div className="card-marks">
        {status !== 'processed' && <Status media={media} />}
        {duration !== null && media_type !== 'image' && <span className="length">{clockOf(duration)}</span>}
      </div>
      {under && <Progress value={progress / 100} label={`Processing ${title}`} look="card-progress" />}
      <p className="card-facts">
        <Icon name={media_type ?? 'file'} size={14} />
        {file_size !== null && (
          <>
            <span>{sizeOf(file_size)}</span>
            <span aria-hidden="true">·</span>
          </>
        )}
        <time dateTime={upload_time} title={timeOf(upload_time)}>
          {agoOf(upload_time)}
        </time>
      </p>
      <label className="card-check">
        <input
          type="checkbox"
          checked={selected}
          aria-label={`Select ${title}`}
          onChange={() => {}}
          onClick={(event) => toggle(media_id, { range: event.shiftKey })}
        />
        <span aria-hidden="true">
          <Icon name="check" size={14} />
        </span>
      </label>
    </li>
  )
})

/** Where a card will be. */
export function Ghost() {
  return (
    <li className="card ghost" aria-hidden="true">
      <div className="thumbnail" />
      <span className="card-title" />
      <p className="card-facts" />
    </li>
  )
}
