import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { Clock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import type { ObjectStore } from '../objects/port.ts'
import { sniff } from './sniff.ts'

/** Bytes of an upload that follow one another, as one request brings them. */
export interface Chunk {
  source: AsyncIterable<Uint8Array>
  /** Aborted when the sender is to leave. */
  signal: AbortSignal
  /** What the bytes must come to, or nothing of them is kept. */
  checksum?: Checksum | undefined
}

export interface Checksum {
  algorithm: ChecksumAlgorithm
  digest: Buffer
}

export const checksumAlgorithms = ['md5', 'sha1', 'sha256', 'sha384', 'sha512', 'crc32'] as const
export type ChecksumAlgorithm = (typeof checksumAlgorithms)[number]

/** Bytes that say what a file is. */
const headBytes = 64 * 1024

interface Reading {
  /** Where in the upload the chunk begins. */
  offset: number
  clock: Clock
  /** Milliseconds for which the sender may be silent. */
  silence: number
}

export interface ReadChunk {
  source: AsyncIterable<Uint8Array>
  /** The chunk's own, and aborted as well when its sender is silent for too long. */
  signal: AbortSignal
  /** To be called when nothing is read any more. */
  end(): void
}

/**
 * Looks at a chunk as it passes: at its type when it is the upload's head, and whether its sender still sends.
 * Reading throws `unsupported_media` as soon as the head is there and no media; a short head is left to the end.
 */
export function readChunk({ source, signal }: Chunk, { offset, clock, silence }: Reading): ReadChunk {
  const silent = new AbortController()
  const over = new AbortController()
  // Null while it is we who take our time.
  let waitsSince: number | null = clock.now()
  let head: Uint8Array[] | null = offset === 0 ? [] : null
  let size = 0

  const lookAtHead = (bytes: Uint8Array) => {
    // A copy: whoever receives the chunk may keep its memory for something else.
    head?.push(Uint8Array.from(bytes.subarray(0, headBytes - size)))
    size += bytes.length
    if (!head || size < headBytes) return
    const type = sniff(Buffer.concat(head))
    head = null
    if (!type) throw new MediaError('unsupported_media', 'the head of an upload is of no type that is taken')
  }

  async function* passed() {
    for await (const bytes of source) {
      waitsSince = null
      if (head) lookAtHead(bytes)
      yield bytes
      waitsSince = clock.now()
    }
  }

  const watch = async () => {
    for (;;) {
      await clock.sleep(silence / 4, over.signal)
      if (waitsSince !== null && clock.now() - waitsSince >= silence) return silent.abort(fellSilent(silence))
    }
  }
  watch().catch(() => {})
  return { source: passed(), signal: AbortSignal.any([signal, silent.signal]), end: () => over.abort() }
}

function fellSilent(silence: number): MediaError {
  return new MediaError('upload_interrupted', `nothing came for ${silence} ms`, {
    detail: 'Nothing came for a while. What had come is kept: ask for the offset, and go on from there.',
  })
}

interface Target {
  /** Where it lies meanwhile; the folder, which ends with a slash, is its own. */
  bucket: string
  folder: string
  /** Bytes that there is room for. */
  limit: number
  appendFrom(source: AsyncIterable<Uint8Array>): Promise<number>
}

/**
 * Appends a chunk once it is known to be what its checksum says: until then it lies beside the upload, for what is
 * appended stays.
 * @throws MediaError `checksum_mismatch`
 */
export async function verifiedChunk(
  objects: ObjectStore,
  { source, signal, checksum }: Chunk & { checksum: Checksum },
  { bucket, folder, limit, appendFrom }: Target,
): Promise<number> {
  const hash = openHash(checksum.algorithm)
  async function* hashed() {
    for await (const bytes of source) {
      hash.update(bytes)
      yield bytes
    }
  }
  const staged = await objects.stage(hashed(), { limit, signal })
  if (!hash.digest().equals(checksum.digest)) {
    await staged.discard()
    throw new MediaError('checksum_mismatch', `a chunk of ${staged.size} bytes is not what its checksum says`, {
      detail: 'The bytes are not those that Upload-Checksum announces. None of them were kept: send them again.',
    })
  }
  const place = { bucket, key: `${folder}chunk` }
  await staged.commit(place, { content_type: 'application/octet-stream' })
  try {
    const { body } = await objects.get(place, { signal })
    return await appendFrom(body)
  } finally {
    // What a crash leaves goes with the media, or with the bucket's lifecycle.
    await objects.removePrefix(bucket, folder)
  }
}

interface RunningHash {
  update(bytes: Uint8Array): void
  digest(): Buffer
}

function openHash(algorithm: ChecksumAlgorithm): RunningHash {
  if (algorithm !== 'crc32') {
    const hash = createHash(algorithm)
    return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest() }
  }
  let sum = 0
  return {
    update: (bytes) => {
      sum = crc32(bytes, sum)
    },
    digest: () => {
      const digest = Buffer.alloc(4)
      digest.writeUInt32BE(sum)
      return digest
    },
  }
}
