import Hls from 'hls.js'
import { type RefObject, useEffect, useRef, useState } from 'react'
import type { Media } from '../../../client/src/index.ts'
import { linkOf } from '../api/links.ts'
import { explain } from '../words.ts'
import type { Level } from './player-menus.tsx'

export interface Playback {
  levels: Level[]
  /** Of the levels, what a person chose; -1 for none. */
  chosen: number
  playing: number
  poster: string | undefined
  /** Small pictures for the time under the pointer. */
  storyboard: string | undefined
  problem: string | null
  choose(index: number): void
}

/** Has a video element play a film: by its stream where there is one, by the file where there is none yet. */
export function usePlayback(
  { media_id, version, renditions }: Media,
  video: RefObject<HTMLVideoElement | null>,
): Playback {
  const hls = useRef<Hls | null>(null)
  const [levels, setLevels] = useState<Level[]>([])
  const [chosen, setChosen] = useState(-1)
  const [playing, setPlaying] = useState(-1)
  const [links, setLinks] = useState<{ poster?: string | undefined; storyboard?: string | undefined }>({})
  const [problem, setProblem] = useState<string | null>(null)
  const has = (name: string) => renditions.some((one) => one.name === name)
  const stream = has('hls')

  function start(element: HTMLVideoElement, source: string): Hls {
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

  useEffect(() => {
    let over = false
    const link = async (name: string) => (has(name) ? await linkOf(media_id, name, version) : undefined)
    const load = async () => {
      const source = linkOf(media_id, stream ? 'hls' : '720p', version)
      const [poster, storyboard, address] = await Promise.all([link('poster'), link('storyboard.vtt'), source])
      if (over || !video.current) return
      setLinks({ poster, storyboard })
      if (stream && Hls.isSupported()) hls.current = start(video.current, address)
      else video.current.src = address
    }
    load().catch((error) => !over && setProblem(explain(error)))
    return () => {
      over = true
      hls.current?.destroy()
      hls.current = null
    }
    // What plays is not begun anew whenever the record changes: only when there is a stream at last.
  }, [media_id, stream])

  function choose(index: number): void {
    setChosen(index)
    if (hls.current) hls.current.nextLevel = index
  }
  return { levels, chosen, playing, poster: links.poster, storyboard: links.storyboard, problem, choose }
}
