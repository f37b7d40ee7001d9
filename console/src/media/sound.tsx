import { type KeyboardEvent, type PointerEvent, useEffect, useRef, useState } from 'react'
import type { Media } from '../../../client/src/index.ts'
import { linkOf } from '../api/links.ts'
import { Icon } from '../ui/icons.tsx'
import { clockOf, explain } from '../words.ts'

/** audiowaveform's JSON: pairs of the lowest and highest sample, 8 bits. */
interface Waveform {
  data: number[]
}

const barWidth = 3
const barGap = 2
const step = 5

/** A sound with its waveform to seek in. */
export function SoundPlayer({ media }: { media: Media }) {
  const { media_id, version, renditions, title } = media
  const audio = useRef<HTMLAudioElement>(null)
  const [src, setSrc] = useState<string>()
  const [cover, setCover] = useState<string>()
  const [peaks, setPeaks] = useState<number[]>([])
  const [time, setTime] = useState(0)
  const [playing, setPlaying] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)
  const duration = media.duration ?? 0

  useEffect(() => {
    const has = (name: string) => renditions.some((one) => one.name === name)
    const stop = new AbortController()
    const load = async () => {
      setSrc(await linkOf(media_id, 'audio', version))
      if (has('cover')) setCover(await linkOf(media_id, 'thumbnail', version))
      if (!has('waveform')) return
      const answer = await fetch(await linkOf(media_id, 'waveform', version), { signal: stop.signal })
      setPeaks(peaksOf((await answer.json()) as Waveform))
    }
    load().catch((error) => stop.signal.aborted || setProblem(explain(error)))
    return () => stop.abort()
  }, [media_id, version])

  // Smoother than `timeupdate`, which comes four times a second.
  useEffect(() => {
    if (!playing) return
    let frame = requestAnimationFrame(function look() {
      setTime(audio.current?.currentTime ?? 0)
      frame = requestAnimationFrame(look)
    })
    return () => cancelAnimationFrame(frame)
  }, [playing])

  function seek(to: number): void {
    const at = Math.min(duration, Math.max(0, to))
    if (audio.current) audio.current.currentTime = at
    setTime(at)
  }

  function press(event: KeyboardEvent): void {
    const jumps: Record<string, number> = {
      ArrowLeft: time - step,
      ArrowRight: time + step,
      Home: 0,
      End: duration,
      PageUp: time + 6 * step,
      PageDown: time - 6 * step,
    }
    const to = jumps[event.key]
    if (to === undefined) return
    event.preventDefault()
    seek(to)
  }

  return (
    <div className={`stage sound ${renditions.some(({ name }) => name === 'cover') ? 'covered' : ''}`}>
      {renditions.some(({ name }) => name === 'cover') && <img className="cover" src={cover} alt="" />}
      <audio
        ref={audio}
        src={src}
        preload="metadata"
        onPlay={() => setPlaying(true)}
        onPause={() => setPlaying(false)}
        onEnded={() => setPlaying(false)}
        onError={() => setProblem('The browser could not play it. Reload the page.')}
      />
      <button
        type="button"
        className="play"
        aria-label={playing ? `Pause ${title}` : `Play ${title}`}
        disabled={!src}
        onClick={() => (playing ? audio.current?.pause() : void audio.current?.play())}
      >
        <Icon name={playing ? 'pause' : 'play'} size={26} />
      </button>
      <div className="sound-body">
        <Bars
          peaks={peaks}
          played={duration ? time / duration : 0}
          onSeek={(part) => seek(part * duration)}
          slider={{
            role: 'slider',
            tabIndex: 0,
            'aria-label': 'Position',
            'aria-valuemin': 0,
            'aria-valuemax': Math.round(duration),
            'aria-valuenow': Math.round(time),
            'aria-valuetext': `${clockOf(time)} of ${clockOf(duration)}`,
            onKeyDown: press,
          }}
        />
        <div className="sound-times">
          <span>{clockOf(time)}</span>
          {problem && <span className="problem">{problem}</span>}
          <span>{clockOf(duration)}</span>
        </div>
      </div>
    </div>
  )
}

/** Loudness of each stretch, 0–1; roots, as the ear hears. */
function peaksOf({ data }: Waveform): number[] {
  const pairs = Math.floor(data.length / 2)
  return Array.from({ length: pairs }, (_, at) =>
    Math.sqrt(Math.max(-(data[at * 2] ?? 0), data[at * 2 + 1] ?? 0) / 128),
  )
}

interface BarsProps {
  peaks: number[]
  played: number
  onSeek: (part: number) => void
  slider: Record<string, unknown>
}

function Bars({ peaks, played, onSeek, slider }: BarsProps) {
  const box = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const [width, setWidth] = useState(0)
  useEffect(() => {
    const eye = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)))
    if (box.current) eye.observe(box.current)
    return () => eye.disconnect()
  }, [])
  useEffect(() => {
    if (canvas.current && width > 0) draw(canvas.current, peaks, played)
  }, [peaks, played, width])

  const point = (event: PointerEvent) => {
    if (event.type === 'pointermove' && event.buttons !== 1) return
    const { left, width } = event.currentTarget.getBoundingClientRect()
    onSeek(Math.min(1, Math.max(0, (event.clientX - left) / width)))
  }
  return (
    <div ref={box} className="bars" {...slider} onPointerDown={point} onPointerMove={point}>
      <canvas ref={canvas} aria-hidden="true" />
    </div>
  )
}

function draw(canvas: HTMLCanvasElement, peaks: readonly number[], played: number): void {
  const { clientWidth: width, clientHeight: height } = canvas
  const scale = devicePixelRatio
  canvas.width = width * scale
  canvas.height = height * scale
  const context = canvas.getContext('2d')
  if (!context) return
  context.scale(scale, scale)
  const style = getComputedStyle(canvas)
  const count = Math.floor(width / (barWidth + barGap))
  for (let bar = 0; bar < count; bar++) {
    const from = Math.floor((bar * peaks.length) / count)
    const to = Math.max(from + 1, Math.floor(((bar + 1) * peaks.length) / count))
    const tall = Math.max(3, Math.max(0, ...peaks.slice(from, to)) * (height - 4))
    context.fillStyle = style.getPropertyValue(bar / count < played ? '--bar-played' : '--bar-rest')
    context.beginPath()
    context.roundRect(bar * (barWidth + barGap), (height - tall) / 2, barWidth, tall, barWidth / 2)
    context.fill()
  }
}
