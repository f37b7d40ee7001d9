import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { isInternal, publicLookup } from '../../media/internal.ts'

export interface Post {
  url: URL
  headers: Record<string, string>
  /** Holds the value of `Authorization`; read at each call, so that it may change. */
  authorizationFile: string | undefined
  /** For each try, from its first byte to its last. */
  seconds: number
  mayBeInternal: boolean
  /** Of the file. */
  maxBytes: number
  answerLimit: number
  signal: AbortSignal
}

const tries = 3
const pauseMs = 1_000

/** An answer that another try may better. */
class Passing extends Error {}

/** Posts a file and resolves with the answer's text. Follows no redirect. @throws Error */
export async function postFile(path: string, post: Post): Promise<string> {
  const { size } = await stat(path)
  if (size > post.maxBytes) throw new Error(`${size} bytes are more than the step's max_bytes`)
  const host = post.url.hostname.replace(/^\[|\]$/g, '')
  if (!post.mayBeInternal && isIP(host) && isInternal(host)) throw new Error(`${host} is an internal address`)
  for (let tried = 1; ; tried++) {
    const late = AbortSignal.timeout(post.seconds * 1000)
    try {
      return await postOnce(path, size, post, late)
    } catch (error) {
      if (late.aborted) throw new Error(`the server took longer than ${post.seconds} s`, { cause: error })
      const passing = error instanceof Passing || isNetwork(error)
      if (post.signal.aborted || !passing || tried === tries) throw error
      await sleep(pauseMs * 2 ** (tried - 1), undefined, { signal: post.signal })
    }
  }
}

function isNetwork(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  return ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EAI_AGAIN', 'EHOSTUNREACH'].includes(code)
}

async function postOnce(path: string, size: number, post: Post, late: AbortSignal): Promise<string> {
  const { url, headers, authorizationFile, mayBeInternal, answerLimit } = post
  const signal = AbortSignal.any([post.signal, late])
  const authorization = authorizationFile && (await readFile(authorizationFile, 'utf8')).trim()
  const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
    method: 'POST',
    headers: { ...headers, 'content-length': size, ...(authorization ? { authorization } : {}) },
    signal,
    agent: false,
    ...(mayBeInternal ? {} : { lookup: publicLookup('allow_internal') }),
  })
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve)
    request.once('error', reject)
  })
  answered.catch(() => {})
  // A server may answer before it has all; what it says then counts.
  const sent = pipeline(createReadStream(path), request).catch(() => {})
  const answer = await answered
  const { statusCode = 0 } = answer
  const text = await readText(answer, answerLimit)
  request.destroy()
  await sent
  if (statusCode >= 500 || statusCode === 429) throw new Passing(`the server answered ${statusCode}`)
  if (statusCode !== 200) throw new Error(`the server answered ${statusCode}`)
  return text
}

async function readText(answer: IncomingMessage, limit: number): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > limit) throw new Error(`the server answered more than ${limit} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
