import type { IncomingHttpHeaders } from 'node:http'
import { Metadata } from '@tus/server'
import { MediaError } from '../media/errors.ts'
import type { ResumableWords } from './resumable.ts'
import { type Checksum, type ChecksumAlgorithm, checksumAlgorithms } from './resumable-chunk.ts'

/** What tus says in headers, of a file and of a chunk. */

/**
 * The words of `Upload-Metadata`. Clients have no common names: tus-js-client and Uppy say `filename`, `filetype`, or
 * `name`, `type`.
 * @throws MediaError `malformed_request`
 */
export function readMetadata(header: string | undefined): Omit<ResumableWords, 'file_size'> {
  const said = parseMetadata(header)
  const firstOf = (...names: string[]) => names.map((name) => said.get(name)).find((value) => value) ?? null
  return {
    title: firstOf('title'),
    profile: firstOf('profile'),
    filename: firstOf('filename', 'name'),
    content_type: firstOf('filetype', 'type', 'contentType'),
    metadata: header ?? null,
  }
}

/** TUSKit puts one after each comma, which the library refuses. */
export function withoutBlanks(metadata: string): string {
  return metadata.replaceAll(/, +/g, ',')
}

function parseMetadata(header: string | undefined): Map<string, string | null> {
  if (header === undefined || header.trim() === '') return new Map()
  try {
    return new Map(Object.entries(Metadata.parse(withoutBlanks(header))))
  } catch (cause) {
    throw new MediaError('malformed_request', 'Upload-Metadata cannot be read', {
      cause,
      detail: 'Upload-Metadata is a list of "key base64-value" pairs with commas between them, each key once.',
    })
  }
}

/**
 * "The Upload-Checksum request header […] MUST consist of the name of the used checksum algorithm and the Base64 encoded
 * checksum separated by a space." (tus 1.0, Checksum)
 * @throws MediaError `malformed_request`: "If the algorithm is not supported by the Server […] 400 Bad Request".
 */
export function readChecksum({ 'upload-checksum': header }: IncomingHttpHeaders): Checksum | undefined {
  if (header === undefined) return undefined
  const [algorithm, base64 = '', ...more] = String(header).trim().split(' ')
  const digest = Buffer.from(base64, 'base64')
  const known = checksumAlgorithms.includes(algorithm as ChecksumAlgorithm)
  if (known && digest.length === lengths[algorithm as ChecksumAlgorithm] && more.length === 0) {
    return { algorithm: algorithm as ChecksumAlgorithm, digest }
  }
  throw new MediaError('malformed_request', 'Upload-Checksum cannot be read', {
    detail: `Upload-Checksum is one of ${checksumAlgorithms.join(', ')}, a space, and the checksum in base64.`,
  })
}

/** Bytes. */
const lengths: Record<ChecksumAlgorithm, number> = { md5: 16, sha1: 20, sha256: 32, sha384: 48, sha512: 64, crc32: 4 }
