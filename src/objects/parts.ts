import { createHash } from 'node:crypto'
import { MediaError } from '../media/errors.ts'
import { type Held, largestPart, type Part, partLimit, smallestPart } from './port.ts'

/** Rules of objects in parts that hold on every engine. */

/** Bytes of an appended upload's parts when its beginner named none. */
export const appendedPart = 8 * 1024 * 1024

export type PartName = Pick<Part, 'part_number' | 'etag'>

/** Where a part's bytes go: parts are as far apart as each but the last is long. */
export function strideOf(part_size: number | null, firstSize: number): number {
  return part_size ?? Math.max(smallestPart, firstSize)
}

/** @throws MediaError `invalid_parts`, `size_mismatch` */
export function checkPart({ part_number, size }: { part_number: number; size: number }): void {
  if (!Number.isSafeInteger(part_number) || part_number < 1 || part_number > partLimit) {
    throw new MediaError('invalid_parts', `part ${part_number}`, {
      detail: `Parts are numbered from 1 to ${partLimit}.`,
    })
  }
  checkPartSize(size, largestPart)
}

/** @throws MediaError `size_mismatch` */
export function checkPartSize(size: number, largest: number): void {
  if (Number.isSafeInteger(size) && size >= 0 && size <= largest) return
  throw new MediaError('size_mismatch', `a part of ${size} bytes, at most ${largest}`, {
    detail: `A part of this upload has at most ${largest} bytes.`,
  })
}

/** Counts a part's bytes as they come. Its methods throw `size_mismatch`. */
export function countPart(size: number): { add(bytes: number): void; end(): void } {
  let came = 0
  const mismatch = (words: string) =>
    new MediaError('size_mismatch', `${came} bytes of a part of ${size}`, {
      detail: `The part was announced with ${size} bytes and ${words}.`,
    })
  return {
    add: (bytes) => {
      came += bytes
      if (came > size) throw mismatch('has more')
    },
    end: () => {
      if (came < size) throw mismatch(`has ${came}`)
    },
  }
}

/** What is held, by number, and how far it goes without a gap. */
export function heldOf(parts: Iterable<Part>, stride: number): Held {
  const sorted = [...parts].sort((a, b) => a.part_number - b.part_number)
  let offset = 0
  for (const [index, { part_number, size }] of sorted.entries()) {
    if (part_number !== index + 1) break
    offset += size
    if (size < stride) break
  }
  return { parts: sorted, offset }
}

/**
 * The parts that an object is made of, in order.
 * @param held by number; @param named all that is held when undefined.
 * @throws MediaError `invalid_parts` naming the first that does not fit.
 */
export function chooseParts(held: ReadonlyMap<number, Part>, stride: number, named?: readonly PartName[]): Part[] {
  const wanted = (named ?? [...held.values()]).toSorted((a, b) => a.part_number - b.part_number)
  if (wanted.length === 0) throw invalidParts('no parts', 'No part is stored.')
  return wanted.map(({ part_number, etag }, index) => {
    const number = index + 1
    if (part_number !== number) {
      throw invalidParts(
        `part ${part_number} in the place of ${number}`,
        `Parts are numbered from 1 without a gap; part ${number} is not there once.`,
      )
    }
    const part = held.get(number)
    if (!part) throw invalidParts(`part ${number} is missing`, `Part ${number} is not stored.`)
    if (part.etag !== etag)
      throw invalidParts(`part ${number} is ${part.etag}, not ${etag}`, `Part ${number} has another ETag.`)
    if (part.size !== stride && number < wanted.length)
      throw invalidParts(
        `part ${number} has ${part.size} of ${stride} bytes`,
        `Part ${number} has ${part.size} bytes; all but the last have ${stride}.`,
      )
    return part
  })
}

function invalidParts(message: string, detail: string): MediaError {
  return new MediaError('invalid_parts', message, { detail })
}

/** S3's ETag of an object in parts: the MD5 of their MD5s, and their number. */
export function etagOfParts(parts: readonly Pick<Part, 'etag'>[]): string {
  const hash = createHash('md5')
  for (const { etag } of parts) hash.update(Buffer.from(etag, 'hex'))
  return `${hash.digest('hex')}-${parts.length}`
}

export function noUpload(upload_id: string): MediaError {
  return new MediaError('not_found', `no upload ${upload_id}: never begun, complete or aborted`)
}
