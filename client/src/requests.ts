import { type Answer, refusalOf, ServiceUnreachable } from './errors.ts'
import { chooseTransport, type Fetch, type Sending } from './transport.ts'

export interface ClientOptions {
  /** Where the service is, e.g. `https://media.example.com`; empty for the page's own origin. */
  baseUrl: string
  /** Sent as `Authorization: Bearer`; a function is asked for each request, and once more after a 401. */
  token?: string | (() => string | Promise<string>) | undefined
  /** Instead of the global one; uploads use it too, and then report bytes part by part in browsers. */
  fetch?: Fetch | undefined
}

export interface RequestOptions {
  /** Sent as JSON. */
  body?: unknown
  headers?: Record<string, string>
  query?: object
  signal?: AbortSignal | undefined
  /** Milliseconds for the whole answer; none for a stream. */
  timeout?: number
  /** Cookies of the service are sent and kept, in a browser; not when not given. */
  credentials?: 'include'
}

/** The service's API, as requests. All throw MediaServiceError, ServiceUnreachable, or the signal's reason. */
export interface Requests {
  /** Where the service is, without a slash. */
  base: string
  /** The answer's JSON; undefined when it has no body. */
  json<T>(method: string, path: string, options?: RequestOptions): Promise<T>
  /** The answer, its body unread. */
  open(method: string, path: string, options?: RequestOptions): Promise<Response>
  /** A large body to an address of the service's own, with the credential; the answer's JSON. */
  send<T>(path: string, sending: Omit<Sending, 'url'>): Promise<T>
  /** A large body to a signed address, without it. */
  put(sending: Omit<Sending, 'method'>): Promise<Answer>
  /** A signed address, read without credential. */
  read(url: string, signal: AbortSignal | undefined): Promise<Response>
}

const answerTime = 60_000

export function openRequests({ baseUrl, token, fetch: given }: ClientOptions): Requests {
  const base = checkBase(baseUrl)
  const fetch: Fetch = given ?? ((...request) => globalThis.fetch(...request))
  const transport = chooseTransport(given, fetch)

  async function credential(): Promise<Record<string, string>> {
    const value = typeof token === 'function' ? await token() : token
    return value ? { authorization: `Bearer ${value}` } : {}
  }

  /** Once more with a fresh token, where tokens can be had. */
  async function withCredential<T extends { status: number }>(send: (headers: Record<string, string>) => Promise<T>) {
    const answer = await send(await credential())
    if (answer.status !== 401 || typeof token !== 'function') return answer
    // An answer that nobody reads holds its connection.
    if (answer instanceof Response) await answer.body?.cancel()
    return await send(await credential())
  }

  async function open(method: string, path: string, options: RequestOptions = {}) {
    const { body, headers, query, signal, credentials: cookies } = options
    const url = `${base}${path}${queryOf(query)}`
    const json = body === undefined ? {} : { 'content-type': 'application/json' }
    const response = await withCredential(
      async (credentials) =>
        await reach(url, signal, () =>
          fetch(url, {
            method,
            headers: { accept: 'application/json', ...json, ...credentials, ...headers },
            body: body === undefined ? null : JSON.stringify(body),
            signal: signal ?? null,
            ...(cookies ? { credentials: cookies } : {}),
          }),
        ),
    )
    if (!response.ok) throw await refusal(response, signal)
    return response
  }

  async function json<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const { timeout = answerTime, signal } = options
    return await timed({ timeout, signal, url: base }, async (within) => {
      const response = await open(method, path, { ...options, signal: within })
      if (response.status === 204) return undefined as T
      return await reach(response.url, within, async () => (await response.json()) as T)
    })
  }

  async function send<T>(path: string, sending: Omit<Sending, 'url'>): Promise<T> {
    const url = `${base}${path}`
    const attempt = async (credentials: Record<string, string>) => {
      const headers = { accept: 'application/json', ...credentials, ...sending.headers }
      return await transport({ ...sending, url, headers })
    }
    const { text } = accepted(await withCredential(attempt))
    return await reach(url, sending.signal, async () => JSON.parse(text) as T)
  }

  return {
    base,
    open,
    json,
    send,
    put: async (sending) => accepted(await transport({ ...sending, method: 'PUT' })),
    read: async (url, signal) => {
      const response = await reach(url, signal, () => fetch(url, { signal: signal ?? null }))
      if (!response.ok) throw await refusal(response, signal)
      return response
    },
  }
}

/** @throws TypeError */
function checkBase(baseUrl: string): string {
  const base = baseUrl.replace(/\/+$/, '')
  if (base === '' && 'location' in globalThis) return base
  if (/^https?:\/\/[^/?#]+[^?#]*$/i.test(base)) return base
  throw new TypeError(`baseUrl must be the address of the service, like https://media.example.com; it is "${baseUrl}".`)
}

function queryOf(query: object = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null)
  return given.length
    ? `?${new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)]))}`
    : ''
}

function accepted(answer: Answer): Answer {
  if (answer.status >= 200 && answer.status < 300) return answer
  throw refusalOf(answer)
}

async function refusal(response: Response, signal: AbortSignal | undefined) {
  const text = await reach(response.url, signal, () => response.text())
  return refusalOf({ status: response.status, header: (name) => response.headers.get(name), text })
}

/** Says in our words that no answer came. */
async function reach<T>(url: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    signal?.throwIfAborted()
    throw new ServiceUnreachable(url, cause)
  }
}

interface Timed {
  timeout: number
  signal: AbortSignal | undefined
  url: string
}

async function timed<T>({ timeout, signal, url }: Timed, work: (within: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController()
  const end = () => stop.abort(signal?.reason)
  const late = () => stop.abort(new ServiceUnreachable(url, new Error(`no answer within ${timeout} ms`)))
  const timer = setTimeout(late, timeout)
  signal?.addEventListener('abort', end)
  if (signal?.aborted) end()
  try {
    return await work(stop.signal)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', end)
  }
}
