import { bytesText, cut, cutStart, pad, plain, type Screen, widthOf } from './screen.ts'

/** Bars at a terminal: one line for each of what is under way, one for all; elsewhere nothing. */
export interface Board {
  bar(name: string, total: number): Bar
  /** A line that stays, above the bars. */
  print(text: string): void
  /** Takes the bars away. */
  close(): void
}

export interface Bar {
  /** @param said instead of bytes, when it is not bytes that are counted */
  update(done: number, said?: string): void
  end(): void
}

interface Row {
  name: string
  total: number
  done: number
  said: string | undefined
}

const pause = 100
const barWidth = 20

export function openBoard(screen: Screen, footer: () => string = () => ''): Board {
  const { err } = screen
  const shown = err.isTTY && !screen.json
  const rows = new Set<Row>()
  let drawn = 0
  const timer = shown ? setInterval(draw, pause).unref() : undefined

  /** From the beginning of the line, for the terminal may have written `^C` meanwhile. */
  const upAndClear = () => (drawn > 0 ? `\r\x1b[${drawn}A\x1b[J` : '')

  function clear(): void {
    err.write(upAndClear())
    drawn = 0
  }

  function draw(): void {
    const width = (err.columns || 80) - 1
    // What does not fit on the screen cannot be taken away again.
    const room = Math.max(1, (err.rows || 24) - 3)
    const visible = [...rows].slice(0, room).map((row) => rowText(row, width))
    const hidden = rows.size > room ? [`… and ${rows.size - room} more`] : []
    const lines = [...visible, ...hidden, ...[footer()].filter(Boolean)].map((line) => cut(line, width))
    const picture = lines.map((line) => `${line}\n`).join('')
    err.write(upAndClear() + picture)
    drawn = lines.length
  }

  return {
    bar: (name, total) => {
      const row: Row = { name: plain(name), total, done: 0, said: undefined }
      rows.add(row)
      return {
        update: (done, said) => void Object.assign(row, { done, said }),
        end: () => void rows.delete(row),
      }
    },
    print: (text) => {
      if (!shown) return screen.note(text)
      clear()
      err.write(`${text}\n`)
      draw()
    },
    close: () => {
      clearInterval(timer)
      rows.clear()
      if (shown) clear()
    },
  }
}

function rowText({ name, total, done, said }: Row, width: number): string {
  const part = total > 0 ? Math.min(1, done / total) : 0
  const filled = Math.round(part * barWidth)
  const bar = '█'.repeat(filled) + '░'.repeat(barWidth - filled)
  const words = said ?? `${bytesText(done)} of ${bytesText(total)}`
  const tail = ` ${bar} ${String(Math.floor(part * 100)).padStart(3)} %  ${words}`
  const room = Math.max(8, width - widthOf(tail))
  return pad(cutStart(name, room), Math.min(room, 40)) + tail
}
