import { isIP } from 'node:net'
import type { Clock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import { type Caller, type FindKey, readKeys } from './keys.ts'
import type { HttpSettings } from './settings.ts'
import { openTokens, type VerifyToken } from './tokens.ts'

export type { Caller } from './keys.ts'

/** Whose machine it is: without configuration, everyone who can reach loopback. */
export const localCaller: Caller = { user_id: 'local', operator: true }

/** @throws MediaError `unauthenticated`, or `unavailable` when it cannot be told. */
export type Identify = (authorization: string | undefined) => Promise<Caller>

export function isIdentityConfigured({ jwtSecret, jwksUrl, apiKeysFile }: HttpSettings): boolean {
  return jwtSecret !== undefined || jwksUrl !== undefined || apiKeysFile !== undefined
}

/**
 * Who a request comes from, by its `Authorization` header: an API key, or a JSON Web Token.
 * @throws Error when the file of API keys cannot be read.
 */
export async function openIdentity(settings: HttpSettings, clock: Clock): Promise<Identify> {
  if (!isIdentityConfigured(settings)) return async () => localCaller
  const findKey = settings.apiKeysFile === undefined ? null : await readKeys(settings.apiKeysFile)
  const verifyToken = openTokens(settings, clock)
  return async (authorization) => await identify(authorization, findKey, verifyToken)
}

async function identify(
  authorization: string | undefined,
  findKey: FindKey | null,
  verifyToken: VerifyToken | null,
): Promise<Caller> {
  const bearer = /^bearer +([\x21-\x7e]{1,8192})$/i.exec(authorization ?? '')?.[1]
  if (bearer === undefined) throw new MediaError('unauthenticated', 'no bearer token')
  const known = findKey?.(bearer)
  if (known) return known
  if (!verifyToken) throw new MediaError('unauthenticated', 'unknown API key')
  return await verifyToken(bearer)
}

/** Loopback by name or number; brackets of IPv6 are allowed. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  if (isIP(name) === 4) return name.startsWith('127.')
  return name === 'localhost' || name === '::1' || name === '0:0:0:0:0:0:0:1'
}

/**
 * Without identity, everyone who reaches the service is its owner: so only this machine may.
 * @throws Error when `host` is not loopback and no identity is configured.
 */
export function assertSafeToListen({ host, settings }: { host: string; settings: HttpSettings }): void {
  if (isLoopback(host) || isIdentityConfigured(settings)) return
  throw new Error(
    `HOST is "${host}", which others can reach, and nothing says who they are. ` +
      'Set AUTH_JWT_SECRET, AUTH_JWKS_URL or AUTH_API_KEYS_FILE, or listen on HOST=127.0.0.1. See docs/identity.md.',
  )
}
