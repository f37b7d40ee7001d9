import { type ClientRequest, type IncomingMessage, Agent as PlainAgent, request as plainRequest } from 'node:http'
import { Agent as SecureAgent, request as secureRequest } from 'node:https'
import { MediaError } from '../../media/errors.ts'
import { type Fields, fieldsOf, headersOf } from './fields.ts'

/** Where what is not in the cache comes from. */
export interface Origin {
  /** Resolves when the head of the response is there. @throws MediaError `unavailable` when there is none. */
  fetch(request: OriginRequest): Promise<OriginResponse>
  close(): void
}

export interface OriginRequest {
  method: string
  /** Path and query. */
  target: string
  /** Without those of the connection. */
  fields: Fields
  /** The sender's bytes, streamed. */
  body?: IncomingMessage | undefined
  signal: AbortSignal
}

export interface OriginResponse {
  status: number
  fields: Fields
  /** To be read to its end or returned early. */
  body: AsyncIterable<Uint8Array>
  /** Lets go of a body that nobody reads. */
  discard(): void
}

const socketLimit = 256
/** Of a connection that says nothing. */
const silenceMs = 60_000

/** An origin behind HTTP. @param base `http://127.0.0.1:8000`, without a path */
export function openHttpOrigin(base: string): Origin {
  const { protocol, hostname, port, host } = new URL(base)
  const secure = protocol === 'https:'
  const agentOptions = { keepAlive: true, maxSockets: socketLimit }
  const agent = secure ? new SecureAgent(agentOptions) : new PlainAgent(agentOptions)

  function send({ method, target, fields, body, signal }: OriginRequest): ClientRequest {
    const headers = { ...headersOf(fields), host }
    const options = { agent, hostname: hostname.replace(/^\[|\]$/g, ''), port, method, path: target, headers, signal }
    const sent = secure ? secureRequest(options) : plainRequest(options)
    sent.setTimeout(silenceMs, () => sent.destroy(new Error(`the origin was silent for ${silenceMs / 1_000} s`)))
    if (body) body.pipe(sent)
    else sent.end()
    return sent
  }

  async function attempt(request: OriginRequest): Promise<OriginResponse> {
    const sent = send(request)
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        sent.once('response', resolve)
        sent.once('error', reject)
      })
      sent.on('error', () => {}) // told by the body
      return {
        status: response.statusCode ?? 0,
        fields: fieldsOf(response.rawHeaders),
        body: response,
        discard: () => void response.destroy(),
      }
    } catch (error) {
      // It may have closed a kept connection in the moment it was used again, without seeing anything of this.
      const { code } = error as NodeJS.ErrnoException
      const unseen = sent.reusedSocket && (code === 'ECONNRESET' || code === 'EPIPE')
      if (unseen && !request.body && !request.signal.aborted) return await attempt(request)
      throw error
    }
  }

  return {
    fetch: async (request) => {
      try {
        return await attempt(request)
      } catch (cause) {
        request.signal.throwIfAborted()
        throw new MediaError('unavailable', `the origin ${base} did not answer`, { cause })
      }
    },
    close: () => agent.destroy(),
  }
}
