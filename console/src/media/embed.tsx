import { useEffect, useState } from 'react'
import type { Media } from '../../../client/src/index.ts'
import { client, noteError } from '../api/session.ts'
import { Button } from '../ui/button.tsx'
import { explain, timeOf } from '../words.ts'
import { copy } from './copy.ts'
import { Lifetime } from './files.tsx'

/** What to put into a page of one's own. */
export function EmbedCode({ media }: { media: Media }) {
  const [seconds, setSeconds] = useState(604_800)
  const [made, setMade] = useState<{ code: string; until: string } | null>(null)
  const [problem, setProblem] = useState<string | null>(null)
  const { media_id, version, playable } = media

  useEffect(() => {
    if (!playable) return
    let over = false
    codeOf(media, seconds).then(
      (code) => !over && setMade(code),
      (error) => {
        noteError(error)
        if (!over) setProblem(explain(error))
      },
    )
    return () => {
      over = true
    }
  }, [media_id, version, seconds, playable])

  if (!playable) return <p className="muted">There is something to embed as soon as it can be played.</p>
  if (problem) return <p className="problem">{problem}</p>
  return (
    <>
      <div className="tab-head">
        <Lifetime value={seconds} onChange={setSeconds} />
        <Button small icon="link" disabled={!made} onClick={() => made && void copy(made.code, 'Code copied.')}>
          Copy
        </Button>
      </div>
      <pre className="code" tabIndex={0} role="region" aria-label="Embed code">
        {made?.code ?? ' '}
      </pre>
      <p className="muted note">
        {made && `The links in it work until ${timeOf(made.until)}. `}
        For a page that lasts, let your server ask for fresh ones: <code>GET /api/media/download/{media_id}</code>, as{' '}
        <a href="/docs/">the API</a> says.
      </p>
    </>
  )
}

async function codeOf(media: Media, expires_in: number): Promise<{ code: string; until: string }> {
  const { media_id, renditions, media_type, title, width, height } = media
  const has = (name: string) => renditions.some((one) => one.name === name)
  const main = await client.downloadUrl(media_id, { expires_in })
  const size = width && height ? ` width="${width}" height="${height}"` : ''
  const words = title.replace(/[&<>"]/g, (one) => `&#${one.charCodeAt(0)};`)
  const until = main.expires_at
  const address = (url: string) => url.replaceAll('&', '&amp;')
  if (media_type === 'image')
    return { until, code: `<img src="${address(main.url)}"\n     alt="${words}"${size} loading="lazy">` }
  if (media_type === 'audio')
    return {
      until,
      code: `<audio controls preload="none" title="${words}"\n       src="${address(main.url)}"></audio>`,
    }
  const poster = has('poster') ? await client.downloadUrl(media_id, { rendition: 'poster', expires_in }) : null
  const shown = poster ? `\n       poster="${address(poster.url)}"` : ''
  return {
    until,
    code: `<video controls playsinline preload="none" title="${words}"${size}${shown}\n       src="${address(main.url)}"></video>`,
  }
}
