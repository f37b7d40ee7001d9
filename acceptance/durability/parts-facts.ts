/** What the program of uploads in parts sends and says, for it and for its proofs. */

export const partSize = 100_000
const lastSize = 20_000

export const refs = {
  parts: { bucket: 'temp', key: 'parts' },
  appended: { bucket: 'temp', key: 'appended' },
  aborted: { bucket: 'temp', key: 'aborted' },
}
export type UploadName = keyof typeof refs

export interface Fact {
  upload?: UploadName
  upload_id?: string
  /** A part that is being sent. */
  sending?: number
  /** A part that is held. */
  part_number?: number
  etag?: string
  /** Bytes that are held. */
  offset?: number
  /** The object's ETag. */
  complete?: string
  aborted?: true
  failed?: string
}

/** A part's bytes; each round of sending it has others. The last is shorter. */
export function contentOf(part_number: number, round: number): Buffer {
  const size = part_number === 3 ? lastSize : partSize
  return Buffer.alloc(size, `part ${part_number} in round ${round}; `)
}

export function wholeOf(): Buffer {
  return Buffer.concat([1, 2, 3].map((n) => contentOf(n, 1)))
}

export async function* chunksOf(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  for (let start = 0; start < bytes.length; start += 30_000) yield bytes.subarray(start, start + 30_000)
}
