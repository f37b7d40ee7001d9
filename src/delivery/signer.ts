import { type KeyObject, sign as signBytes, verify as verifyBytes } from 'node:crypto'
import { MediaError } from '../media/errors.ts'
import { cannedPolicy, customPolicy, fits, type Grant, readPolicy, refusal } from './policy.ts'

/**
 * CloudFront's signed URLs and cookies, both ways: what we sign CloudFront accepts, and we accept what it would.
 * Pure: no clock, no files. RSA-2048 and ECDSA P-256; SHA-1 as CloudFront's default, or SHA-256.
 */

export type Hash = 'SHA1' | 'SHA256'

/** Seconds since the epoch, and with any other field a custom policy instead of the canned one. */
export type SignOptions = { expires: number } & Partial<Omit<Grant, 'expires'>>

export interface Signer {
  readonly keyPairId: string
  /**
   * `url` with its signature, in the order of Amazon's JavaScript SDK. The other parameters of `url` are signed too.
   * @throws MediaError `internal` when `url` is not an absolute one of plain URI characters, or has a signature already.
   */
  signUrl(url: string, options: SignOptions): string
  /**
   * The same as cookies, for players that take no signed addresses: names and values, for `Set-Cookie`.
   * @param resource a URL, or a pattern of URLs, which needs a custom policy: `…/{media_id}/v1/hls/*`.
   * @throws MediaError `internal` when `resource` is not an absolute URL of plain URI characters.
   */
  signCookies(resource: string, options: SignOptions): Record<string, string>
}

export interface Verifier {
  /**
   * What the URL's signature allows, with every parameter in any order; of an unsigned URL what the request's cookies
   * allow. Whether they allow it now is `checkGrant`'s.
   * @param cookie the request's `Cookie` header
   * @throws MediaError `bad_signature` when it is unsigned, altered, or can be read in two ways.
   */
  read(url: string, cookie?: string): Grant
  /**
   * What a custom policy allows that came in the query of another address than those it is for; and its signing
   * parameters alone, to be handed on to those.
   * @throws MediaError `bad_signature` as `read`, and for a canned signature, which is for one address.
   */
  readPolicy(query: string): { grant: Grant; signature: string }
}

/** Taken out of the URL before it is compared with what was signed. */
const signingNames = ['Expires', 'Policy', 'Signature', 'Key-Pair-Id', 'Hash-Algorithm'] as const
type SigningName = (typeof signingNames)[number]
const cookiePrefix = 'CloudFront-'

const hashes: Record<Hash, string> = { SHA1: 'sha1', SHA256: 'sha256' }

/** A private key given as PEM text would be parsed at every signature, which costs more than signing. */
export function openSigner(key: { keyPairId: string; privateKey: KeyObject; hash?: Hash }): Signer {
  const { keyPairId, privateKey, hash = 'SHA1' } = key

  /** What travels with the resource, in the order of Amazon's JavaScript SDK. */
  function termsOf(resource: string, { expires, ...rest }: SignOptions, pattern: boolean): [SigningName, string][] {
    if (!isPlainUrl(resource) || namesSignature(resource)) throw new MediaError('internal', 'not a URL to be signed')
    const isCustom = pattern || Object.values(rest).some((value) => value !== undefined)
    const policy = isCustom ? customPolicy({ resource, ...rest, expires }) : cannedPolicy(resource, expires)
    const signature = toSafe(signBytes(hashes[hash], Buffer.from(policy), privateKey))
    return [
      isCustom ? ['Policy', toSafe(Buffer.from(policy))] : ['Expires', String(expires)],
      ['Key-Pair-Id', keyPairId],
      ['Signature', signature],
      ...(hash === 'SHA256' ? [['Hash-Algorithm', hash] satisfies [SigningName, string]] : []),
    ]
  }

  return {
    keyPairId,
    signUrl(url, options) {
      const terms = termsOf(url, options, false).map(([name, value]) => `${name}=${value}`)
      return `${url}${url.includes('?') ? '&' : '?'}${terms.join('&')}`
    },
    signCookies(resource, options) {
      const terms = termsOf(resource, options, resource.includes('*'))
      return Object.fromEntries(terms.map(([name, value]) => [cookiePrefix + name, value]))
    },
  }
}

/** Several keys at once, by key pair id: a new key is published before the old one goes. */
export function openVerifier(publicKeys: ReadonlyMap<string, KeyObject>): Verifier {
  /** The bytes that were signed. */
  function verified(resource: string, given: Map<SigningName, string>): Buffer {
    const signature = fromSafe(given.get('Signature'))
    const publicKey = publicKeys.get(given.get('Key-Pair-Id') ?? '')
    const hash = hashNamed(given.get('Hash-Algorithm'))
    if (given.size === 0) throw refusal('the address is not signed', 'Ask for one by `GET /api/media/download/…`.')
    if (!signature || !publicKey || !hash) throw refusal('the signature cannot be read')
    const policy = policyOf(resource, given)
    if (!verifyBytes(hash, policy, publicKey, signature)) throw refusal('the signature does not fit the address')
    return policy
  }

  return {
    read(url, cookie) {
      const { resource, given: ofUrl } = takeApart(url)
      const given = ofUrl.size > 0 ? ofUrl : fromCookies(cookie)
      return grantOf(resource, given, verified(resource, given))
    },
    readPolicy(query) {
      const { given } = takeApart(`https://any/?${query}`)
      if (given.has('Expires')) throw refusal('the address is signed for one file alone', 'Ask for one of the whole.')
      const grant = understood(verified('', given))
      return { grant, signature: [...given].map(([name, value]) => `${name}=${value}`).join('&') }
    },
  }
}

