import type { Clock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import type { Metadata } from '../metadata/port.ts'
import type { ObjectStore } from '../objects/port.ts'
import { type RewriteLine, type Rewriting, rewritePlaylistLine, rewriteStoryboardLine, rewriteText } from './hls.ts'
import { checkGrant, refusal } from './policy.ts'
import type { Verifier } from './signer.ts'

/** A folder of outputs that name one another, under one signature. */
export type StreamKind = 'hls' | 'storyboard'

export interface StreamRequest {
  media_id: string
  kind: StreamKind
  /** Of a stored text, without a folder: `master.m3u8`. */
  file: string
  /** As it came, without the question mark: the signed query is the credential. */
  query: string
  /** The reader's address, for policies that name one. */
  ip: string
}

export interface StreamText {
  content_type: string
  /** The text, rewritten as it is read; to be read to the end or returned early: either closes it. */
  body: AsyncIterable<string>
}

export interface Streams {
  /**
   * A stored playlist or storyboard with addresses that play by themselves. The version that is read is the one the
   * policy names: a stream under way goes on while a newer one is made.
   * @throws MediaError `bad_signature` unless the query holds a policy for all of this folder; `not_found` when the media
   * is deleted, or has no such file.
   */
  open(request: StreamRequest): Promise<StreamText>
}

interface StreamsOptions {
  metadata: Pick<Metadata, 'get'>
  objects: Pick<ObjectStore, 'get'>
  verifier: Pick<Verifier, 'readPolicy'>
  /** The processed bucket, which lies at `baseUrl`. */
  bucket: string
  /** `CDN_BASE_URL`, without a slash at the end. */
  baseUrl: string
  /** Of the API, without a slash at the end. */
  publicUrl: string
  clock: Clock
}

const texts: Record<StreamKind, { file: RegExp; content_type: string; rewriteLine: RewriteLine }> = {
  hls: {
    file: /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}\.m3u8$/,
    content_type: 'application/vnd.apple.mpegurl',
    rewriteLine: rewritePlaylistLine,
  },
  storyboard: {
    file: /^storyboard\.vtt$/,
    content_type: 'text/vtt; charset=utf-8',
    rewriteLine: rewriteStoryboardLine,
  },
}

export function openStreams(options: StreamsOptions): Streams {
  const { metadata, objects, verifier, bucket, baseUrl, publicUrl, clock } = options

  return {
    async open({ media_id, kind, file, query, ip }) {
      const { grant, signature } = verifier.readPolicy(query)
      const folder = `${media_id}/v${versionIn(grant.resource, { base: `${baseUrl}/${media_id}`, kind })}/${kind}`
      checkGrant(grant, { now: clock.now(), ip })
      const { file: form, content_type, rewriteLine } = texts[kind]
      const record = form.test(file) ? await metadata.get(media_id) : null
      if (!record || record.status === 'deleted') throw new MediaError('not_found', `no ${kind} ${file} of ${media_id}`)
      const { body } = await objects.get({ bucket, key: `${folder}/${file}` })
      const rewriting: Rewriting = {
        folder: `${baseUrl}/${folder}`,
        playlists: `${publicUrl}/api/media/${media_id}/hls`,
        signature,
      }
      return { content_type, body: await begun(rewriteText(body, rewriteLine, rewriting)) }
    },
  }
}

/** The version whose folder a policy is for, all of it. @throws MediaError `bad_signature` when it is for anything else */
function versionIn(resource: string, { base, kind }: { base: string; kind: StreamKind }): string {
  const rest = resource.startsWith(`${base}/v`) ? resource.slice(base.length + 2) : ''
  const [, version, folder] = /^([1-9]\d*)\/([a-z]+)\/\*$/.exec(rest) ?? []
  if (version !== undefined && folder === kind) return version
  throw refusal(
    `the policy is not for the ${kind} of this media`,
    'Ask for one that is by `GET /api/media/download/…`.',
  )
}

/** What cannot be read fails here, before anything is sent; and what is begun can be ended, as a generator that is not cannot. */
async function begun(pieces: AsyncGenerator<string, void>): Promise<AsyncIterable<string>> {
  let first: IteratorResult<string, void> | null = await pieces.next()
  const iterator: AsyncIterator<string, void> = {
    next: async () => {
      const result = first ?? (await pieces.next())
      first = null
      return result
    },
    return: async () => await pieces.return(),
  }
  return { [Symbol.asyncIterator]: () => iterator }
}
