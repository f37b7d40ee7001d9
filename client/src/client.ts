import type { Download, DownloadQuery, ListMedia, Media, MediaPage } from './contract.ts'
import { type ClientOptions, openRequests, type Requests } from './requests.ts'
import type { UploadFile } from './source.ts'
import { type UploadOptions, upload } from './upload.ts'
import { type WatchOptions, watchMedia } from './watch.ts'

export interface CallOptions {
  signal?: AbortSignal | undefined
}

/**
 * All methods throw `MediaServiceError` for what the service refuses, `ServiceUnreachable` when no answer comes, and
 * the signal's reason.
 */
export interface MediaClient {
  /**
   * Uploads a file of any size: small ones in one request, larger ones in parts straight to the store, several at a
   * time. Waits out broken connections and restarts, and goes on with an upload of the same file that was begun
   * before, where that is remembered (`resume`).
   * @throws UploadAborted, SourceChanged besides; TypeError when `file` is none
   */
  upload(file: UploadFile, options: UploadOptions): Promise<Media>
  get(media_id: string, options?: CallOptions): Promise<Media>
  /** One page of the caller's media, newest first. */
  list(query?: ListMedia, options?: CallOptions): Promise<MediaPage>
  /** All of them, page after page as they are asked for. */
  listAll(query?: Omit<ListMedia, 'cursor'>, options?: CallOptions): AsyncIterable<Media>
  update(media_id: string, change: { title: string }, options?: CallOptions): Promise<Media>
  /** Removes a media with all its bytes; again is no error. */
  remove(media_id: string, options?: CallOptions): Promise<void>
  /** Processes a failed media again. */
  retry(media_id: string, options?: CallOptions): Promise<Media>
  /** The media now, then at each change, until its status is final. Reconnects by itself. */
  watch(media_id: string, options?: WatchOptions): AsyncIterable<Media>
  /**
   * A signed address of a rendition: for players, `<img>` and links. It needs no header, and expires. That of `hls`
   * plays a stream; with `cookies` it is plain, and the browser keeps cookies that open it.
   */
  downloadUrl(media_id: string, query?: DownloadQuery, options?: CallOptions): Promise<Download>
  /** The bytes of a rendition, as a response to read or to stream. */
  download(media_id: string, query?: DownloadQuery, options?: CallOptions): Promise<Response>
}

/** @throws TypeError when `baseUrl` is no address */
export function createClient(options: ClientOptions): MediaClient {
  const requests = openRequests(options)
  const at = (media_id: string) => `/api/media/${encodeURIComponent(media_id)}`
  const list = (query: ListMedia = {}, { signal }: CallOptions = {}) =>
    requests.json<MediaPage>('GET', '/api/media', { query, signal })
  const downloadUrl = (media_id: string, query: DownloadQuery = {}, { signal }: CallOptions = {}) => {
    const cookies = query.cookies === 'true' ? { credentials: 'include' as const } : {}
    const path = `/api/media/download/${encodeURIComponent(media_id)}`
    return requests.json<Download>('GET', path, { query, signal, ...cookies })
  }
  return {
    upload: (file, given) => upload(requests, file, given),
    get: (media_id, { signal } = {}) => requests.json('GET', at(media_id), { signal }),
    list,
    listAll: (query, given) => pagesOf(list, query, given),
    update: (media_id, body, { signal } = {}) => requests.json('PATCH', at(media_id), { body, signal }),
    remove: (media_id, { signal } = {}) => requests.json('DELETE', at(media_id), { signal }),
    retry: (media_id, { signal } = {}) => requests.json('POST', `${at(media_id)}/retry`, { signal }),
    watch: (media_id, given = {}) => watchMedia(requests, media_id, given),
    downloadUrl,
    download: async (media_id, query, given) => await fetchBytes(requests, downloadUrl(media_id, query, given), given),
  }
}

async function* pagesOf(
  list: MediaClient['list'],
  query: ListMedia = {},
  options?: CallOptions,
): AsyncGenerator<Media> {
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page: MediaPage = await list(cursor === undefined ? query : { ...query, cursor }, options)
    yield* page.items
    cursor = page.next_cursor
  }
}

async function fetchBytes(requests: Requests, download: Promise<Download>, { signal }: CallOptions = {}) {
  return await requests.read((await download).url, signal)
}
