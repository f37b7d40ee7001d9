import { extname } from 'node:path'
import { type Clock, isoTime } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import { parseS3Url } from '../media/locations.ts'
import type { MediaRecord, Rendition } from '../media/record.ts'
import type { Metadata } from '../metadata/port.ts'
import { type CookieSettings, cookieHeaders } from './cookies.ts'
import { contentDisposition, type Disposition, encodeValue, saveName } from './disposition.ts'
import { type ImageLimits, type ImageOptions, noLimits, readImageOptions, writeImageOptions } from './images/options.ts'
import { subjectOf } from './images/subjects.ts'
import type { Signer } from './signer.ts'
import { type Stream, streamOf, streamSeconds } from './stream-address.ts'

export interface DownloadRequest {
  user_id: string
  media_id: string
  /** A name out of `renditions`, or `thumbnail`; without it that of `processed_s3_url`. */
  rendition?: string | undefined
  /** Options of a picture to be made on the fly, instead of a rendition. */
  image?: string | undefined
  /** Seconds that the address lives, 1–604 800. Without it a stream's lives as long as it takes to play it twice, and an hour. */
  expires_in?: number | undefined
  /** With it the address tells browsers to show or to save the file, under its name. */
  disposition?: Disposition | undefined
  /** A stream by signed cookies instead of signed addresses; the name by which the API was called. */
  cookies?: { host: string } | undefined
}

export interface Download {
  /** Signed for exactly this file, or for all that a stream consists of; needs no header. With cookies, plain. */
  url: string
  /** ISO 8601. */
  expires_at: string
  content_type: string
  /** Bytes; null where the record does not say. */
  file_size: number | null
  /** A name to save it under, safe on every system. */
  filename: string
  /** Values of `Set-Cookie`, where cookies were asked for. */
  cookies?: string[]
}

export interface Downloads {
  /**
   * A signed address of one rendition.
   * @throws MediaError `not_found` for an unknown, deleted or foreign media, `rendition_not_found`, `not_ready` before
   * anything can be played, `wrong_state` when processing has failed, `invalid_request` for a lifetime out of bounds, for
   * options of a picture that are none, for a stream to be saved and for cookies of what is none, `cookies_unavailable` when they would not reach the CDN.
   */
  download(request: DownloadRequest): Promise<Download>
}

interface DownloadOptions {
  metadata: Pick<Metadata, 'get'>
  signer: Pick<Signer, 'signUrl' | 'signCookies'>
  /** The processed bucket, which lies at `baseUrl`. */
  bucket: string
  /** `CDN_BASE_URL`, without a slash at the end. */
  baseUrl: string
  /** Of the API, which serves playlists; without a slash at the end. */
  publicUrl: string
  /** Where cookies reach. */
  cookieReach?: Omit<CookieSettings, 'baseUrl'>
  /** Which pictures are made on the fly. */
  imageLimits?: ImageLimits
  clock: Clock
  /** Lifetime when none is asked for. Default: an hour. */
  urlSeconds?: number
}

/** Seconds; and since the epoch. */
interface Life {
  lifetime: number
  expires: number
}

const longestLife = 604_800

export function openDownloads(options: DownloadOptions): Downloads {
  const { metadata, signer, bucket, baseUrl, publicUrl, clock, urlSeconds = 3_600, imageLimits = noLimits } = options
  const cookieSettings = { pages: [], ...options.cookieReach, baseUrl }

  async function recordOf({ user_id, media_id }: DownloadRequest): Promise<MediaRecord> {
    const record = await metadata.get(media_id)
    if (record && record.user_id === user_id && record.status !== 'deleted') return record
    throw new MediaError('not_found', `no media ${media_id} of ${user_id}`)
  }

  /** One policy for the folder: of each address that a stream consists of, or of the cookies. */
  function addressOfStream({ folder, file, route }: Stream, { media_id, cookies }: DownloadRequest, life: Life) {
    const resource = `${baseUrl}/${folder}/*`
    const { expires, lifetime } = life
    if (!cookies) {
      return { url: signer.signUrl(`${publicUrl}/api/media/${media_id}/${route}`, { expires, resource }) }
    }
    const values = signer.signCookies(resource, { expires })
    const { host } = cookies
    return {
      url: `${baseUrl}/${folder}/${file}`,
      cookies: cookieHeaders(cookieSettings, { values, folder, lifetime, host }),
    }
  }

  function addressOfImage(record: MediaRecord, request: DownloadRequest, written: string): Download {
    const { expires_in = urlSeconds, disposition } = request
    const image = describeImage(record, request, readImageOptions(written, imageLimits))
    const expires = Math.floor(clock.now() / 1_000) + expires_in
    const query = queryOf(disposition, image.filename)
    const { path, ...rest } = image
    const url = signer.signUrl(`${publicUrl}${path}${query}`, { expires })
    return { url, expires_at: isoTime(expires * 1_000), file_size: null, ...rest }
  }

  function lifeOfStream({ duration }: MediaRecord): number {
    return Math.min(longestLife, Math.max(urlSeconds, streamSeconds(duration)))
  }

  return {
    async download(request) {
      const { rendition, expires_in, disposition } = request
      checkLifetime(expires_in)
      const record = await recordOf(request)
      if (request.image !== undefined) return addressOfImage(record, request, request.image)
      const file = chooseFile(record, rendition)
      const ref = parseS3Url(file.s3_url)
      if (ref.bucket !== bucket) throw new MediaError('internal', `${file.s3_url} is not in the delivered bucket`)
      const filename = nameOf(record, file, ref.key)
      const stream = streamOf(file.name, ref.key)
      checkWishes(request, stream)
      const lifetime = expires_in ?? (stream ? lifeOfStream(record) : urlSeconds)
      const query = queryOf(disposition, filename)
      const expires = Math.floor(clock.now() / 1_000) + lifetime
      return {
        ...(stream
          ? addressOfStream(stream, request, { expires, lifetime })
          : { url: signer.signUrl(`${baseUrl}/${ref.key}${query}`, { expires }) }),
        expires_at: isoTime(expires * 1_000),
        content_type: file.content_type,
        file_size: file.file_size,
        filename,
      }
    },
  }
}

