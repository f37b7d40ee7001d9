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
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => [...(row[column] ?? '')].length)))
  return rows.map((row) => {
    const cells = row.map((cell, at) => (at === row.length - 1 ? cell : pad(cell, widths[at] ?? 0)))
    return cut(cells.join('  ').trimEnd(), width)
  })
}

export function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - [...text].length))
}

export function cut(text: string, width: number): string {
  const letters = [...text]
  return letters.length > width ? `${letters.slice(0, Math.max(0, width - 1)).join('')}…` : text
}
