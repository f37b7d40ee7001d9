import { type ReactNode, useRef } from 'react'
import type { Media } from '../../../client/src/index.ts'
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
import { usePlayback } from './playback.ts'
import { Captions, Quality, Speed, Times } from './player-menus.tsx'
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

/** A film with its controls: media-chrome's, and ours where there is something to choose. */
export function Player({ media }: { media: Media }) {
  const video = useRef<HTMLVideoElement>(null)
  const { levels, chosen, playing, poster, storyboard, problem, choose } = usePlayback(media, video)
  const { title } = media
  return (
    <div className="stage" style={{ aspectRatio: ratioOf(media) }}>
      <media-controller class="player" aria-label={title}>
        <video slot="media" ref={video} poster={poster} playsInline crossOrigin="anonymous" aria-label={title}>
          {storyboard && <track kind="metadata" label="thumbnails" src={storyboard} default />}
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
