import { useState } from 'react'
import type { Media } from '../../../client/src/index.ts'
import { client, noteError } from '../api/session.ts'
import { note } from '../library/library.ts'
import { placeholderOf } from '../library/placeholder.ts'
import { Button } from '../ui/button.tsx'
import { Icon } from '../ui/icons.tsx'
import { Progress } from '../ui/parts.tsx'
import { say } from '../ui/toast.tsx'
import { explain } from '../words.ts'

/** Why it failed and what can be done. */
export function Failure({ media }: { media: Media }) {
  const [busy, setBusy] = useState(false)
  async function retry(): Promise<void> {
    setBusy(true)
    try {
      note(await client.retry(media.media_id))
      say('It is processed again.')
    } catch (error) {
      noteError(error)
      say(explain(error), { bad: true })
    }
    setBusy(false)
  }
  return (
    <section className="failure" aria-labelledby="failure">
      <Icon name="alert" size={28} />
      <div>
        <h2 id="failure">It could not be processed</h2>
        <p>{media.error?.message ?? 'Nobody knows why. Try again.'}</p>
        <p className="failure-code">
          <code>{media.error?.code}</code> · {media.attempts === 1 ? 'tried once' : `tried ${media.attempts} times`}
        </p>
      </div>
      <Button icon="retry" disabled={busy} onClick={() => void retry()}>
        {busy ? 'Asking…' : 'Try again'}
      </Button>
    </section>
  )
}

/** It is on its way: how far. */
export function Waiting({ media }: { media: Media }) {
  const { status, progress, placeholder } = media
  const blurred = placeholderOf(placeholder)
  const words = {
    uploading: 'Being uploaded',
    uploaded: 'Waiting for its turn',
    processing: 'Being processed',
  } as const
  return (
    <div className="stage waiting" style={{ aspectRatio: '16 / 9' }}>
      {blurred && <img src={blurred} alt="" />}
      <div>
        <Icon name={media.media_type ?? 'file'} size={32} />
        <strong>{words[status as keyof typeof words] ?? 'Not ready'}</strong>
        <Progress value={status === 'processing' ? progress / 100 : null} label="Processing" />
        <span>{status === 'processing' ? `${Math.floor(progress)} %` : 'You can close this page meanwhile.'}</span>
      </div>
    </div>
  )
}
