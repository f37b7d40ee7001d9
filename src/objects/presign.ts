import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import type { PresignedDoor, PresignedPart } from './port.ts'

export interface PresignOptions {
  /** Where the service is reached, without a slash at the end; asked at each signing. */
  baseUrl: () => string
  /** 32 bytes. Whoever has it can write to every upload that is under way. */
  secret: Uint8Array
  clock: Clock
}

/** What a signature binds besides the method, in the order in which it is signed. */
const names = ['uploadId', 'partNumber', 'size', 'expires'] as const
type Query = Record<(typeof names)[number], string>

/** Addresses of parts that the service itself answers, below `/store`: each for one `PUT` of one part. */
export function openPresignedDoor({ baseUrl, secret, clock }: PresignOptions): PresignedDoor {
  function sign(path: string, query: Query): Buffer {
    const text = ['PUT', path, ...names.map((name) => query[name])].join('\n')
    return createHmac('sha256', secret).update(text).digest()
  }

  return {
    presignPart: async ({ ref, upload_id }, { part_number, size, expires_in }) => {
      const path = `/${ref.bucket}/${ref.key}`
      const expires = Math.floor(clock.now() / 1_000) + expires_in
      const query: Query = {
        uploadId: upload_id,
        partNumber: String(part_number),
        size: size === null ? '' : String(size),
        expires: String(expires),
      }
      const signature = sign(path, query).toString('base64url')
      return `${baseUrl()}/store${path}?${new URLSearchParams({ ...query, signature })}`
    },
    admitPart: ({ path, query }) => {
      const given = queryOf(query)
      const signature = Buffer.from(query.get('signature') ?? '', 'base64url')
      const right = sign(path, given)
      // Text that decodes to the same bytes, as other last bits do, is altered all the same.
      const asWritten = query.get('signature') === right.toString('base64url')
      if (signature.length !== right.length || !timingSafeEqual(signature, right) || !asWritten) {
        throw refused(`no signature of ours for ${path}`)
      }
      if (Number(given.expires) * 1_000 < clock.now()) {
        throw refused(`an address that expired at ${given.expires}`, 'The address has expired; ask for a new one.')
      }
      return partOf(path, given)
    },
  }
}

/** @throws MediaError `bad_signature` for a parameter that is unknown, missing or there twice. */
function queryOf(query: URLSearchParams): Query {
  const keys = [...query.keys()]
  const known = new Set<string>([...names, 'signature'])
  if (keys.length !== known.size || !keys.every((key) => known.delete(key))) {
    throw refused(`parameters ${JSON.stringify(keys.slice(0, 10))}`)
  }
  const value = (name: string) => query.get(name) ?? ''
  return {
    uploadId: value('uploadId'),
    partNumber: value('partNumber'),
    size: value('size'),
    expires: value('expires'),
  }
}

function partOf(path: string, { uploadId, partNumber, size }: Query): PresignedPart {
  const slash = path.indexOf('/', 1)
  return {
    upload: { ref: { bucket: path.slice(1, slash), key: path.slice(slash + 1) }, upload_id: uploadId },
    part_number: Number(partNumber),
    size: size === '' ? null : Number(size),
  }
}

function refused(message: string, detail?: string): MediaError {
  return new MediaError('bad_signature', message, detail === undefined ? {} : { detail })
}
