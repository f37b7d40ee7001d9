import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose'
import type { Clock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import { type Caller, isUserId } from './keys.ts'
import type { HttpSettings } from './settings.ts'

export type VerifyToken = (token: string) => Promise<Caller>

type Verify = (token: string, options: JWTVerifyOptions) => Promise<{ payload: JWTPayload }>

/** Seconds by which the clocks of issuer and service may differ. */
const tolerance = 5

/** Never HS256 here: a public key is no secret. */
const publicKeyAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
]

/**
 * Verifies JSON Web Tokens by the configured secret, published keys, or both; null when neither is configured.
 * `exp` and `nbf` hold when present. `exp` is not demanded: how long a token lives is its issuer's decision.
 * @throws MediaError `unauthenticated`; `unavailable` when the published keys cannot be fetched.
 */
export function openTokens(settings: HttpSettings, clock: Clock): VerifyToken | null {
  const verifiers = [bySecret(settings.jwtSecret), byPublishedKeys(settings.jwksUrl)].filter((one) => one !== null)
  if (verifiers.length === 0) return null
  const { jwtIssuer: issuer, jwtAudience: audience } = settings
  const claims = { ...(issuer ? { issuer } : {}), ...(audience ? { audience } : {}), requiredClaims: ['sub'] }
  return async (token) => {
    const options = { ...claims, clockTolerance: tolerance, currentDate: new Date(clock.now()) }
    let reason: unknown
    for (const verify of verifiers) {
      try {
        return callerOf((await verify(token, options)).payload)
      } catch (error) {
        // Of two verifiers, the one that could not answer is the one that may be right later.
        if (!isUnavailable(reason)) reason = error
      }
    }
    throw refusal(reason)
  }
}

function bySecret(secret: string | undefined): Verify | null {
  if (secret === undefined) return null
  const key = Buffer.from(secret)
  return async (token, options) => await jwtVerify(token, key, { ...options, algorithms: ['HS256'] })
}

function byPublishedKeys(url: string | undefined): Verify | null {
  if (url === undefined) return null
  const keys = createRemoteJWKSet(new URL(url), { timeoutDuration: 5_000 })
  return async (token, options) => await jwtVerify(token, keys, { ...options, algorithms: publicKeyAlgorithms })
}

function callerOf({ sub, scope }: JWTPayload): Caller {
  if (!isUserId(sub)) throw new MediaError('unauthenticated', 'the sub of a token is no user_id')
  const scopes = Array.isArray(scope) ? scope : typeof scope === 'string' ? scope.split(' ') : []
  return { user_id: sub, operator: scopes.includes('operator') }
}

/** Whether the keys could not be fetched, as opposed to a token they refuse. */
function isUnavailable(error: unknown): boolean {
  if (error === undefined || error instanceof MediaError) return false
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid) return true
  return !(error instanceof errors.JOSEError) || error.code === 'ERR_JOSE_GENERIC'
}

function refusal(reason: unknown): MediaError {
  if (reason instanceof MediaError) return reason
  if (isUnavailable(reason)) {
    const detail = 'Tokens cannot be checked at the moment. Try again.'
    return new MediaError('unavailable', 'the published keys cannot be fetched', { cause: reason, detail })
  }
  const expired = reason instanceof errors.JWTExpired
  return new MediaError('unauthenticated', 'token refused', {
    cause: reason,
    ...(expired ? { detail: 'The token has expired. Sign in again.' } : {}),
  })
}
