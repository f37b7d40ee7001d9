import { type ReactNode, useEffect, useLayoutEffect, useRef, useState } from 'react'
import { Card } from './card.tsx'

/** As in library.css: a picture of 4 : 3, and below it two lines. */
const pictureRatio = 3 / 4
const linesHeight = 55
/** Screens above and below of which the cards are there too. */
const beyond = 1

interface Shape {
  columns: number
  /** Of a card with the space below it, in pixels. */
  rowHeight: number
}

interface GridProps {
  order: readonly string[]
  busy: boolean
  /** What stands after the last card. */
  children: ReactNode
}

/** The cards that are on the screen or near it: however long the list, the page stays small. */
export function Grid({ order, busy, children }: GridProps) {
  const list = useRef<HTMLUListElement>(null)
  const shape = useShape(list)
  const rows = Math.ceil(order.length / shape.columns)
  const [first, last] = useRowsInView(list, rows, shape.rowHeight)
  const shown = order.slice(first * shape.columns, last * shape.columns)
  return (
    <ul
      ref={list}
      className={`grid ${busy ? 'stale' : ''}`}
      aria-label="Media"
      aria-busy={busy}
      style={{ paddingTop: first * shape.rowHeight, paddingBottom: (rows - last) * shape.rowHeight }}
    >
      {shown.map((media_id, at) => (
        <Card key={media_id} media_id={media_id} place={first * shape.columns + at + 1} of={order.length} />
      ))}
      {last === rows && children}
    </ul>
  )
}

function useShape(list: { current: HTMLUListElement | null }): Shape {
  const [shape, setShape] = useState<Shape>({ columns: 4, rowHeight: 280 })
  useLayoutEffect(() => {
    const box = list.current
    if (!box) return
    const measure = () => {
      const { gridTemplateColumns, rowGap } = getComputedStyle(box)
      const widths = gridTemplateColumns.split(' ').map(Number.parseFloat)
      const rowHeight = (widths[0] ?? 0) * pictureRatio + linesHeight + Number.parseFloat(rowGap)
      setShape((before) =>
        before.columns === widths.length && before.rowHeight === rowHeight
          ? before
          : { columns: widths.length, rowHeight },
      )
    }
    measure()
    const eye = new ResizeObserver(measure)
    eye.observe(box)
    return () => eye.disconnect()
  }, [])
  return shape
}

/** @returns the first row to be there, and the one after the last */
function useRowsInView(list: { current: HTMLUListElement | null }, rows: number, rowHeight: number): [number, number] {
  const [top, setTop] = useState(0)
  const [screen, setScreen] = useState(innerHeight)
  useEffect(() => {
    const look = () => {
      const above = Math.max(0, -(list.current?.getBoundingClientRect().top ?? 0))
      // By whole rows, so that most scrolling changes nothing.
      setTop(Math.floor(above / rowHeight) * rowHeight)
      setScreen(innerHeight)
    }
    look()
    addEventListener('scroll', look, { passive: true })
    addEventListener('resize', look)
    return () => {
      removeEventListener('scroll', look)
      removeEventListener('resize', look)
    }
  }, [rowHeight])
  const first = Math.max(0, Math.floor((top - screen * beyond) / rowHeight))
  const last = Math.ceil((top + rowHeight + screen * (1 + beyond)) / rowHeight)
  return [Math.min(first, rows), Math.min(last, rows)]
}
