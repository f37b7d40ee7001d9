import { MediaError } from '../media/errors.ts'
import { type Buffers, smallBuffer } from './buffers.ts'
import type { DataFile } from './data-file.ts'
import { storing } from './files.ts'
import type { PutPart } from './port.ts'
import type { Upload, Writing } from './upload.ts'

/**
 * When no part size was said, the first part to come tells it; should that have been the last and shorter one, parts
 * must be farther apart than it told, and it is moved.
 */
export function mayWiden({ about, facts }: Upload, { part_number }: Pick<PutPart, 'part_number'>): boolean {
  const others = [...facts.parts.keys()].filter((n) => n !== part_number)
  return about.part_size === null && others.length <= 1 && others.every((n) => n > part_number)
}

type Widening = Pick<Writing, 'handles' | 'record'> & { buffers: Buffers }

/** Puts parts as far apart as `part` is long. To be done while nobody writes. */
export async function widen(upload: Upload, part: PutPart, { handles, record, buffers }: Widening): Promise<void> {
  const { facts } = upload
  const { part_number, size: stride } = part
  // While this waited another may have done it, or have made it impossible: then the part is refused.
  if (facts.stride === null || stride <= facts.stride || !mayWiden(upload, part)) return
  const last = [...facts.parts.values()].find((one) => one.part_number !== part_number)
  if (facts.parts.has(part_number)) await record({ n: part_number, removed: true })
  if (!last) return await record({ stride })
  const { part_number: n, size, etag } = last
  const [from, to] = [(n - 1) * facts.stride, (n - 1) * stride]
  // Where it overlaps itself a crash half-way would leave it mixed.
  if (to < from + size) await record({ n, removed: true })
  await storing('moving a part', () => moveBytes(handles.data, { from, to, size }, buffers))
  await record({ stride }, { n, size, etag })
}

/** Towards the end, and therefore from the end. */
async function moveBytes(
  file: DataFile,
  { from, to, size }: { from: number; to: number; size: number },
  buffers: Buffers,
): Promise<void> {
  const buffer = size > smallBuffer ? buffers.take() : buffers.takeSmall()
  try {
    for (let left = size; left > 0; ) {
      const length = Math.min(buffer.length, left)
      left -= length
      const bytes = buffer.subarray(0, length)
      for (let done = 0; done < length; ) {
        const { bytesRead } = await file.handle.read(bytes, done, length - done, from + left + done)
        if (bytesRead === 0) throw new MediaError('unavailable', 'an upload has shrunk while it was read')
        done += bytesRead
      }
      await file.write(bytes, to + left)
    }
  } finally {
    buffers.give(buffer)
  }
}
