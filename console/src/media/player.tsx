import Hls from 'hls.js'
import { type ReactNode, useEffect, useRef, useState } from 'react'
import type { Media } from '../../../client/src/index.ts'
import { linkOf } from '../api/links.ts'
import { explain } from '../words.ts'
import 'media-chrome/dist/media-controller.js'
import 'media-chrome/dist/media-control-bar.js'
import 'media-chrome/dist/media-play-button.js'
import 'media-chrome/dist/media-mute-button.js'
import 'media-chrome/dist/media-volume-range.js'
import 'media-chrome/dist/media-time-range.js'
import 'media-chrome/dist/media-preview-thumbnail.js'
import 'media-chrome/dist/media-preview-time-display.js'
import 'media-chrome/dist/media-pip-button.js'
import 'media-chrome/dist/media-fullscreen-button.js'
import 'media-chrome/dist/media-loading-indicator.js'
import { Captions, type Level, Quality, Speed, Times } from './player-menus.tsx'
import { ratioOf } from './ratio.ts'

type Props = { children?: ReactNode; slot?: string; class?: string; mediacontroller?: string; [name: string]: unknown }
declare module 'react' {
  namespace JSX {
    interface IntrinsicElements {
      'media-controller': Props
      'media-control-bar': Props
      'media-play-button': Props
      'media-mute-button': Props
      'media-volume-range': Props
      'media-time-range': Props
      'media-pip-button': Props
      'media-fullscreen-button': Props
      'media-loading-indicator': Props
    }
  }
}

/** A film: by its stream where there is one, by the file where there is none yet. */
export function Player({ media }: { media: Media }) {
  const { media_id, version, renditions, title } = media
  const video = useRef<HTMLVideoElement>(null)
  const hls = useRef<Hls | null>(null)
  const [levels, setLevels] = useState<Level[]>([])
  const [chosen, setChosen] = useState(-1)
  const [playing, setPlaying] = useState(-1)
  const [links, setLinks] = useState<{ poster?: string; storyboard?: string }>({})
  const [problem, setProblem] = useState<string | null>(null)
  const has = (name: string) => renditions.some((one) => one.name === name)
  const stream = has('hls')

  useEffect(() => {
    let over = false
    const link = async (name: string) => (has(name) ? await linkOf(media_id, name, version) : undefined)
    const load = async () => {
      const [poster, storyboard, source] = await Promise.all([
        link('poster'),
        link('storyboard.vtt'),
        linkOf(media_id, stream ? 'hls' : '720p', version),
      ])
      if (over || !video.current) return
      setLinks({ ...(poster ? { poster } : {}), ...(storyboard ? { storyboard } : {}) })
      if (!stream || !Hls.isSupported()) video.current.src = source
      else hls.current = start(video.current, source)
    }
    const start = (element: HTMLVideoElement, source: string) => {
      const player = new Hls({ capLevelToPlayerSize: true })
      player.on(Hls.Events.MANIFEST_PARSED, (_event, { levels }) =>
        setLevels(levels.map(({ height }, index) => ({ index, name: `${height}p` }))),
      )
      player.on(Hls.Events.LEVEL_SWITCHED, (_event, { level }) => setPlaying(level))
      player.on(Hls.Events.ERROR, (_event, { fatal, type }) => {
        if (!fatal) return
        if (type === Hls.ErrorTypes.MEDIA_ERROR) player.recoverMediaError()
        else setProblem('The film cannot be reached at the moment. Reload the page.')
      })
      player.loadSource(source)
      player.attachMedia(element)
      return player
    }
    load().catch((error) => !over && setProblem(explain(error)))
    return () => {
      over = true
      hls.current?.destroy()
      hls.current = null
    }
    // A stream under way is not begun anew when the record changes: only when there is one at last.
  }, [media_id, stream])

  function choose(index: number): void {
    setChosen(index)
    if (hls.current) hls.current.nextLevel = index
  }

  return (
    <div className="stage" style={{ aspectRatio: ratioOf(media), '--tall': tallness(media) } as React.CSSProperties}>
      <media-controller class="player" aria-label={title}>
        <video slot="media" ref={video} poster={links.poster} playsInline crossOrigin="anonymous" aria-label={title}>
          {links.storyboard && <track kind="metadata" label="thumbnails" src={links.storyboard} default />}
        </video>
        <media-loading-indicator slot="centered-chrome" />
        <media-time-range class="range" />
        <media-control-bar>
          <media-play-button />
          <media-mute-button />
          <media-volume-range />
          <Times video={video} duration={media.duration ?? 0} />
          <span className="stretch" />
          {levels.length > 1 && <Quality levels={levels} chosen={chosen} playing={playing} onChoose={choose} />}
          <Captions video={video} />
          <Speed video={video} />
          <media-pip-button />
          <media-fullscreen-button />
        </media-control-bar>
      </media-controller>
      {problem && (
        <p className="stage-problem" role="alert">
          {problem}
        </p>
      )}
    </div>
  )
}

function tallness({ width, height }: Media): number {
  return width && height ? width / height : 16 / 9
}
