import { MediaError } from '../media/errors.ts'

/**
 * CloudFront's policies: who may read what, until when. The text is what is signed, so every byte of it counts.
 * https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-signed-urls.html
 */

/** What a signature allows. Times are seconds since the epoch. */
export interface Grant {
  /** The exact URL, or with a custom policy a pattern: `*` stands for any text, `?` for one character. */
  resource: string
  /** Not from then on. */
  expires: number
  /** Not before then. */
  starts?: number
  /** Only from there: an IPv4 address or network, `192.0.2.0/24`. */
  ip?: string
}

/** The policy that both sides build from the URL itself. `url` is plain ASCII without quotes: see `isPlainUrl`. */
export function cannedPolicy(url: string, expires: number): string {
  return `{"Statement":[{"Resource":"${url}","Condition":{"DateLessThan":{"AWS:EpochTime":${expires}}}}]}`
}

/** The policy that travels in the URL. */
export function customPolicy({ resource, expires, starts, ip }: Grant): string {
  const Condition = {
    DateLessThan: { 'AWS:EpochTime': expires },
    ...(starts === undefined ? {} : { DateGreaterThan: { 'AWS:EpochTime': starts } }),
    ...(ip === undefined ? {} : { IpAddress: { 'AWS:SourceIp': ip.includes('/') ? ip : `${ip}/32` } }),
  }
  return JSON.stringify({ Statement: [{ Resource: resource, Condition }] })
}

/** Reads a custom policy whose signature has been verified; null when it says anything that we do not understand. */
export function readPolicy(text: string): Grant | null {
  const policy = fieldsOf(parse(text), ['Statement'])
  const statements = policy?.Statement
  if (!Array.isArray(statements) || statements.length !== 1) return null
  const statement = fieldsOf(statements[0], ['Resource', 'Condition'])
  const condition = fieldsOf(statement?.Condition, ['DateLessThan', 'DateGreaterThan', 'IpAddress'])
  if (typeof statement?.Resource !== 'string' || !condition) return null
  const expires = epochOf(condition.DateLessThan)
  if (expires === null) return null
  const grant: Grant = { resource: statement.Resource, expires }
  if (condition.DateGreaterThan !== undefined) {
    const starts = epochOf(condition.DateGreaterThan)
    if (starts === null) return null
    grant.starts = starts
  }
  if (condition.IpAddress !== undefined) {
    const ip = fieldsOf(condition.IpAddress, ['AWS:SourceIp'])?.['AWS:SourceIp']
    if (typeof ip !== 'string' || networkOf(ip) === null) return null
    grant.ip = ip
  }
  return grant
}

/** Whether a grant holds for this reader now; asked at every request, also of a URL verified before. */
export function checkGrant(grant: Grant, reader: { now: number; ip?: string | undefined }): void {
  const seconds = reader.now / 1000
  if (seconds >= grant.expires) throw refusal('the address has expired', 'Ask for a fresh one.')
  if (grant.starts !== undefined && seconds < grant.starts) throw refusal('the address is not valid yet')
  if (grant.ip !== undefined && !isInside(reader.ip, grant.ip)) throw refusal('the address is for another network')
}

export function refusal(why: string, todo = ''): MediaError {
  const sentence = why[0]?.toUpperCase() + why.slice(1)
  return new MediaError('bad_signature', why, { detail: `${sentence}.${todo && ` ${todo}`}` })
}

/** Whether `text` fits `pattern`, where `*` stands for any text and `?` for one character; in linear space and no recursion. */
export function fits(pattern: string, text: string): boolean {
  let p = 0
  let t = 0
  let star = -1
  let resume = 0
  while (t < text.length) {
    if (pattern[p] === '*') {
      star = p++
      resume = t
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p++
      t++
    } else if (star >= 0) {
      p = star + 1
      t = ++resume
    } else {
      return false
    }
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** The object's fields when it has no others than `names`. */
function fieldsOf(value: unknown, names: readonly string[]): Record<string, unknown> | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  return Object.keys(value).every((name) => names.includes(name)) ? (value as Record<string, unknown>) : null
}

function epochOf(value: unknown): number | null {
  const epoch = fieldsOf(value, ['AWS:EpochTime'])?.['AWS:EpochTime']
  return typeof epoch === 'number' && Number.isSafeInteger(epoch) && epoch > 0 ? epoch : null
}

/** An IPv4 network as address and mask; null when it is none. */
function networkOf(text: string): { address: number; mask: number } | null {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\/(\d{1,2}))?$/.exec(text)
  if (!match) return null
  const octets = match.slice(1, 5).map(Number)
  const bits = Number(match[5] ?? 32)
  if (bits > 32 || octets.some((octet) => octet > 255)) return null
  const address = octets.reduce((sum, octet) => sum * 256 + octet, 0)
  return { address, mask: bits === 0 ? 0 : (~0 << (32 - bits)) >>> 0 }
}

function isInside(ip: string | undefined, network: string): boolean {
  // A server listening on both families sees IPv4 readers as `::ffff:192.0.2.1`.
  const reader = networkOf((ip ?? '').replace(/^::ffff:/i, ''))
  const wanted = networkOf(network)
  return !!reader && !!wanted && (reader.address & wanted.mask) >>> 0 === (wanted.address & wanted.mask) >>> 0
}