function queryOf(disposition: Disposition | undefined, filename: string): string {
  if (!disposition) return ''
  return `?response-content-disposition=${encodeValue(contentDisposition(disposition, filename))}`
}

/** Where a picture that is made on the fly lies, and what is known of it before. */
function describeImage(record: MediaRecord, request: DownloadRequest, options: ImageOptions) {
  const { rendition, cookies, disposition } = request
  const { media_id, playable } = record
  const { format } = options
  const refuse = (detail: string) => {
    throw new MediaError('invalid_request', 'a picture on the fly with other wishes', { detail })
  }
  if (rendition !== undefined) refuse('Ask for a rendition or for an image, not for both.')
  if (cookies) refuse('Cookies are for renditions of many files. The address of a picture needs none.')
  if (format === 'auto' && disposition === 'attachment') refuse('Name the format of a picture that is to be saved.')
  if (!playable || !subjectOf(record)) throw absence(record, playable ? 'image' : undefined)
  const extension = format === 'auto' || format === 'jpeg' ? 'jpg' : format
  return {
    path: `/i/${media_id}/${writeImageOptions(options)}`,
    content_type: format === 'auto' ? 'image/*' : `image/${format}`,
    filename: nameOf(record, { name: 'image', s3_url: '' }, `image.${extension}`),
  }
}

function checkLifetime(expires_in: number | undefined): void {
  if (expires_in === undefined || (Number.isInteger(expires_in) && expires_in >= 1 && expires_in <= longestLife)) return
  const detail = `expires_in takes seconds, 1–${longestLife}.`
  throw new MediaError('invalid_request', `a lifetime of ${expires_in} s`, { detail })
}

/** What goes only with a stream, and what never does. */
function checkWishes({ disposition, cookies }: DownloadRequest, stream: Stream | null): void {
  if (stream && disposition === 'attachment') {
    const detail = 'A stream is many files, to be played and not saved. Ask for another rendition, such as 720p.'
    throw new MediaError('invalid_request', 'a stream as an attachment', { detail })
  }
  if (!stream && cookies) {
    const detail = 'Cookies are for renditions of many files: hls, storyboard.vtt. The address of this one needs none.'
    throw new MediaError('invalid_request', 'cookies for one file', { detail })
  }
}

type File = Pick<Rendition, 's3_url' | 'content_type'> & { name: string | null; file_size: number | null }

/** The file that was asked for, or why there is none. */
function chooseFile(record: MediaRecord, name: string | undefined): File {
  const { renditions, playable, processed_s3_url } = record
  if (playable) {
    const found = name === undefined ? at(renditions, processed_s3_url) : named(record, name)
    if (found) return found
  }
  throw absence(record, name)
}

function named({ renditions, thumbnail_s3_url }: MediaRecord, name: string): File | null {
  const found = renditions.find((one) => one.name === name)
  return found ?? (name === 'thumbnail' ? at(renditions, thumbnail_s3_url) : null)
}

function at(renditions: readonly Rendition[], s3_url: string | null): File | null {
  if (s3_url === null) return null
  const found = renditions.find((one) => one.s3_url === s3_url)
  return found ?? { s3_url, name: null, content_type: typeOf(s3_url), file_size: null }
}

function absence({ status, playable, media_id, error, renditions }: MediaRecord, name: string | undefined): MediaError {
  if (status === 'processed' && name !== undefined) {
    const has = renditions.map((one) => one.name).join(', ')
    const detail = `The media has no rendition "${name}". It has: ${has || 'none'}.`
    return new MediaError('rendition_not_found', `${media_id} has no rendition of this name`, { detail })
  }
  if (status === 'failed') {
    const detail = `Processing has failed: ${error?.message ?? 'no reason is known.'} Retry it, or upload another file.`
    return new MediaError('wrong_state', `${media_id} has failed`, { detail })
  }
  const detail = playable ? `The rendition "${name}" is not made yet: wait for the status "processed".` : undefined
  return new MediaError('not_ready', `${media_id} is ${status}`, detail === undefined ? {} : { detail })
}

/** After the title, or else the uploaded file; the rendition's own extension; its name when it is not the main one. */
function nameOf(record: MediaRecord, { name, s3_url }: Pick<File, 'name' | 's3_url'>, key: string): string {
  const { title, filename, processed_s3_url } = record
  const extension = extname(key).slice(1) || 'bin'
  const uploaded = extname(filename ?? '').slice(1)
  const main = saveName(title.trim() || filename || 'media', extension, uploaded === '' ? [] : [uploaded])
  if (s3_url === processed_s3_url || name === null) return main
  return `${main.slice(0, -extension.length - 1)}-${name}.${extension}`
}

const types: Record<string, string> = {
  '.mp4': 'video/mp4',
  '.m4a': 'audio/mp4',
  '.jpg': 'image/jpeg',
  '.png': 'image/png',
  '.webp': 'image/webp',
}

function typeOf(s3_url: string): string {
  return types[extname(s3_url)] ?? 'application/octet-stream'
}
