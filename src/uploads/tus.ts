import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { DataStore, Server, Upload } from '@tus/server'
import { codeOf, MediaError } from '../media/errors.ts'
import type { MediaRecord } from '../media/record.ts'
import { wholeOf } from './chunks.ts'
import type { Keyed } from './idempotency.ts'
import type { Resumable, Standing } from './resumable.ts'
import { checksumAlgorithms } from './resumable-chunk.ts'
import { readChecksum, readMetadata, withoutBlanks } from './tus-headers.ts'
import { type Known, refusalOf } from './tus-refusals.ts'

/**
 * tus 1.0 (https://tus.io/protocols/resumable-upload). What the protocol demands of headers, offsets and lengths is
 * @tus/server's work; the bytes go by it, straight from the request to the store: through its web streams they would be
 * copied twice more. Checksums, which it has none of, are ours.
 */
export interface TusDoor {
  /** @throws MediaError: every refusal; `precondition_failed` for another version of the protocol. */
  answer(request: TusRequest): Promise<TusAnswer>
}

export interface TusRequest {
  method: 'POST' | 'HEAD' | 'PATCH' | 'DELETE'
  /** Null when one is to be made. */
  media_id: string | null
  headers: IncomingHttpHeaders
  body: Readable
  user_id: string
  /** Where an upload is gone on with. */
  urlOf: (media_id: string) => string
  /** Makes the upload under the request's `Idempotency-Key`, when it has one. */
  once?: ((make: (keyed?: Keyed) => Promise<MediaRecord>) => Promise<MediaRecord>) | undefined
}

export interface TusAnswer {
  status: number
  headers: Record<string, string>
  /** Of an upload that was made. */
  record: MediaRecord | null
}

export const tusVersion = '1.0.0'

/** "The Tus-Extension response header MUST be a comma-separated list of the extensions supported by the Server." */
const extensions = [
  ...['creation', 'creation-with-upload', 'creation-defer-length'],
  ...['termination', 'checksum', 'expiration'],
]

/** What `OPTIONS` tells. */
export function tusDiscovery({ maxBytes }: Pick<Resumable, 'maxBytes'>): Record<string, string> {
  return {
    'tus-resumable': tusVersion,
    'tus-version': tusVersion,
    'tus-extension': extensions.join(','),
    'tus-max-size': String(maxBytes),
    'tus-checksum-algorithm': checksumAlgorithms.join(','),
  }
}

export function openTusDoor(resumable: Resumable): TusDoor {
  return {
    answer: async (request) => {
      const { headers, media_id, user_id } = request
      // "If the version specified by the Client is not supported by the Server, it MUST respond with the 412 […]"
      if (headers['tus-resumable'] !== tusVersion) {
        throw new MediaError('precondition_failed', 'another version of tus', {
          detail: `Send "Tus-Resumable: ${tusVersion}", or the headers of the IETF's resumable uploads.`,
        })
      }
      if (media_id === null) return await converse(resumable, request, undefined)
      return await resumable.inTurn(user_id, media_id, async (turn) => await converse(resumable, request, turn))
    },
  }
}

/** Lets the library answer one request, over a store that knows the request's caller and body. */
async function converse(resumable: Resumable, request: TusRequest, turn: AbortSignal | undefined): Promise<TusAnswer> {
  const store = new RequestStore(resumable, request, turn)
  let refusal: unknown
  const server = new Server({
    path,
    datastore: store,
    maxSize: resumable.maxBytes,
    generateUrl: (_request, { id }) => request.urlOf(id),
    namingFunction: () => 'unnamed',
    // The turn is held around all of this.
    locker: { newLock: () => ({ lock: async () => {}, unlock: async () => {} }) },
    onResponseError: (_request, error) => {
      refusal = error
      return undefined
    },
  })
  const declared = request.method === 'PATCH' ? await store.declaredSize() : null
  const answer = await server.handleWeb(webRequestOf(request, declared))
  if (refusal instanceof MediaError || refusal instanceof Error) throw refusal
  if (answer.status >= 400) {
    const words = await answer.text()
    throw refusalOf({ status: answer.status, words, known: store.known(), maxBytes: resumable.maxBytes })
  }
  const record = answer.status === 201 ? store.record() : null
  return { status: answer.status, headers: { ...headersOf(answer), ...store.headers() }, record }
}

/** The library only takes it apart again. */
const path = '/'

/** The request without its body; a size that is declared again, as after a cut request, is none to the library. */
function webRequestOf({ method, media_id, headers }: TusRequest, declared: number | null): Request {
  const told = new Headers()
  for (const [name, value] of Object.entries(headers)) {
    if (/^(tus-|upload-)|^content-(type|length)$/.test(name) && value !== undefined) told.set(name, String(value))
  }
  const metadata = told.get('upload-metadata')
  if (metadata !== null) told.set('upload-metadata', withoutBlanks(metadata))
  if (declared !== null && headers['upload-length'] === String(declared)) told.delete('upload-length')
  return new Request(`http://tus${path}${media_id ?? ''}`, { method, headers: told })
}

