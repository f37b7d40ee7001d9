import { useEffect, useRef, useState } from 'react'
import type { Media } from '../../../client/src/index.ts'
import { linkOf } from '../api/links.ts'
import { placeholderOf } from '../library/placeholder.ts'
import { IconButton } from '../ui/button.tsx'

/** A picture as large as there is room for, and larger at a click. */
export function Picture({ media }: { media: Media }) {
  const { media_id, version, renditions, placeholder, width, height, title } = media
  const [src, setSrc] = useState<string | null>(null)
  const [large, setLarge] = useState(false)
  const [whole, setWhole] = useState(true)
  const dialog = useRef<HTMLDialogElement>(null)
  const best = bestOf(renditions.map(({ name }) => name))

  useEffect(() => {
    if (!best) return
    let over = false
    linkOf(media_id, best, version).then(
      (url) => !over && setSrc(url),
      () => {},
    )
    return () => {
      over = true
    }
  }, [media_id, version, best])
  useEffect(() => {
    if (large) dialog.current?.showModal()
  }, [large])

  const blurred = placeholderOf(placeholder)
  return (
    <div className="stage picture">
      <button type="button" onClick={() => setLarge(true)} aria-label="Look at it in full size">
        <img
          src={src ?? blurred ?? undefined}
          alt={title}
          width={width ?? undefined}
          height={height ?? undefined}
          style={blurred && !src ? {} : { backgroundImage: blurred ? `url(${blurred})` : undefined }}
        />
      </button>
      {large && (
        <dialog ref={dialog} className="lightbox" aria-label={title} onClose={() => (setLarge(false), setWhole(true))}>
          <IconButton icon="close" label="Close" onClick={() => dialog.current?.close()} />
          <IconButton
            icon={whole ? 'zoom' : 'zoomOut'}
            label={whole ? 'Each pixel' : 'The whole picture'}
            className="second"
            onClick={() => setWhole(!whole)}
          />
          <div className={whole ? 'whole' : ''} tabIndex={0} role="region" aria-label="Picture in full size">
            <img src={src ?? undefined} alt={title} onClick={() => setWhole(!whole)} />
          </div>
        </dialog>
      )}
    </div>
  )
}

function bestOf(names: string[]): string | undefined {
  return ['webp-1600', 'avif-1600', 'jpeg-1600', 'thumbnail'].find((one) => names.includes(one)) ?? names[0]
}
