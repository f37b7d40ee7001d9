/** What a terminal shows of the bytes it is given: enough of it to judge bars by. */
export interface Terminal {
  write(text: string): void
  /** Lines that have gone by above, and what is on the screen. */
  lines(): string[]
}

const letters = new Intl.Segmenter('en')
const wide = /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]/u

/** Follows `\r`, `\n`, cursor up, "clear below" and colours; anything else is an error, for nothing else is used. */
export function openTerminal({ width, height }: { width: number; height: number }): Terminal {
  const rows: string[][] = [[]]
  let [row, column] = [0, 0]

  function newLine(): void {
    row++
    rows[row] ??= []
  }

  function control(sequence: string): void {
    const up = /^\x1b\[(\d+)A$/.exec(sequence)
    if (up) row = Math.max(rows.length - height, 0, row - Number(up[1]))
    else if (sequence === '\x1b[J') rows.splice(row, rows.length, (rows[row] ?? []).slice(0, column))
    else if (!/^\x1b\[[\d;]*m$/.test(sequence)) throw new Error(`not understood: ${JSON.stringify(sequence)}`)
  }

  /** Goes on in the next line where there is no room: then it cannot be taken away by counting lines. */
  function put(letter: string): void {
    const cells = wide.test(letter) ? 2 : 1
    if (column + cells > width) {
      newLine()
      column = 0
    }
    const line = (rows[row] ??= [])
    while (line.length < column) line.push(' ')
    line.splice(column, cells, ...(cells === 2 ? [letter, ''] : [letter]))
    column += cells
  }

  return {
    write: (text) => {
      for (const [one] of text.matchAll(/\x1b\[[\d;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+|\x1b/g)) {
        if (one === '\r') column = 0
        else if (one === '\n') newLine()
        else if (one.startsWith('\x1b')) control(one)
        else for (const { segment } of letters.segment(one)) put(segment)
      }
    },
    lines: () => rows.map((line) => line.join('').trimEnd()),
  }
}
