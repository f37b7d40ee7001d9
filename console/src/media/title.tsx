import { useState } from 'react'
import type { Media } from '../../../client/src/index.ts'
import { client, noteError } from '../api/session.ts'
import { note } from '../library/library.ts'
import { say } from '../ui/toast.tsx'
import { explain } from '../words.ts'

/** The title, which a click lets one change. */
export function Title({ media }: { media: Media }) {
  const [text, setText] = useState<string | null>(null)

  async function save(): Promise<void> {
    const title = text?.trim() ?? ''
    setText(null)
    if (!title || title === media.title) return
    try {
      note(await client.update(media.media_id, { title }))
    } catch (error) {
      noteError(error)
      say(explain(error), { bad: true })
    }
  }

  if (text === null) {
    return (
      <h1 className="title">
        <button type="button" title="Change the title" onClick={() => setText(media.title)}>
          {media.title}
        </button>
      </h1>
    )
  }
  return (
    <form
      className="title"
      onSubmit={(event) => {
        event.preventDefault()
        void save()
      }}
    >
      <input
        autoFocus
        aria-label="Title"
        value={text}
        maxLength={500}
        onChange={(event) => setText(event.currentTarget.value)}
        onBlur={() => void save()}
        onKeyDown={(event) => event.key === 'Escape' && setText(null)}
      />
    </form>
  )
}
