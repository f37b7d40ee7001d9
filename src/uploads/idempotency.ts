import { createHash } from 'node:crypto'
import type { Clock } from '../media/clock.ts'
import { codeOf, MediaError } from '../media/errors.ts'
import type { MediaRecord } from '../media/record.ts'
import type { Metadata } from '../metadata/port.ts'

/**
 * Requests with an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): however often one is sent, it makes
 * one media. The key is kept nowhere: the name of the media is made from it, so that the commit that creates the record
 * is the lock as well, across processes and whatever dies in between.
 */
export interface Idempotency {
  /**
   * Answers a request; one without a key just so.
   * @throws MediaError `idempotency_in_flight` while another of the same key is being answered by this process.
   */
  answer<T>(request: KeyedRequest, work: (keyed: Keyed | undefined) => Promise<T>): Promise<Answered<T>>
}

export interface KeyedRequest {
  user_id: string
  /** The door: a key is one door's. */
  route: string
  /** Null: the sender gave none. */
  key: string | null
}

export interface Answered<T> {
  value: T
  /** True when an earlier request has made the media. */
  replayed: boolean
}

/** A request with a key, while it is answered. */
export interface Keyed {
  /**
   * The media that stands under the key, or the one that `make` makes.
   * @param fingerprint what the request says, as a hash; see `fingerprintOf`.
   * @throws MediaError `idempotency_mismatch` when the media was made by a request that said otherwise, `wrong_state`
   * when it has been deleted; what `make` throws.
   */
  settle(fingerprint: string, make: (named: Named) => Promise<MediaRecord>): Promise<MediaRecord>
}

/** What a media made under a key is created with. */
export interface Named {
  media_id: string
  fingerprint: string
}

/** Milliseconds for which a key stands. */
const keyLife = 24 * 3_600_000

export function openIdempotency({ metadata, clock }: { metadata: Metadata; clock: Clock }): Idempotency {
  const inFlight = new Set<string>()

  /** The youngest media of a key, when it is still held by it, and the name that the next one gets otherwise. */
  async function lookUp(scope: Scope): Promise<{ media_id: string; found: MediaRecord | null }> {
    for (let generation = 0; ; generation++) {
      const media_id = mediaIdOf(scope, generation)
      const found = await metadata.get(media_id)
      if (!found || clock.now() - Date.parse(found.upload_time) < keyLife) return { media_id, found }
    }
  }

  return {
    answer: async ({ key, ...door }, work) => {
      if (key === null) return { value: await work(undefined), replayed: false }
      const scope = { ...door, key }
      const name = mediaIdOf(scope, 0)
      if (inFlight.has(name)) throw new MediaError('idempotency_in_flight', 'the key is in use')
      inFlight.add(name)
      let replayed = false
      const again = (record: MediaRecord, fingerprint: string) => {
        replayed = true
        return checkSame(record, fingerprint)
      }
      try {
        const value = await work({
          settle: async (fingerprint, make) => {
            const { media_id, found } = await lookUp(scope)
            if (found) return again(found, fingerprint)
            try {
              return await make({ media_id, fingerprint })
            } catch (error) {
              // Another process was quicker.
              const winner = codeOf(error) === 'conflict' ? await metadata.get(media_id) : null
              if (!winner) throw error
              return again(winner, fingerprint)
            }
          },
        })
        return { value, replayed }
      } finally {
        inFlight.delete(name)
      }
    },
  }
}

/** Makes a media under the request's key, when it has one. */
export async function settleOrMake(
  keyed: Keyed | undefined,
  fingerprint: () => string,
  make: (named?: Named) => Promise<MediaRecord>,
): Promise<MediaRecord> {
  return keyed ? await keyed.settle(fingerprint(), make) : await make()
}

function checkSame(record: MediaRecord, fingerprint: string): MediaRecord {
  if (record.idempotency !== fingerprint) {
    throw new MediaError('idempotency_mismatch', `media ${record.media_id} was made by a request that said otherwise`)
  }
  if (record.status === 'deleted') {
    throw new MediaError('wrong_state', `media ${record.media_id} of the key is deleted`, {
      detail: 'The media that was made under this Idempotency-Key is deleted. Take a new key to upload it again.',
    })
  }
  return record
}

type Scope = KeyedRequest & { key: string }

/** A UUID (version 8: "custom", RFC 9562) that nobody but the owner of the key can come to. */
export function mediaIdOf({ user_id, route, key }: Scope, generation: number): string {
  const hash = createHash('sha256')
    .update(JSON.stringify(['media_id', user_id, route, key, generation]))
    .digest()
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x80
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80
  const hex = hash.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-')
}

/** What a request says, as a hash: the same whatever the order of its fields, and whether one is null or missing. */
export function fingerprintOf(said: Record<string, string | number | null | undefined>): string {
  const fields = Object.entries(said).filter(([, value]) => value !== null && value !== undefined)
  fields.sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256').update(JSON.stringify(fields)).digest('base64url')
}

/** What received bytes say: their size, and their MD5 where the store's ETag is one. */
export function bytesSaid({ size, etag }: { size: number; etag: string }) {
  return { file_size: size, md5: /^[0-9a-f]{32}$/.test(etag) ? etag : null }
}
