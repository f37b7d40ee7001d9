import { useEffect, useRef, useState } from 'react'
import type { Media } from '../../../client/src/index.ts'
import { knownLink, linkOf } from '../api/links.ts'
import { Icon } from '../ui/icons.tsx'
import { placeholderOf } from './placeholder.ts'

/** A media's small picture over its placeholder, asked for when it comes into view. Its place is there from the start. */
export function Thumbnail({ media, moving = false }: { media: Media; moving?: boolean }) {
  const { media_id, version, renditions, placeholder, media_type, dominant_color } = media
  const box = useRef<HTMLDivElement>(null)
  const has = (name: string) => renditions.some((one) => one.name === name)
  const known = has('thumbnail') ? knownLink(media_id, 'thumbnail', version) : null
  const [src, setSrc] = useState(known)
  // What was seen before does not fade in again when it is scrolled back to.
  const [loaded, setLoaded] = useState(known !== null)
  const [preview, setPreview] = useState<string | null>(null)
  const wanted = has('thumbnail')

  useEffect(() => {
    if (!wanted || !box.current || (known !== null && known === src)) return
    let over = false
    const eye = new IntersectionObserver(
      (seen) => {
        if (!seen.some((one) => one.isIntersecting)) return
        eye.disconnect()
        linkOf(media_id, 'thumbnail', version).then(
          (url) => !over && setSrc(url),
          () => {},
        )
      },
      { rootMargin: '400px' },
    )
    eye.observe(box.current)
    return () => {
      over = true
      eye.disconnect()
    }
  }, [media_id, version, wanted])

  useEffect(() => {
    if (!moving || !has('preview')) return setPreview(null)
    let over = false
    linkOf(media_id, 'preview', version).then(
      (url) => !over && setPreview(url),
      () => {},
    )
    return () => {
      over = true
    }
  }, [moving, media_id, version])

  const blurred = placeholderOf(placeholder)
  return (
    <div
      ref={box}
      className={`thumbnail ${media_type === 'audio' && !has('cover') ? 'drawn' : ''}`}
      style={{ backgroundColor: dominant_color ?? undefined }}
    >
      {blurred ? <img className="blurred" src={blurred} alt="" /> : <Icon name={media_type ?? 'file'} size={32} />}
      {src && (
        <img
          className={`sharp ${loaded ? 'loaded' : ''}`}
          src={src}
          alt=""
          decoding="async"
          onLoad={() => setLoaded(true)}
        />
      )}
      {preview && <img className="sharp loaded" src={preview} alt="" />}
    </div>
  )
}
