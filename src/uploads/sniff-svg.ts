import { image, type Sniffed } from './sniffed.ts'

/** What may stand before the root element of an XML document. */
const prolog = [
  ['<?', '?>'],
  ['<!--', '-->'],
] as const

/** An XML document whose root element is `svg`: a page that merely holds one is none. */
export function sniffSvg(bytes: Buffer): Sniffed | null {
  let rest = textOf(bytes).trimStart()
  while (rest.startsWith('<?') || rest.startsWith('<!')) {
    const end = endOfFirst(rest)
    if (end === null) return null
    rest = rest.slice(end).trimStart()
  }
  return /^<([\w.-]{1,64}:)?svg[\s/>]/.test(rest) ? image('image/svg+xml', 'svg') : null
}

function textOf(bytes: Buffer): string {
  const mark = bytes.toString('latin1', 0, 2)
  if (mark === '\xff\xfe') return bytes.subarray(2).toString('utf16le')
  const text = bytes.toString('utf8')
  return text.startsWith('\ufeff') ? text.slice(1) : text
}

function endOfFirst(text: string): number | null {
  for (const [start, end] of prolog) {
    if (!text.startsWith(start)) continue
    const at = text.indexOf(end, start.length)
    return at < 0 ? null : at + end.length
  }
  return /^<!doctype\s+([\w.-]{1,64}:)?svg[\s>[]/i.test(text) ? endOfDoctype(text) : null
}

/** A document type may bring declarations of its own, in brackets. */
function endOfDoctype(text: string): number | null {
  const close = text.indexOf('>')
  const open = text.indexOf('[')
  if (open < 0 || open > close) return close < 0 ? null : close + 1
  const end = text.indexOf(']', open)
  const after = end < 0 ? -1 : text.indexOf('>', end)
  return after < 0 ? null : after + 1
}
