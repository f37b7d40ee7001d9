import type { Media } from '../../../client/src/index.ts'
import { Button } from '../ui/button.tsx'
import { copy } from './copy.ts'

/** The record as the API gives it. */
export function RawRecord({ media }: { media: Media }) {
  const text = JSON.stringify(media, null, 2)
  return (
    <>
      <div className="tab-head">
        <p className="muted">
          <code>GET /api/media/{media.media_id}</code>
        </p>
        <Button small icon="link" onClick={() => void copy(text, 'Record copied.')}>
          Copy
        </Button>
      </div>
      <pre className="code" tabIndex={0} role="region" aria-label="Record">
        {text}
      </pre>
    </>
  )
}
