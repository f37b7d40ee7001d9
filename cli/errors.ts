import { MediaClientError, MediaServiceError, ServiceUnreachable } from '../client/src/errors.ts'
import { exitCodes } from './exit-codes.ts'

/** What goes wrong on this side: what happened, and what to do about it. */
export class CliError extends Error {
  readonly code: string
  readonly exit: number
  readonly hint: string | undefined

  constructor(message: string, { code = 'usage', exit = exitCodes.usage as number, hint = '' } = {}) {
    super(message)
    this.code = code
    this.exit = exit
    this.hint = hint || undefined
  }
}

/** A signal ended it. */
export class Interrupted extends CliError {
  constructor(signal: 'SIGINT' | 'SIGTERM') {
    super('Stopped.', { code: 'interrupted', exit: signal === 'SIGINT' ? exitCodes.interrupted : exitCodes.terminated })
  }
}

export interface Explanation {
  code: string
  message: string
  hint?: string
  exit: number
}

/** Any error as words for who typed the command. @param url where the service was looked for */
export function explain(error: unknown, url: string): Explanation {
  if (error instanceof CliError) {
    return { code: error.code, message: error.message, ...(error.hint && { hint: error.hint }), exit: error.exit }
  }
  if (error instanceof ServiceUnreachable) return explainSilence(error, url)
  if (error instanceof MediaServiceError) return explainRefusal(error, url)
  if (error instanceof MediaClientError) return { code: error.code, message: error.message, exit: exitCodes.failed }
  const { code, message } = error as NodeJS.ErrnoException
  const exit = code === 'ENOENT' ? exitCodes.notFound : exitCodes.failed
  return { code: code ?? 'internal', message: message ?? String(error), exit }
}

const certificateCodes = /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_TLS_)/

function explainSilence(error: ServiceUnreachable, url: string): Explanation {
  const reason = reasonOf(error)
  const common = { code: error.code, exit: exitCodes.unreachable }
  if (certificateCodes.test(reason)) {
    return {
      ...common,
      message: `${url} shows a certificate that is not trusted (${reason}).`,
      hint: 'Name the authority that signed it: NODE_EXTRA_CA_CERTS=ca.pem media …',
    }
  }
  return {
    ...common,
    message: `No answer from ${url}${reason ? ` (${reason})` : ''}.`,
    hint: 'Is the service running there? `media serve` starts one here; --url or MEDIA_URL says where another is.',
  }
}

/** The system's own code, wherever in the chain of causes it stands. */
function reasonOf(error: unknown): string {
  for (let one = error; one instanceof Error; one = one.cause) {
    const { code } = one as NodeJS.ErrnoException
    if (code && !(one instanceof ServiceUnreachable)) return code
    const [first] = (one as AggregateError).errors ?? []
    if ((first as NodeJS.ErrnoException)?.code) return String(first.code)
  }
  return ''
}

function explainRefusal({ status, code, detail, request_id }: MediaServiceError, url: string): Explanation {
  const told = { code, message: detail }
  if (code === `http_${status}`) {
    const message = `${url} answered ${status}, and not as the Media Service does.`
    return { code, message, hint: 'Check --url or MEDIA_URL.', exit: exitCodes.failed }
  }
  if (status === 401) {
    const hint = 'Give a token by --token-file or MEDIA_TOKEN; who runs the service hands them out.'
    return { ...told, hint, exit: exitCodes.refused }
  }
  if (status === 403) return { ...told, exit: exitCodes.refused }
  if (code === 'rendition_not_found') {
    return { ...told, hint: '`media show` lists what there is.', exit: exitCodes.notFound }
  }
  if (code === 'not_found') {
    const message = 'There is no such media, or it is not yours.'
    return { code, message, hint: '`media list` shows what you have.', exit: exitCodes.notFound }
  }
  if (status === 404) return { ...told, hint: '`media list` shows what you have.', exit: exitCodes.notFound }
  const hint = status >= 500 && request_id ? { hint: `The service's log says more, under ${request_id}.` } : {}
  return { ...told, ...hint, exit: exitCodes.failed }
}
