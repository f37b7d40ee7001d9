import { styleText } from 'node:util'

type Format = Parameters<typeof styleText>[0]

/** Where a command writes: answers go to standard output, what is said to a person meanwhile to standard error. */
export interface Screen {
  json: boolean
  /** An answer for a person; nothing with `--json`. */
  line(text: string): void
  /** An answer as JSON; nothing without `--json`. */
  value(value: unknown): void
  /** A word on the way; nothing with `--json`. */
  note(text: string): void
  /** Bytes of an answer, or of a picture of bars: as they are. */
  out: NodeJS.WriteStream
  err: NodeJS.WriteStream
  /** Coloured where the answer goes to a terminal that shows colours, and NO_COLOR is not set. */
  paint(format: Format, text: string): string
  /** The same for what is said on standard error. */
  paintNote(format: Format, text: string): string
}

export function openScreen({ json }: { json: boolean }): Screen {
  const { stdout: out, stderr: err } = process
  return {
    json,
    out,
    err,
    line: (text) => void (json || out.write(`${text}\n`)),
    value: (value) => void (json && out.write(`${JSON.stringify(value)}\n`)),
    note: (text) => void (json || err.write(`${text}\n`)),
    paint: (format, text) => styleText(format, text, { stream: out }),
    paintNote: (format, text) => styleText(format, text, { stream: err }),
  }
}

/** Without what would move a terminal's cursor or change its colours. */
export function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\ufffd')
}

/** `12.3 MB`; null is unknown. */
export function bytesText(bytes: number | null): string {
  if (bytes === null) return '–'
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3))
  const value = bytes / 1000 ** power
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`
}

/** `1:02:03` */
export function timeText(seconds: number): string {
  const whole = Math.round(seconds)
  const two = (n: number) => String(n).padStart(2, '0')
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60]
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}

/** Columns as wide as what stands in them; the last one is cut to the terminal's width. */
export function tableText(rows: readonly (readonly string[])[], width = Number.POSITIVE_INFINITY): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => widthOf(row[column] ?? ''))))
  return rows.map((row) => {
    const cells = row.map((cell, at) => (at === row.length - 1 ? cell : pad(cell, widths[at] ?? 0)))
    return cut(cells.join('  ').trimEnd(), width)
  })
}

export function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)))
}

/** As much of the beginning as fits, with a mark where it was longer. */
export function cut(text: string, width: number): string {
  return widthOf(text) > width ? `${fitting(lettersOf(text), width - 1).join('')}…` : text
}

/** As much of the end as fits, with a mark where it was longer. */
export function cutStart(text: string, width: number): string {
  return widthOf(text) > width
    ? `…${fitting(lettersOf(text).reverse(), width - 1)
        .reverse()
        .join('')}`
    : text
}

function fitting(letters: readonly string[], width: number): string[] {
  let left = width
  const end = letters.findIndex((letter) => (left -= widthOf(letter)) < 0)
  return end < 0 ? [...letters] : letters.slice(0, end)
}

const letters = new Intl.Segmenter('en')
const wide =
  /\p{Emoji_Presentation}|\ufe0f|[\u1100-\u115f\u2e80-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u

/** What stands in one place: `ü` is one, though it may be two characters. */
function lettersOf(text: string): string[] {
  return [...letters.segment(text)].map(({ segment }) => segment)
}

/** Cells of a terminal: letters of East Asia and emoji take two. */
export function widthOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  return lettersOf(text).reduce((sum, letter) => sum + (wide.test(letter) ? 2 : 1), 0)
}
