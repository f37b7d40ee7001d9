import type { Clock } from '../media/clock.ts'
import { codeOf, MediaError } from '../media/errors.ts'
import type { Log } from '../media/log.ts'
import type { ServedFrom } from '../media/measured.ts'
import { hasLocalFiles, type ObjectStore } from '../objects/port.ts'
import { type Address, readAddress } from './address.ts'
import { answering, sendSource } from './answering.ts'
import { openKeptObjects } from './cache/kept.ts'
import type { Storage } from './cache/storage.ts'
import { openLru } from './lru.ts'
import { checkGrant, type Grant } from './policy.ts'
import { openPresence } from './presence.ts'
import type { ByteRange } from './range.ts'
import {
  type Answer,
  answerFor,
  corsFor,
  finish,
  type Problem,
  sendPreflight,
  sendProblem,
  writeHead,
} from './reply.ts'
import { openSending } from './sending.ts'
import type { Verifier } from './signer.ts'
import { type Found, openSmallFiles } from './small.ts'
import { cutReply, openSource, type Reply, type Request, type Source } from './stream.ts'

export interface Edge {
  /**
   * Answers `{basePath}/{media_id}/v{n}/{file}`: GET and HEAD, signed as CloudFront signs, over HTTP/1.1 and HTTP/2.
   * Resolves when it has answered or the reader has gone; never rejects.
   */
  handle(request: Request, reply: Reply): Promise<void>
  /** Lets go of a media at once: out of memory, and replies under way are cut. */
  forget(media_id: string): void
  /** Cuts what is under way. */
  close(): void
}

export interface EdgeOptions {
  objects: ObjectStore
  /** The processed bucket. */
  bucket: string
  verifier: Verifier
  clock: Clock
  log: Log
  /** Where it is mounted: `/cdn`, or empty. */
  basePath: string
  /** What signed addresses start with, `https://cdn.example.com`: a reader may come through a proxy. */
  publicBaseUrl: string
  /** The body of a refusal; the words are `http/errors.ts`'s. */
  problemOf: (error: unknown) => Problem
  /**
   * Whether a media's record is a tombstone or absent: asked at most once a second for each media being read.
   * Without it the object itself is looked for as often.
   */
  isDeleted?: (media_id: string) => Promise<boolean>
  /** The reader's address, for policies that name one. Default: the other end of the connection. */
  addressOf?: (request: Request) => string | undefined
  /** Memory for small files; default 64 MiB. */
  memoryBytes?: number
  /** Where large files are kept of a store that has none on this machine's disk. Closed by the caller. */
  storage?: Storage
  /** Origins of pages that may read with signed cookies; any page may read without. */
  corsOrigins?: readonly string[]
  /** Told where each reply came from; must not throw. */
  onServed?: ((from: ServedFrom) => void) | undefined
  /** Told when the store failed; must not throw. */
  onOriginError?: (() => void) | undefined
  /** A reader that takes nothing for so long is dropped. Milliseconds; default a minute. */
  stallLimit?: number
}

/** A signed address that was found right. */
interface Access extends Address {
  grant: Grant
}

const refusals = {
  412: new MediaError('precondition_failed', 'a condition of the request does not hold'),
  416: new MediaError('range_not_satisfiable', 'the range lies outside the file'),
}

/** Characters of addresses remembered as right: verifying one costs more than all the rest of a small reply. */
const rememberedAddresses = 8 * 1024 * 1024

