import { useRef } from 'react'
import { library } from '../library/library.ts'
import { useStore } from '../store.ts'
import { Button, IconButton } from '../ui/button.tsx'
import { Icon } from '../ui/icons.tsx'
import { Link } from '../ui/link.tsx'
import { Progress } from '../ui/parts.tsx'
import { leftOf, sizeOf } from '../words.ts'
import { listOf } from './files.ts'
import { addFiles, cancel, clearFinished, pause, resume, totalsOf, type Upload, uploads } from './uploads.ts'

/** What is on its way, wherever one is in the console. */
export function Tray() {
  const { list, open } = useStore(uploads, (value) => value)
  if (list.length === 0) return null
  const totals = totalsOf(list)
  return (
    <section className={`tray ${open ? '' : 'folded'}`} aria-label="Uploads">
      <header>
        <div>
          <h2>{headline(totals)}</h2>
          <p className="muted" aria-live="off">
            {totals.speed > 0
              ? `${sizeOf(totals.speed)}/s · ${leftOf((totals.size - totals.sent) / totals.speed)}`
              : `${sizeOf(totals.sent)} of ${sizeOf(totals.size)}`}
          </p>
        </div>
        {totals.done + totals.failed > 0 && (
          <Button look="quiet" small onClick={clearFinished}>
            Clear
          </Button>
        )}
        <IconButton
          icon="chevron"
          label={open ? 'Fold the uploads' : 'Show the uploads'}
          aria-expanded={open}
          onClick={() => uploads.set({ open: !open })}
        />
      </header>
      {totals.active > 0 && <Progress value={totals.size ? totals.sent / totals.size : 0} label="All uploads" />}
      <p className="visually-hidden" role="status">
        {headline(totals)}
      </p>
      {open && (
        <ul>
          {list.map((one) => (
            <Row key={one.id} upload={one} />
          ))}
        </ul>
      )}
    </section>
  )
}

function headline({ active, done, failed }: ReturnType<typeof totalsOf>): string {
  const broken = failed > 0 ? `, ${failed} failed` : ''
  if (active === 0) return `${done} uploaded${broken}`
  return `Uploading ${active}${done > 0 ? `, ${done} done` : ''}${broken}`
}

function Row({ upload }: { upload: Upload }) {
  const { id, title, name, size, state, sent, problem } = upload
  const again = useRef<HTMLInputElement>(null)
  const under = state !== 'done' && state !== 'failed'
  return (
    <li className={`upload ${state}`}>
      <div className="upload-text">
        <span className="upload-title" title={name}>
          {title}
        </span>
        <span className="muted">
          <What upload={upload} />
        </span>
        {under && <Progress value={size ? sent / size : 0} label={title} look={state} />}
        {problem && <span className="problem">{problem}</span>}
      </div>
      <div className="upload-actions">
        {(state === 'sending' || state === 'waiting') && (
          <IconButton icon="pause" label={`Pause ${title}`} onClick={() => pause(id)} />
        )}
        {state === 'paused' && (
          <IconButton
            icon="play"
            label={`Resume ${title}`}
            onClick={async () => (await resume(id)) && again.current?.click()}
          />
        )}
        {state === 'missing' && (
          <Button small icon="file" onClick={async () => (await resume(id)) && again.current?.click()}>
            Choose again
          </Button>
        )}
        {state === 'failed' && size > 0 && (
          <IconButton icon="retry" label={`Try ${title} again`} onClick={() => void resume(id)} />
        )}
        {state === 'done' ? (
          <Outcome media_id={upload.media_id} />
        ) : (
          <IconButton icon="close" label={`Cancel ${title}`} onClick={() => void cancel(id)} />
        )}
      </div>
      <input
        ref={again}
        type="file"
        hidden
        aria-label={`${name} again`}
        onChange={(event) => {
          addFiles(listOf(event.currentTarget.files ?? []))
          event.currentTarget.value = ''
        }}
      />
    </li>
  )
}

/** The upload is over; what becomes of the media is another matter. */
function Outcome({ media_id }: { media_id: string | null }) {
  const failed = useStore(library, ({ media }) => media_id !== null && media.get(media_id)?.status === 'failed')
  return (
    <span className={failed ? 'done bad' : 'done'}>
      <Icon name={failed ? 'alert' : 'check'} size={18} />
    </span>
  )
}

function What({ upload: { state, sent, size, speed, media_id } }: { upload: Upload }) {
  const media = useStore(library, ({ media }) => (media_id ? media.get(media_id) : undefined))
  const far = `${sizeOf(sent)} of ${sizeOf(size)}`
  if (state === 'waiting') return `Waiting · ${sizeOf(size)}`
  if (state === 'paused') return `Paused · ${far}`
  if (state === 'missing') return 'The page was reloaded: choose the file again to go on where it ended'
  if (state === 'failed') return sizeOf(size)
  if (state === 'sending' && sent >= size) return 'Putting it together…'
  if (state === 'sending') return speed > 0 ? `${far} · ${leftOf((size - sent) / speed)}` : far
  if (!media) return 'Uploaded'
  const words: Partial<Record<typeof media.status, string>> = {
    uploaded: 'Uploaded, waiting to be processed',
    processing: `Processing ${Math.floor(media.progress)} %`,
    failed: 'Could not be processed',
  }
  return <Link href={`/media/${media.media_id}`}>{words[media.status] ?? 'Ready'}</Link>
}
