import type { Clock } from '../../media/clock.ts'
import { codeOf, MediaError } from '../../media/errors.ts'
import type { ObjectRef } from '../../media/locations.ts'
import type { Log } from '../../media/log.ts'
import type { Transform } from '../../media/transform.ts'
import type { Metadata } from '../../metadata/port.ts'
import { hasLocalFiles, type ObjectStore } from '../../objects/port.ts'
import { dispositionIn } from '../address.ts'
import { answering, sendSource } from '../answering.ts'
import type { Entry, Storage } from '../cache/storage.ts'
import { openLru } from '../lru.ts'
import { checkGrant, type Grant } from '../policy.ts'
import { answerFor, finish, type Problem, sendPreflight, sendProblem, writeHead } from '../reply.ts'
import { openSending } from '../sending.ts'
import type { Verifier } from '../signer.ts'
import { cutReply, openFile, type Reply, type Request } from '../stream.ts'
import { openFlights } from './flights.ts'
import { chooseFormat } from './format.ts'
import { type Kept, keepImage, objectOf } from './kept.ts'
import { type ImageLimits, type ImageOptions, readImageOptions, writeImageOptions } from './options.ts'
import { openSlots } from './slots.ts'
import { openSubjects, type Subject } from './subjects.ts'

/** Pictures made on the fly, once each, kept on this disk. */
export interface Images {
  /**
   * Answers `/i/{media_id}/{options}`: GET and HEAD, signed as CloudFront signs, over HTTP/1.1 and HTTP/2.
   * Resolves when it has answered or the reader has gone; never rejects.
   */
  handle(request: Request, reply: Reply): Promise<void>
  /** Lets go of all that was made of a media, and cuts what is under way. */
  forget(media_id: string): void
  close(): void
}

/** Makes one picture of another, both files of this disk. */
export interface ImageMaker {
  /**
   * @throws MediaError as processing does; an error with `code: 'ENOENT'` when the source is not there (any more)
   */
  make(order: { path: string; transform: Transform; signal: AbortSignal }): Promise<MadeImage>
}

export interface MadeImage {
  path: string
  content_type: string
  /** MD5 of its bytes, in hexadecimal. */
  etag: string
  /** Bytes. */
  size: number
  /** Removes the file. */
  remove(): Promise<void>
}

export interface ImagesOptions {
  metadata: Pick<Metadata, 'get'>
  objects: ObjectStore
  verifier: Pick<Verifier, 'read'>
  maker: ImageMaker
  /** Closed by the caller. */
  storage: Storage
  clock: Clock
  log: Log
  /** What signed addresses start with, without a slash at the end. */
  publicUrl: string
  problemOf: (error: unknown) => Problem
  /** Pictures made at once. */
  atOnce: number
  /** The reader's address, for policies that name one. Default: the other end of the connection. */
  addressOf?: (request: Request) => string | undefined
  /** A reader that takes nothing for so long is dropped. Milliseconds. */
  stallLimit?: number
}

/** A signed address that was found right. */
interface Access {
  media_id: string
  options: ImageOptions
  disposition: string | undefined
  grant: Grant
}

const pathForm = /^\/i\/([A-Za-z0-9][A-Za-z0-9_-]*)\/([A-Za-z0-9=,.-]+)$/
/** Characters of addresses remembered as right. */
const rememberedAddresses = 4 * 1024 * 1024
/** For each that is made, those that wait: about two seconds of work. */
const waitingEach = 8
/** Seconds after which who was refused may come again. */
const retryAfter = 2
/** Whether a picture is allowed was asked when its address was signed. */
const anything: ImageLimits = { presets: {}, onlyPresets: false, largestSide: 4096 }

const refusals = {
  412: new MediaError('precondition_failed', 'a condition of the request does not hold'),
  416: new MediaError('range_not_satisfiable', 'the range lies outside the file'),
}

