import type { IncomingMessage } from 'node:http'
import type { Clock } from '../../media/clock.ts'
import { codeOf, MediaError } from '../../media/errors.ts'
import type { Log } from '../../media/log.ts'
import type { ServedFrom } from '../../media/measured.ts'
import { cutReply, type Reply, type Request } from '../stream.ts'
import { type Directives, directivesOf } from './directives.ts'
import { endToEnd, type Fields, fieldsOf, valueOf, without } from './fields.ts'
import type { Origin, OriginResponse } from './origin.ts'
import { fieldsToStore, isStorable, matchesVary, servesOnError, updatedFields, useOf, varyOf } from './rules.ts'
import { sendEntry, sendGatewayProblem, sendResponse } from './send.ts'
import type { Entry, Storage } from './storage.ts'

/** A shared HTTP cache in front of an origin. https://www.rfc-editor.org/rfc/rfc9111 */
export interface SharedCache {
  /** Resolves when it has answered or the reader has gone; never rejects. */
  handle(request: Request, reply: Reply): Promise<void>
  close(): Promise<void>
}

export interface SharedCacheOptions {
  storage: Storage
  origin: Origin
  clock: Clock
  log: Log
  /** Told where each reply came from; must not throw. */
  onServed?: ((from: ServedFrom) => void) | undefined
  /** Told when the origin failed, or gave no answer; must not throw. */
  onOriginError?: (() => void) | undefined
}

/** What a reader asks. */
interface Asked {
  method: string
  target: string
  /** Without those of the connection. */
  fields: Fields
  directives: Directives
  signal: AbortSignal
}

/** What there is to answer with; `how` is told in `Cache-Status`. */
type Obtained = { how: string } & ({ entry: Entry } | { response: OriginResponse })

/** What a reader holds already, or wants a part of: the origin is asked without, for all. */
const conditions = ['if-none-match', 'if-modified-since', 'if-match', 'if-unmodified-since', 'if-range', 'range']
const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

export function openSharedCache(options: SharedCacheOptions): SharedCache {
  const { storage, clock, log, onServed, onOriginError } = options
  const origin = watched(options.origin, onOriginError)
  const underWay = new Map<string, Promise<Obtained>>()
  /** How often a key was invalidated while somebody fetched it: what was asked for before is not kept. */
  const invalidated = new Map<string, number>()
  const closed = new AbortController()

  function select({ target, fields }: Asked): Entry | undefined {
    return storage.find(target).find((entry) => matchesVary(entry.vary, fields))
  }

  /** Asks the origin for all who want the same. */
  async function fetch(asked: Asked, stale: Entry | undefined): Promise<Obtained> {
    const generation = invalidated.get(asked.target) ?? 0
    const requested_at = clock.now()
    const fields = [...without(asked.fields, ...conditions), ...conditionsOf(stale)]
    const response = await origin
      .fetch({ method: 'GET', target: asked.target, fields: withVia(fields), signal: closed.signal })
      .catch((error) => {
        if (!stale || !servesOnError(stale, clock.now())) throw error
        log.warn({ error }, 'the origin is out of order; what is stale is served')
        return null
      })
    if (response === null) return { entry: stale as Entry, how: 'hit; detail=stale-if-error' }
    const timed = { status: response.status, fields: response.fields, requested_at, responded_at: clock.now() }
    if (stale && response.status === 304) {
      response.discard()
      storage.refresh(stale, { ...timed, fields: updatedFields(stale.fields, response.fields) })
      return { entry: stale, how: 'hit; fwd=stale; fwd-status=304' }
    }
    if (stale && response.status >= 500 && servesOnError(stale, clock.now())) {
      response.discard()
      return { entry: stale, how: `hit; fwd=stale; fwd-status=${response.status}` }
    }
    const how = `fwd=${stale ? 'stale' : 'miss'}; fwd-status=${response.status}`
    const vary = varyOf(asked.fields, response.fields)
    const unchanged = (invalidated.get(asked.target) ?? 0) === generation
    if (vary === null || !unchanged || !isStorable(asked.fields, timed)) {
      if (stale && response.status < 500) storage.remove(stale)
      return { response, how }
    }
    const size = hasBody(response.status) ? lengthOf(response.fields) : 0
    const given = { ...timed, fields: fieldsToStore(response.fields), key: asked.target, vary, size }
    return { entry: storage.keep(given, response.body, stale ?? select(asked)), how: `${how}; stored` }
  }

  /** One asks; the others wait for the head of the answer, and follow its bytes when they are for them too. */
  async function fetchOnce(asked: Asked, stale: Entry | undefined): Promise<Obtained> {
    const name = `${stale?.id ?? ''} ${asked.target}`
    const before = underWay.get(name)
    if (before) {
      const obtained = await before.catch(() => null)
      if (obtained && 'entry' in obtained && matchesVary(obtained.entry.vary, asked.fields)) {
        return { entry: obtained.entry, how: 'hit; collapsed' }
      }
      return await fetch(asked, stale)
    }
    const mine = fetch(asked, stale).finally(() => underWay.delete(name))
    underWay.set(name, mine)
    return await mine
  }

  /** Straight from the origin, as it was asked. */
  async function pass(asked: Asked, why: string, body?: IncomingMessage): Promise<Obtained> {
    const { method, target, signal } = asked
    const response = await origin.fetch({ method, target, fields: withVia(asked.fields), body, signal })
    return { response, how: `fwd=${why}; fwd-status=${response.status}` }
  }

  async function obtain(asked: Asked): Promise<Obtained> {
    const entry = select(asked)
    const use = entry && useOf(entry, asked.directives, clock.now())
    if (entry && use === 'fresh') return { entry, how: 'hit' }
    if (entry && use === 'while_revalidating') {
      fetchOnce(asked, entry).then(letGo, (error) => log.warn({ error }, 'the edge could not revalidate'))
      return { entry, how: 'hit; detail=stale-while-revalidate' }
    }
    if (asked.directives.has('only-if-cached')) throw new MediaError('unavailable', 'not in the cache')
    if (asked.method === 'HEAD') return await pass(asked, entry ? 'stale' : 'miss')
    const conditional = conditions.some((name) => valueOf(asked.fields, name) !== undefined)
    if (!entry && conditional) return await pass(asked, 'uri-miss')
    return await fetchOnce(asked, entry)
  }

  /** A change at the origin: what was kept of it, and of what it names, is no more. */
  function invalidate(asked: Asked, { status, fields }: OriginResponse): void {
    if (status < 200 || status > 399) return
    const here = new URL(asked.target, `http://${valueOf(asked.fields, 'host') ?? 'edge'}`)
    const named = ['location', 'content-location'].map((name) => valueOf(fields, name))
    for (const address of [asked.target, ...named]) {
      if (address === undefined || !URL.canParse(address, here)) continue
      const url = new URL(address, here)
      if (url.host !== here.host) continue
      const key = url.pathname + url.search
      invalidated.set(key, (invalidated.get(key) ?? 0) + 1)
      storage.drop(key)
    }
    // Only what is being fetched now has to know.
    if (underWay.size === 0) invalidated.clear()
  }

  async function answer(request: Request, reply: Reply, signal: AbortSignal): Promise<void> {
    const asked = askedOf(request, signal)
    if (asked.method === 'GET' || asked.method === 'HEAD') {
      const obtained = await obtain(asked)
      return await sendObtained(reply, asked, obtained)
    }
    const unsafe = !safeMethods.has(asked.method)
    const obtained = await pass(asked, 'method', request as IncomingMessage)
    if (unsafe && 'response' in obtained) invalidate(asked, obtained.response)
    await sendObtained(reply, asked, obtained)
  }

  async function sendObtained(reply: Reply, asked: Asked, { how, ...what }: Obtained): Promise<void> {
    const status = `edge; ${how}`
    onServed?.(how.startsWith('hit') ? 'disk' : 'store')
    if ('entry' in what) await sendEntry({ ...asked, reply, storage, entry: what.entry, now: clock.now(), status })
    else await sendResponse({ ...asked, reply, response: what.response, status })
  }

  function refuse(reply: Reply, error: unknown, signal: AbortSignal): void {
    if (reply.headersSent || signal.aborted) return cutReply(reply)
    log.warn({ error }, 'the edge has no answer')
    sendGatewayProblem(reply, codeOf(error))
  }

  return {
    handle: async (request, reply) => {
      const gone = new AbortController()
      const signal = AbortSignal.any([gone.signal, closed.signal])
      reply.on('error', () => {})
      reply.once('close', () => gone.abort(new MediaError('interrupted', 'the reader has gone')))
      try {
        await answer(request, reply, signal)
      } catch (error) {
        refuse(reply, error, signal)
      }
    },
    close: async () => {
      closed.abort(new MediaError('interrupted', 'the edge is closing'))
      origin.close()
      await storage.close()
    },
  }
}

