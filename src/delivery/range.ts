/** Inclusive, within the size. */
export interface ByteRange {
  start: number
  end: number
}

/**
 * What a `Range` header asks of `size` bytes: one range, everything, or nothing that exists.
 * "A server MAY ignore the Range header field": so it does for other units, for what cannot be read, and for several
 * ranges at once, which answer everything. https://www.rfc-editor.org/rfc/rfc9110#section-14.2
 */
export function parseRange(header: string | undefined, size: number): ByteRange | 'all' | 'unsatisfiable' {
  const match = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(header ?? '')
  if (!match || size === 0) return 'all'
  const [, first = '', last = ''] = match
  if (first === '' && last === '') return 'all'
  if (first === '') {
    const length = Number(last)
    return length === 0 ? 'unsatisfiable' : { start: Math.max(0, size - length), end: size - 1 }
  }
  const start = Number(first)
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1)
  // A last position before the first makes the header invalid, and an invalid one is ignored.
  if (last !== '' && BigInt(last) < BigInt(first)) return 'all'
  return start >= size ? 'unsatisfiable' : { start, end }
}