/** The embedded CDN: verifies signatures as CloudFront does and delivers outputs straight from the object store. */
export function openEdge(options: EdgeOptions): Edge {
  const { objects, bucket, clock, log, verifier, basePath, publicBaseUrl, problemOf, isDeleted } = options
  const { addressOf = (request: Request) => request.socket.remoteAddress } = options
  const {
    memoryBytes = 64 * 1024 * 1024,
    stallLimit = 60_000,
    storage,
    corsOrigins = [],
    onServed,
    onOriginError,
  } = options
  const kept = storage && !hasLocalFiles(objects) ? openKeptObjects({ objects, storage, clock }) : null
  const accesses = openLru<Access>(rememberedAddresses)
  const small = openSmallFiles({ objects, memoryBytes })
  const presence = openPresence({ clock, objects, isDeleted })
  const sending = openSending({ clock, check: checkPresence })

  function accessOf(target: string, cookie: string | undefined): Access {
    // Signed cookies come with unsigned addresses, and are as much of what was found right.
    const name = cookie?.includes('CloudFront-') ? `${target} ${cookie}` : target
    const known = accesses.get(name)
    if (known) return known
    if (!target.startsWith(`${basePath}/`)) throw new MediaError('not_found', 'not below the base of the edge')
    const address = target.slice(basePath.length)
    const access = { grant: verifier.read(publicBaseUrl + address, cookie), ...readAddress(address, bucket) }
    accesses.set(name, access, name.length)
    return access
  }

  async function checkPresence(access: Access): Promise<void> {
    try {
      await presence.check(access)
    } catch (error) {
      if (codeOf(error) === 'not_found') forget(access.media_id)
      throw error
    }
  }

  function forget(media_id: string): void {
    small.forget(media_id)
    kept?.forget(media_id)
    presence.forget(media_id)
    sending.cut(media_id)
  }

  async function deliver(request: Request, reply: Reply): Promise<void> {
    const { method = '' } = request
    const cors = corsFor(request.headers.origin, corsOrigins)
    if (method === 'OPTIONS') return sendPreflight(reply, cors)
    if (method !== 'GET' && method !== 'HEAD') throw new MediaError('method_not_allowed', `${method} on the edge`)
    const access = accessOf(targetOf(request), request.headers.cookie)
    const { grant, ref, disposition } = access
    checkGrant(grant, { now: clock.now(), ip: grant.ip === undefined ? undefined : addressOf(request) })
    if (!presence.isFresh(access)) await checkPresence(access)
    const known = small.find(ref)
    const found = known ?? (await small.load(ref))
    const answer = answerFor({ method, headers: request.headers }, found.object, disposition)
    if (cors) Object.assign(answer.headers, cors)
    if (answer.status === 412 || answer.status === 416) return refuse(reply, refusals[answer.status], answer.headers)
    if (answer.range && !found.bytes) return await stream(reply, access, { found, answer })
    onServed?.(known ? 'memory' : 'store')
    writeHead(reply, answer.status, answer.headers)
    finish(reply, answer.range ? partOf(found, answer.range) : undefined)
  }

  async function stream(reply: Reply, access: Access, { found, answer }: { found: Found; answer: Answer }) {
    const { range } = answer
    if (!range) return
    const { signal, end } = sending.begin(reply, access, stallLimit)
    try {
      const { ref } = access
      const { size } = found.object
      const source: Source & { from?: ServedFrom } = await (kept
        ? kept.open({ ref, size, range, signal })
        : openSource({ objects, ref, range, signal }))
      onServed?.(source.from ?? 'store')
      await sendSource(reply, answer, source)
    } finally {
      end()
    }
  }

  /** To the reader while nothing was sent; later a reply can only be cut. */
  function refuse(reply: Reply, error: unknown, headers: Answer['headers'] = {}): void {
    if (codeOf(error) === 'interrupted') return cutReply(reply)
    const problem = problemOf(error)
    if (problem.status >= 500) {
      onOriginError?.()
      log.error({ error }, 'the edge could not deliver')
    }
    if (reply.headersSent) return cutReply(reply)
    sendProblem(reply, problem, { ...headers, ...corsFor(reply.req.headers.origin, corsOrigins) })
  }

  return {
    forget,
    close: () => sending.close(),
    handle: answering(deliver, refuse),
  }
}

/** As it came in, without the origin of a proxy's absolute form: what is signed is compared byte by byte. */
function targetOf({ url = '' }: Request): string {
  return url.startsWith('/') ? url : url.replace(/^https?:\/\/[^/]*/i, '')
}

function partOf({ bytes }: Found, { start, end }: ByteRange): Buffer {
  if (!bytes) throw new MediaError('internal', 'a large file has no bytes in memory')
  return end - start + 1 === bytes.length ? bytes : bytes.subarray(start, end + 1)
}