/** CORS is the entrance's. */
function headersOf(answer: Response): Record<string, string> {
  const own = [...answer.headers].filter(([name]) => !/^(access-control-|content-|connection$)/.test(name))
  return Object.fromEntries(own)
}

/** The library's store, for one request. */
class RequestStore extends DataStore {
  override extensions = extensions
  readonly #resumable: Resumable
  readonly #request: TusRequest
  readonly #turn: AbortSignal | undefined
  #standing: Standing | undefined

  constructor(resumable: Resumable, request: TusRequest, turn: AbortSignal | undefined) {
    super()
    this.#resumable = resumable
    this.#request = request
    this.#turn = turn
  }

  /** What the library does not know of. */
  headers(): Record<string, string> {
    const { method } = this.#request
    if (!this.#standing || method === 'DELETE') return {}
    const { record, details, complete } = this.#standing
    return {
      ...(method === 'POST' || complete ? { 'media-id': record.media_id } : {}),
      // "[…] the Upload-Expires header MUST be included […]" while it is not complete; as an HTTP date.
      ...(complete ? {} : { 'upload-expires': new Date(details.expires_at).toUTCString() }),
      // "[…] responses to HEAD requests MUST include the Upload-Metadata header and its value as specified by the Client"
      ...(method === 'HEAD' && details.metadata ? { 'upload-metadata': details.metadata } : {}),
    }
  }

  record(): MediaRecord | null {
    return this.#standing?.record ?? null
  }

  known(): Known | undefined {
    return this.#standing
  }

  async declaredSize(): Promise<number | null> {
    const { media_id } = this.#request
    return media_id === null ? null : (await this.#look(media_id)).size
  }

  override async create(upload: Upload): Promise<Upload> {
    const { user_id, headers, once = async (make) => await make() } = this.#request
    const said = readMetadata(headers['upload-metadata'] as string | undefined)
    const file_size = upload.size ?? null
    const { media_id } = await once(async (keyed) => {
      return await this.#resumable.begin({ ...said, user_id, file_size, keyed }).catch((error) => {
        throw codeOf(error) === 'title_missing' ? untitled() : error
      })
    })
    upload.id = media_id
    await this.#look(media_id)
    return upload
  }

  override async getUpload(id: string): Promise<Upload> {
    const { offset, size } = this.#standing ?? (await this.#look(id))
    return size === null ? new Upload({ id, offset }) : new Upload({ id, offset, size })
  }

  override async declareUploadLength(id: string, length: number): Promise<void> {
    this.#standing = await this.#resumable.declareSize(await this.#look(id), length)
  }

  /** @param unused the library's idea of the body: an empty one. */
  override async write(unused: Readable, id: string): Promise<number> {
    unused.resume()
    const turn = this.#turn
    if (turn) return await this.#append(turn)
    return await this.#resumable.inTurn(this.#request.user_id, id, async (own) => {
      await this.#look(id)
      // Made by an earlier request of the same key: its sender is told where it stands.
      if (this.#standing && this.#standing.offset > 0) return this.#standing.offset
      return await this.#append(own)
    })
  }

  override async remove(id: string): Promise<void> {
    await this.#resumable.abort(this.#request.user_id, id)
  }

  async #look(id: string): Promise<Standing> {
    this.#standing = await this.#resumable.standing(this.#request.user_id, id)
    return this.#standing
  }

  async #append(signal: AbortSignal): Promise<number> {
    const { headers, body, method, user_id } = this.#request
    const standing = this.#standing as Standing
    if (standing.complete) return offsetOfComplete(standing, headers)
    const checksum = readChecksum(headers)
    try {
      this.#standing = await this.#resumable.append(standing, { source: wholeOf(body, signal), signal, checksum })
      return this.#standing.offset
    } catch (error) {
      // Its sender has not been told yet where to go on with it.
      if (method === 'POST' && !headers['idempotency-key']) await this.#abandon(user_id, standing)
      throw error
    }
  }

  async #abandon(user_id: string, { record }: Standing): Promise<void> {
    await this.#resumable.abort(user_id, record.media_id).catch(() => {})
  }
}

/** Nothing is added to it; who asks with nothing is told again that it is complete. */
function offsetOfComplete({ offset, record }: Standing, headers: IncomingHttpHeaders): number {
  if (headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0) return offset
  throw new MediaError('wrong_state', `upload ${record.media_id} is complete`, { detail: 'The upload is complete.' })
}

function untitled(): MediaError {
  return new MediaError('title_missing', 'neither title nor filename', {
    detail: 'Send "title" or "filename" in Upload-Metadata.',
  })
}
