import { createHash } from 'node:crypto'
import { MediaError } from '../media/errors.ts'
import type { Part } from '../objects/port.ts'

/** A part as its sender names it. */
export type PartName = Pick<Part, 'part_number' | 'etag'>

/** By number, without quotes: senders note parts as they finish. */
export function inOrder(parts: readonly PartName[]): PartName[] {
  return parts
    .map(({ part_number, etag }) => ({ part_number, etag: unquoted(etag) }))
    .sort((a, b) => a.part_number - b.part_number)
}

export function unquoted(etag: string): string {
  return etag.replace(/^"(.*)"$/, '$1')
}

/**
 * The named parts, as they are held.
 * @param named in order. @throws MediaError `invalid_parts` naming the first that is not.
 */
export function chosenOf(held: readonly Part[], named: readonly PartName[]): Part[] {
  const byNumber = new Map(held.map((part) => [part.part_number, part]))
  return named.map(({ part_number, etag }, index) => {
    const wanted = index + 1
    const part = byNumber.get(wanted)
    if (part_number !== wanted) {
      throw invalid(
        `part ${part_number} in the place of ${wanted}`,
        `Name each part from 1 on once; see part ${wanted}.`,
      )
    }
    if (!part) throw invalid(`part ${wanted} is missing`, `Part ${wanted} is not stored.`)
    if (part.etag === etag) return part
    throw invalid(`part ${wanted} is ${part.etag}, named as ${etag}`, `Part ${wanted} has another ETag.`)
  })
}

function invalid(message: string, detail: string): MediaError {
  return new MediaError('invalid_parts', message, { detail })
}

/** S3's ETag of an object in parts: the MD5 of their MD5s. Null when one is no MD5. */
export function etagOf(parts: readonly PartName[]): string | null {
  if (!parts.every(({ etag }) => /^[0-9a-f]{32}$/.test(etag))) return null
  const hash = createHash('md5')
  for (const { etag } of parts) hash.update(Buffer.from(etag, 'hex'))
  return `${hash.digest('hex')}-${parts.length}`
}