/** The URL as it was before it was signed, and the parameters that signing added. */
function takeApart(url: string): { resource: string; given: Map<SigningName, string> } {
  if (!isPlainUrl(url)) throw refusal('the address has characters that no signed address has')
  const given = new Map<SigningName, string>()
  const question = url.indexOf('?')
  if (question < 0) return { resource: url, given }
  const rest: string[] = []
  for (const parameter of url.slice(question + 1).split('&')) {
    const equals = parameter.indexOf('=')
    const name = equals < 0 ? parameter : parameter.slice(0, equals)
    const signingName = signingNames.find((one) => one === name)
    if (!signingName) {
      if (name.includes('%') && signingNames.some((one) => one === decoded(name)))
        throw refusal('a disguised parameter')
      rest.push(parameter)
    } else if (given.has(signingName)) {
      throw refusal(`${signingName} is given twice`)
    } else {
      given.set(signingName, equals < 0 ? '' : parameter.slice(equals + 1))
    }
  }
  const before = url.slice(0, question)
  return { resource: rest.length > 0 ? `${before}?${rest.join('&')}` : before, given }
}

/** What a browser sends back of `signCookies`; cookies of others mean nothing here. */
function fromCookies(header = ''): Map<SigningName, string> {
  const given = new Map<SigningName, string>()
  for (const cookie of header.split(';')) {
    const [name = '', ...value] = cookie.trim().split('=')
    const signingName = signingNames.find((one) => name === cookiePrefix + one)
    if (!signingName) continue
    // Two of one name come from two paths, and nobody can tell which was meant.
    if (given.has(signingName)) throw refusal(`the cookie ${name} is given twice`)
    given.set(signingName, value.join('='))
  }
  return given
}

/** The bytes that must have been signed. */
function policyOf(resource: string, given: Map<SigningName, string>): Buffer {
  const expires = given.get('Expires')
  const policy = given.get('Policy')
  if ((expires === undefined) === (policy === undefined)) throw refusal('needs either Expires or Policy')
  if (expires !== undefined) {
    if (!/^[1-9]\d{0,9}$/.test(expires)) throw refusal('Expires is not a time')
    return Buffer.from(cannedPolicy(resource, Number(expires)))
  }
  const bytes = fromSafe(policy)
  if (!bytes) throw refusal('the policy cannot be read')
  return bytes
}

/** Read only after the signature: nobody but us writes what is parsed here. */
function grantOf(resource: string, given: Map<SigningName, string>, policy: Buffer): Grant {
  const expires = given.get('Expires')
  if (expires !== undefined) return { resource, expires: Number(expires) }
  const grant = understood(policy)
  if (!fits(grant.resource, resource)) throw refusal('the policy is for another address')
  return grant
}

function understood(policy: Buffer): Grant {
  const grant = readPolicy(policy.toString())
  if (!grant) throw refusal('the policy says what we do not understand')
  return grant
}

function hashNamed(name: string | undefined): string | null {
  if (name === undefined) return hashes.SHA1
  return name === 'SHA1' || name === 'SHA256' ? hashes[name] : null
}

/** Nothing in it needs escaping in JSON, so a canned policy can be built by pasting it. A fragment never reaches a server. */
function isPlainUrl(url: string): boolean {
  return /^https?:\/\/[A-Za-z0-9\-._~:/?[\]@!$&'()*+,;=%]+$/.test(url)
}

function namesSignature(url: string): boolean {
  const query = url.slice(url.indexOf('?') + 1 || url.length)
  return query
    .split('&')
    .some((parameter) => signingNames.some((name) => name === decoded(parameter.split('=', 1)[0] ?? '')))
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Base64 as CloudFront writes it in URLs: `-` for `+`, `_` for `=`, `~` for `/`. */
function toSafe(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('+', '-').replaceAll('=', '_').replaceAll('/', '~')
}

/** Null unless it is exactly what `toSafe` writes: a signature has one spelling. */
function fromSafe(text: string | undefined): Buffer | null {
  if (!text || !/^[A-Za-z0-9~-]+_{0,2}$/.test(text)) return null
  const bytes = Buffer.from(text.replaceAll('-', '+').replaceAll('_', '=').replaceAll('~', '/'), 'base64')
  return toSafe(bytes) === text ? bytes : null
}