export function openImages(options: ImagesOptions): Images {
  const { objects, storage, maker, clock, log, verifier, publicUrl, problemOf, atOnce } = options
  const { addressOf = (request: Request) => request.socket.remoteAddress, stallLimit = 60_000 } = options
  const accesses = openLru<Access>(rememberedAddresses)
  const subjects = openSubjects(options)
  const slots = openSlots({ atOnce, waiting: atOnce * waitingEach })
  const making = openFlights<Entry>()
  const bringing = openFlights<string>()
  const sending = openSending<Subject>({
    clock,
    check: async ({ media_id }) => void (await subjectOf(media_id)),
  })

  function accessOf(target: string): Access {
    const known = accesses.get(target)
    if (known) return known
    const grant = verifier.read(publicUrl + target)
    const [path = '', query = ''] = target.split('?', 2)
    const [, media_id, written] = pathForm.exec(path) ?? []
    if (media_id === undefined || written === undefined) throw new MediaError('not_found', 'not the path of a picture')
    const access = { grant, media_id, options: readImageOptions(written, anything), disposition: dispositionIn(query) }
    accesses.set(target, access, target.length)
    return access
  }

  async function subjectOf(media_id: string): Promise<Subject> {
    try {
      return await subjects.find(media_id)
    } catch (error) {
      if (codeOf(error) === 'not_found') forget(media_id)
      throw error
    }
  }

  function forget(media_id: string): void {
    subjects.forget(media_id)
    storage.dropPrefix(`${media_id}/`)
    sending.cut(media_id)
  }

  /** Where its bytes lie on this disk; from a store that is far away they are brought once. */
  async function sourcePath(ref: ObjectRef, signal: AbortSignal): Promise<string> {
    if (hasLocalFiles(objects)) {
      const path = await objects.pathOf(ref)
      if (path !== null) return path
      throw new MediaError('not_found', `${ref.key} is gone`)
    }
    return await bringing.join(ref.key, signal, async (signal) => {
      const entry = storage.find(ref.key)[0] ?? (await keepImage({ storage, clock, kept: await far(ref, signal) }))
      return storage.pathOf(entry)
    })
  }

  async function far(ref: ObjectRef, signal: AbortSignal): Promise<Kept> {
    const { object, body } = await objects.get(ref, { signal })
    return { ...object, key: ref.key, body }
  }

  /** One transform for all who ask for the same meanwhile. */
  async function made(key: string, subject: Subject, transform: Transform, signal: AbortSignal): Promise<Entry> {
    return await making.join(key, signal, async (signal) => {
      const image = await slots.run(async () => {
        const path = await sourcePath(subject.ref, signal)
        return await maker.make({ path, transform, signal })
      }, signal)
      try {
        const { path, ...rest } = image
        return await keepImage({ storage, clock, kept: { ...rest, key, path } })
      } finally {
        await image.remove().catch((error) => log.warn({ error }, 'a picture made on the fly was not removed'))
      }
    })
  }

  async function deliver(request: Request, reply: Reply): Promise<void> {
    const { method = '', headers } = request
    if (method === 'OPTIONS') return sendPreflight(reply, null)
    if (method !== 'GET' && method !== 'HEAD') throw new MediaError('method_not_allowed', `${method} on a picture`)
    const access = accessOf(request.url ?? '')
    const { grant, media_id, options: asked, disposition } = access
    const now = clock.now()
    checkGrant(grant, { now, ip: grant.ip === undefined ? undefined : addressOf(request) })
    const subject = await subjectOf(media_id)
    const format = chooseFormat(asked, subject, headers.accept)
    const key = `${subject.ref.key}?${writeImageOptions({ ...asked, format: 'auto' })},as=${format}`
    const entry = await entryOf(key, subject, { ...asked, format }, reply)
    const answer = answerFor({ method, headers }, objectOf(entry), disposition)
    // For as long as the address lives, and who holds it alone.
    const seconds = Math.max(0, Math.floor(grant.expires - now / 1_000))
    answer.headers['cache-control'] = `private, max-age=${seconds}, immutable`
    if (asked.format === 'auto') answer.headers.vary = 'Accept'
    if (answer.status === 412 || answer.status === 416) return refuse(reply, refusals[answer.status], answer.headers)
    if (answer.range === null) {
      writeHead(reply, answer.status, answer.headers)
      return finish(reply)
    }
    await send(reply, { subject, entry, answer: { ...answer, range: answer.range } })
  }

  async function entryOf(key: string, subject: Subject, transform: Transform, reply: Reply): Promise<Entry> {
    const found = storage.find(key)[0]
    if (found && !found.fill) return found
    const gone = new AbortController()
    const leave = () => gone.abort(new MediaError('interrupted', 'the reader has gone'))
    reply.once('close', leave)
    try {
      const entry = await made(key, subject, transform, gone.signal)
      // It may have taken long enough for the media to have been deleted.
      await subjectOf(subject.media_id)
      return entry
    } finally {
      reply.off('close', leave)
    }
  }

  interface Sent {
    subject: Subject
    entry: Entry
    answer: ReturnType<typeof answerFor> & { range: { start: number; end: number } }
  }

  async function send(reply: Reply, { subject, entry, answer }: Sent): Promise<void> {
    const { range } = answer
    const small = await storage.small(entry)
    if (small) {
      writeHead(reply, answer.status, answer.headers)
      return finish(reply, small.subarray(range.start, range.end + 1))
    }
    const { signal, end } = sending.begin(reply, subject, stallLimit)
    try {
      await sendSource(reply, answer, await openFile(storage.pathOf(entry), { range, signal }))
    } finally {
      end()
    }
  }

  /** To the reader while nothing was sent; later a reply can only be cut. */
  function refuse(reply: Reply, thrown: unknown, headers: Record<string, string | number> = {}): void {
    const error = asGone(thrown)
    if (codeOf(error) === 'interrupted') return cutReply(reply)
    const problem = problemOf(error)
    if (problem.status >= 500) log.error({ error }, 'a picture could not be made')
    if (reply.headersSent) return cutReply(reply)
    sendProblem(reply, problem, { ...headers, ...(problem.status === 429 && { 'retry-after': retryAfter }) })
  }

  return {
    forget,
    close: () => sending.close(),
    handle: answering(deliver, refuse),
  }
}

/** What was there a moment ago and is no longer: the next try makes it again, or finds the media deleted. */
function asGone(error: unknown): unknown {
  if ((error as { code?: unknown }).code !== 'ENOENT') return error
  return new MediaError('unavailable', 'a file went while it was read', { cause: error })
}
