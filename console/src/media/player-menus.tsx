import { type RefObject, useEffect, useState } from 'react'
import { clockOf } from '../words.ts'

/** What of the player's controls is ours: choices, each a menu of the system's own. */

export interface Level {
  index: number
  name: string
}

interface QualityProps {
  levels: Level[]
  /** -1: as the connection and the size of the picture allow. */
  chosen: number
  playing: number
  onChoose: (index: number) => void
}

export function Quality({ levels, chosen, playing, onChoose }: QualityProps) {
  // Where there is room to say which one it is.
  const roomy = matchMedia('(min-width: 721px)').matches
  const now = levels.find(({ index }) => index === playing)?.name
  return (
    <select
      className="choice"
      aria-label="Quality"
      value={chosen}
      onChange={(event) => onChoose(Number(event.currentTarget.value))}
    >
      <option value={-1}>{roomy && chosen === -1 && now ? `Auto (${now})` : 'Auto'}</option>
      {levels.toReversed().map(({ index, name }) => (
        <option key={index} value={index}>
          {name}
        </option>
      ))}
    </select>
  )
}

type Video = RefObject<HTMLVideoElement | null>

const speeds = [0.5, 0.75, 1, 1.25, 1.5, 2]

export function Speed({ video }: { video: Video }) {
  const [speed, setSpeed] = useState(1)
  return (
    <select
      className="choice speed"
      aria-label="Speed"
      value={speed}
      onChange={(event) => {
        const chosen = Number(event.currentTarget.value)
        setSpeed(chosen)
        if (video.current) video.current.playbackRate = chosen
      }}
    >
      {speeds.map((one) => (
        <option key={one} value={one}>
          {one}×
        </option>
      ))}
    </select>
  )
}

/** Captions and subtitles of the film, when it has some; the stream tells them when it is read. */
export function Captions({ video }: { video: Video }) {
  const [tracks, setTracks] = useState<TextTrack[]>([])
  const [shown, setShown] = useState('')
  useEffect(() => {
    const list = video.current?.textTracks
    if (!list) return
    const look = () => {
      const found = [...list].filter(({ kind }) => kind === 'subtitles' || kind === 'captions')
      setTracks(found)
      setShown(found.find(({ mode }) => mode === 'showing')?.label ?? '')
    }
    look()
    for (const type of ['addtrack', 'removetrack', 'change']) list.addEventListener(type, look)
    return () => {
      for (const type of ['addtrack', 'removetrack', 'change']) list.removeEventListener(type, look)
    }
  }, [video])
  if (tracks.length === 0) return null
  return (
    <select
      className="choice"
      aria-label="Captions"
      value={shown}
      onChange={(event) => {
        const label = event.currentTarget.value
        for (const track of tracks) track.mode = track.label === label ? 'showing' : 'disabled'
        setShown(label)
      }}
    >
      <option value="">Captions off</option>
      {tracks.map(({ label, language }, index) => (
        <option key={`${label}${index}`} value={label}>
          {label || language || `Captions ${index + 1}`}
        </option>
      ))}
    </select>
  )
}

export function Times({ video, duration }: { video: Video; duration: number }) {
  const [time, setTime] = useState(0)
  useEffect(() => {
    const element = video.current
    if (!element) return
    const look = () => setTime(element.currentTime)
    for (const type of ['timeupdate', 'seeking', 'seeked']) element.addEventListener(type, look)
    return () => {
      for (const type of ['timeupdate', 'seeking', 'seeked']) element.removeEventListener(type, look)
    }
  }, [video])
  return (
    <span className="times">
      {clockOf(time)} / {clockOf(duration)}
    </span>
  )
}