/** Tells of what fails: no answer that is not the reader's own doing, and answers of 5xx. */
function watched(origin: Origin, onError: (() => void) | undefined): Origin {
  if (!onError) return origin
  return {
    ...origin,
    fetch: async (question) => {
      try {
        const response = await origin.fetch(question)
        if (response.status >= 500) onError()
        return response
      } catch (error) {
        if (!question.signal.aborted) onError()
        throw error
      }
    },
  }
}

function askedOf(request: Request, signal: AbortSignal): Asked {
  const { method = 'GET', url = '/' } = request
  const target = url.startsWith('/') ? url : url.replace(/^https?:\/\/[^/]*/i, '') || '/'
  const all = fieldsOf(request.rawHeaders)
  const directives = directivesOf(all)
  // https://www.rfc-editor.org/rfc/rfc9111#section-5.4
  const pragma = directives.size === 0 && /no-cache/i.test(valueOf(all, 'pragma') ?? '')
  return {
    method,
    target,
    fields: endToEnd(all),
    directives: pragma ? new Map([['no-cache', null]]) : directives,
    signal,
  }
}

/** What the origin is asked whether it still holds. */
function conditionsOf(stale: Entry | undefined): Fields {
  if (!stale) return []
  const [etag, modified] = [valueOf(stale.fields, 'etag'), valueOf(stale.fields, 'last-modified')]
  return [
    ...(etag === undefined ? [] : [['if-none-match', etag] as const]),
    ...(modified === undefined ? [] : [['if-modified-since', modified] as const]),
  ]
}

function withVia(fields: Fields): Fields {
  const before = valueOf(fields, 'via')
  return [...without(fields, 'via', 'host'), ['via', before === undefined ? '1.1 edge' : `${before}, 1.1 edge`]]
}

function lengthOf(fields: Fields): number | null {
  const length = valueOf(fields, 'content-length')
  return length !== undefined && /^\d+$/.test(length) ? Number(length) : null
}

function hasBody(status: number): boolean {
  return status !== 204 && status !== 304
}

function letGo(obtained: Obtained): void {
  if ('response' in obtained) obtained.response.discard()
}
