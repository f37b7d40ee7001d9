import { useState } from 'react'
import type { Media } from '../../../client/src/index.ts'
import { client, noteError } from '../api/session.ts'
import { removeAll } from '../library/library.ts'
import { navigate } from '../router.ts'
import { Button, IconButton } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { say } from '../ui/toast.tsx'
import { explain } from '../words.ts'

export function Actions({ media }: { media: Media }) {
  const [asking, setAsking] = useState(false)
  return (
    <div className="actions">
      {media.playable && (
        <Button icon="download" onClick={() => void save(media.media_id)}>
          Download
        </Button>
      )}
      <IconButton icon="trash" label="Delete" onClick={() => setAsking(true)} />
      {asking && <DeleteDialog media={media} onClose={() => setAsking(false)} />}
    </div>
  )
}

/** By a signed address that says to save: the bytes never pass through the page. */
export async function save(media_id: string, rendition?: string): Promise<void> {
  try {
    const wish = { disposition: 'attachment' as const, ...(rendition ? { rendition } : {}) }
    const { url, filename } = await client.downloadUrl(media_id, wish)
    const link = Object.assign(document.createElement('a'), { href: url, download: filename })
    link.click()
  } catch (error) {
    noteError(error)
    say(explain(error), { bad: true })
  }
}

function DeleteDialog({ media, onClose }: { media: Media; onClose: () => void }) {
  const [busy, setBusy] = useState(false)
  async function remove(): Promise<void> {
    setBusy(true)
    const { problem } = await removeAll([media.media_id])
    if (problem) {
      setBusy(false)
      return say(problem, { bad: true })
    }
    navigate('/')
    say(`“${media.title}” deleted.`)
  }
  return (
    <Dialog
      title="Delete this?"
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Keep</Button>
          <Button look="danger" disabled={busy} onClick={() => void remove()}>
            {busy ? 'Deleting…' : 'Delete'}
          </Button>
        </>
      }
    >
      <p>
        “{media.title}” and all that was made of it are removed at once, and links to it stop working. This cannot be
        undone.
      </p>
    </Dialog>
  )
}
