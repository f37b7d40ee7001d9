import type { Problem } from './contract.ts'

/** What this package throws. Decide by `code`: it stays; `message` is for people. */
export class MediaClientError extends Error {
  override name = 'MediaClientError'
  readonly code: string

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** The service, or its object store, answered with a refusal. */
export class MediaServiceError extends MediaClientError {
  override name = 'MediaServiceError'
  readonly status: number
  /** What happened this time, and what to do. */
  readonly detail: string
  /** Names the request in the service's log. */
  readonly request_id: string | null
  /** Milliseconds after which to come back, when the service says so. */
  readonly retry_after: number | null

  constructor(status: number, problem: Pick<Problem, 'code' | 'title' | 'detail'>, more: Partial<RefusalDetails> = {}) {
    super(problem.code, `${problem.title}: ${problem.detail}`)
    this.status = status
    this.detail = problem.detail
    this.request_id = more.request_id ?? null
    this.retry_after = more.retry_after ?? null
  }
}

interface RefusalDetails {
  request_id: string | null
  retry_after: number | null
}

/** No answer came: no network, no service, or the connection broke. */
export class ServiceUnreachable extends MediaClientError {
  override name = 'ServiceUnreachable'

  constructor(url: string, cause: unknown) {
    super('unreachable', `No answer from ${originOf(url)}. Check the connection and try again.`, { cause })
  }
}

/** The caller's signal ended the upload. */
export class UploadAborted extends MediaClientError {
  // What callers of `fetch` look for.
  override name = 'AbortError'
  /** The upload that can be gone on with; null when there is none. */
  readonly media_id: string | null

  constructor(media_id: string | null, cause: unknown) {
    const next = media_id ? 'Upload the same file again to go on where it ended.' : 'Nothing of it is kept.'
    super('aborted', `The upload was cancelled. ${next}`, { cause })
    this.media_id = media_id
  }
}

/** The file is not the one that the upload began with, or cannot be read any more. */
export class SourceChanged extends MediaClientError {
  override name = 'SourceChanged'

  constructor(cause?: unknown) {
    super(
      'source_changed',
      'The file changed, or became unreadable, while it was being uploaded. Choose it again.',
      cause === undefined ? {} : { cause },
    )
  }
}

export interface Answer {
  status: number
  /** A header of the answer; null when there is none, or when the browser may not read it. */
  header(name: string): string | null
  text: string
}

/** A refusal as an error: the service's own problems, S3's XML, or whatever a proxy in between says. */
export function refusalOf({ status, header, text }: Answer): MediaServiceError {
  const retry_after = retryAfterOf(header('retry-after'))
  const problem = problemIn(text)
  if (problem) return new MediaServiceError(status, problem, { request_id: problem.request_id, retry_after })
  const [, code] = /<Code>([^<]+)<\/Code>/.exec(text) ?? []
  const [, detail] = /<Message>([^<]+)<\/Message>/.exec(text) ?? []
  const title = `Status ${status}`
  return new MediaServiceError(
    status,
    { code: code ?? `http_${status}`, title, detail: detail ?? 'The request was refused.' },
    { request_id: header('x-request-id') ?? header('x-amz-request-id'), retry_after },
  )
}

function problemIn(text: string): Problem | null {
  try {
    const value = JSON.parse(text)
    return typeof value?.code === 'string' && typeof value.detail === 'string' ? value : null
  } catch {
    return null
  }
}

/** Seconds or a date, as milliseconds from now. */
function retryAfterOf(value: string | null): number | null {
  if (value === null) return null
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now()
  return Number.isFinite(ms) ? Math.max(0, ms) : null
}

/** Addresses are signed: their query belongs in no message. */
function originOf(url: string): string {
  return /^[a-z]+:\/\/[^/?#]+/i.exec(url)?.[0] ?? 'the service'
}

export function codeOf(error: unknown): string | null {
  return error instanceof MediaClientError ? error.code : null
}
