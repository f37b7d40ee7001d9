import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { isIP } from 'node:net'
import { isInternal, publicLookup } from '../media/internal.ts'

/** What a receiver said; `status` is null when it said nothing. */
export interface Answer {
  status: number | null
  /** For an operator; null when it took it. */
  error: string | null
  retryAfter: string | null
}

export interface Poster {
  /** Posts JSON and resolves with the answer, whatever it is. Follows no redirect. */
  post(url: URL, message: { headers: Record<string, string>; body: string; signal: AbortSignal }): Promise<Answer>
  close(): void
}

/** From the first byte to the answer's head. Milliseconds. */
const answerTime = 15_000
/** Of an answer, which nobody reads: what is more costs its connection. */
const answerBytes = 4 * 1024
const answerRestTime = 1_000
const setting = 'WEBHOOKS_ALLOW_INTERNAL'

export function openPoster({ mayBeInternal }: { mayBeInternal: boolean }): Poster {
  const options = { keepAlive: true, timeout: 60_000, ...(mayBeInternal ? {} : { lookup: publicLookup(setting) }) }
  const agents = { 'http:': new HttpAgent(options), 'https:': new HttpsAgent(options) }

  async function once(url: URL, message: Parameters<Poster['post']>[1]): Promise<Answer | 'again'> {
    const host = url.hostname.replace(/^\[|\]$/g, '')
    if (!mayBeInternal && isIP(host) && isInternal(host)) {
      return nothing(`${host} is an internal address; see ${setting}`)
    }
    const late = AbortSignal.timeout(answerTime)
    const secure = url.protocol === 'https:'
    const request = (secure ? requestHttps : requestHttp)(url, {
      method: 'POST',
      headers: { ...message.headers, 'content-length': Buffer.byteLength(message.body) },
      agent: agents[secure ? 'https:' : 'http:'],
      signal: AbortSignal.any([message.signal, late]),
    })
    try {
      return await answerOf(request, message.body)
    } catch (error) {
      if (message.signal.aborted) return nothing('cut off when the service stopped')
      if (late.aborted) return nothing(`no answer within ${answerTime / 1_000} s`)
      // A connection that was kept may have ended just now.
      if (request.reusedSocket && (error as NodeJS.ErrnoException).code === 'ECONNRESET') return 'again'
      return nothing(wordsOf(error))
    }
  }

  return {
    post: async (url, message) => {
      for (let tries = 0; ; tries++) {
        const answer = await once(url, message)
        if (answer !== 'again') return answer
        if (tries === 3) return nothing('the connection was reset')
      }
    },
    close: () => {
      for (const agent of Object.values(agents)) agent.destroy()
    },
  }
}

async function answerOf(request: ClientRequest, body: string): Promise<Answer> {
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve)
    request.on('error', reject)
  })
  request.end(body)
  const answer = await answered
  const { statusCode = 0, headers } = answer
  leaveRest(answer)
  const taken = statusCode >= 200 && statusCode < 300
  return {
    status: statusCode,
    error: taken ? null : `answered ${statusCode}`,
    retryAfter: headers['retry-after'] ?? null,
  }
}

/** Lets a short rest of an answer come, so that its connection can be used again. */
function leaveRest(answer: IncomingMessage): void {
  let bytes = 0
  const timer = setTimeout(() => answer.destroy(), answerRestTime)
  answer.on('data', ({ length }: Buffer) => {
    bytes += length
    if (bytes > answerBytes) answer.destroy()
  })
  answer.on('error', () => {})
  answer.once('close', () => clearTimeout(timer))
}

function nothing(error: string): Answer {
  return { status: null, error, retryAfter: null }
}

function wordsOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  const text = message || (code ?? 'the connection failed')
  return text.slice(0, 500)
}
