import { MediaError } from '../media/errors.ts'

/** An opaque cursor: base64url of JSON, so that what is inside can change. */
export function writeCursor(parts: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url')
}

/**
 * The parts of a cursor that `writeCursor` made.
 * @param kinds what each part is
 * @throws MediaError `invalid_cursor`
 */
export function readCursor(cursor: string, kinds: readonly ('string' | 'number')[]): (string | number)[] {
  const parts = parse(cursor)
  const fits = Array.isArray(parts) && parts.length === kinds.length
  if (!fits || !parts.every((part, index) => isPart(part, kinds[index])) || writeCursor(parts) !== cursor) {
    throw new MediaError('invalid_cursor', 'a cursor that was not made here')
  }
  return parts
}

/** A place in time as part of a cursor, which may lie before 1970. @throws MediaError `invalid_cursor` */
export function readTime(part: string | number | undefined): number {
  const at = Number(part)
  if (Number.isSafeInteger(at) && String(at) === part) return at
  throw new MediaError('invalid_cursor', 'a cursor that was not made here')
}

function isPart(part: unknown, kind: 'string' | 'number' | undefined): boolean {
  return kind === 'number' ? Number.isSafeInteger(part) && (part as number) >= 0 : typeof part === 'string'
}

function parse(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString())
  } catch {
    return null
  }
}

const longestValue = 64 * 1024

/** What a named cursor can hold on every engine. */
export function requireCursorValue(value: string | null): void {
  if (Buffer.byteLength(value ?? '') > longestValue) {
    throw new MediaError('internal', `a named cursor holds at most ${longestValue} bytes`)
  }
}
