import { createHmac, timingSafeEqual } from 'node:crypto'
import { type Clock, isoTime } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import { readSettingFile } from './files.ts'

/**
 * Tokens that let a page upload in its user's name where it can send no header, as an unmodified Uppy: they stand in
 * addresses, so they live for an hour and open nothing but an upload.
 */
export interface UploadTokens {
  /** For the companion's paths: as many uploads as are begun while it lives. */
  issue(user_id: string): { token: string; expires_at: string }
  /** For one form; `form` names it. */
  issueForm(user_id: string, form: string): { token: string; expires: number }
  /** To follow the user's media, which is all it opens. */
  issueTicket(user_id: string): { ticket: string; expires_at: string }
  /** @throws MediaError `unauthenticated` for a token that is none of ours, or of the other kind. */
  verify(token: string, kind: TokenKind): UploadClaims
}

export type TokenKind = 'companion' | 'form' | 'events'

export interface UploadClaims {
  user_id: string
  /** Milliseconds since the epoch, from and until when uploads may begin. */
  from: number
  until: number
  expired: boolean
  /** Empty for the companion's paths. */
  form: string
}

/** Seconds. */
const life = 3_600
/** Characters of a token, at most: a `user_id` has 128 at most. */
export const longestToken = 1_024

/** Bytes of a key, at least. */
const shortestKey = 32

/** @throws Error naming the setting, never the key. */
export async function readUploadKey(path: string): Promise<Buffer> {
  const key = await readSettingFile('AUTH_UPLOAD_KEY_FILE', path)
  if (key.length >= shortestKey) return key
  throw new Error(`AUTH_UPLOAD_KEY_FILE (${path}) has fewer than ${shortestKey} bytes.`)
}

export function openUploadTokens({ key, clock }: { key: Uint8Array; clock: Clock }): UploadTokens {
  const signatureOf = (payload: string) => createHmac('sha256', key).update(`upload token\n${payload}`).digest()

  function issue(kind: TokenKind, user_id: string, form: string) {
    const from = Math.floor(clock.now() / 1_000)
    const payload = Buffer.from(JSON.stringify([kind, user_id, from, from + life, form])).toString('base64url')
    return { token: `${payload}.${signatureOf(payload).toString('base64url')}`, until: from + life }
  }

  return {
    issue: (user_id) => {
      const { token, until } = issue('companion', user_id, '')
      return { token, expires_at: isoTime(until * 1_000) }
    },
    issueTicket: (user_id) => {
      const { token, until } = issue('events', user_id, '')
      return { ticket: token, expires_at: isoTime(until * 1_000) }
    },
    issueForm: (user_id, form) => ({ token: issue('form', user_id, form).token, expires: life }),
    verify: (token, kind) => {
      const [payload = '', signature = '', ...more] = token.slice(0, longestToken + 1).split('.')
      const given = Buffer.from(signature, 'base64url')
      const right = signatureOf(payload)
      const signed = given.length === right.length && timingSafeEqual(given, right)
      if (!signed || more.length > 0 || token.length > longestToken) throw refused('is none of ours')
      const [said, user_id, from, until, form] = JSON.parse(Buffer.from(payload, 'base64url').toString())
      if (said !== kind) throw refused(`is for another address`)
      return { user_id, from: from * 1_000, until: until * 1_000, expired: clock.now() >= until * 1_000, form }
    },
  }
}

/** @throws MediaError `unauthenticated` */
export function assertLive({ expired }: UploadClaims): void {
  if (expired) throw refused('has expired')
}

export function refused(why: string): MediaError {
  return new MediaError('unauthenticated', `an upload token that ${why}`, {
    detail: `The upload token in the address ${why}. Ask for another with POST /api/media/upload/token.`,
  })
}
