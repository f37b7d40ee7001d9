import { MediaError } from '../media/errors.ts'

/** Signed cookies: for players that must be given plain addresses. They are set by the API, and read by the CDN. */

export interface CookieSettings {
  /** `CDN_BASE_URL` */
  baseUrl: string
  /** `CDN_COOKIE_DOMAIN`: what the hosts of API and CDN have in common. */
  domain?: string | undefined
  /** Origins of the pages that play. */
  pages: readonly string[]
}

export interface CookieRequest {
  /** By `Signer.signCookies`. */
  values: Record<string, string>
  /** The only folder that they are sent to, below the base: `{media_id}/v1/hls`. */
  folder: string
  /** Seconds. */
  lifetime: number
  /** The name, with or without a port, by which the API was called. */
  host: string
}

/**
 * The values of `Set-Cookie`.
 * @throws MediaError `cookies_unavailable` when a browser would not send to the CDN what this host sets.
 */
export function cookieHeaders(settings: CookieSettings, { values, folder, lifetime, host }: CookieRequest): string[] {
  const { protocol, hostname, pathname } = new URL(settings.baseUrl)
  const domain = domainFor(settings.domain, hostname, hostnameOf(host))
  const attributes = [
    ...(domain === null ? [] : [`Domain=${domain}`]),
    `Path=${pathname.replace(/\/$/, '')}/${folder}/`,
    `Max-Age=${lifetime}`,
    'HttpOnly',
    // Browsers take none for all sites that may go over an open line.
    ...(protocol === 'https:' ? ['Secure', ...sameSite(settings.pages, domain ?? hostname)] : ['SameSite=Lax']),
  ]
  return Object.entries(values).map(([name, value]) => [`${name}=${value}`, ...attributes].join('; '))
}

/** @throws Error when the domain covers not both: no browser would take the cookies, or send them. */
export function checkCookieDomain(domain: string | undefined, addresses: Record<string, string | undefined>): void {
  if (domain === undefined) return
  for (const [setting, address] of Object.entries(addresses)) {
    if (address === undefined || covers(domain, new URL(address).hostname)) continue
    throw new Error(`CDN_COOKIE_DOMAIN is ${domain}, and the host of ${setting} (${address}) does not lie in it.`)
  }
}

/** The domain to name; null for a cookie of this very host. */
function domainFor(domain: string | undefined, cdn: string, api: string): string | null {
  if (cdn === api) return null
  if (domain !== undefined && covers(domain, cdn) && covers(domain, api)) return domain
  const detail =
    `Cookies set by ${api} do not reach the CDN, ${cdn}. Play by the signed address, which needs none; or the operator ` +
    'sets CDN_COOKIE_DOMAIN to the domain that both hosts lie in.'
  throw new MediaError('cookies_unavailable', `cookies of ${api} for ${cdn}`, { detail })
}

/** Pages of other sites send none unless it is said; and there a browser keeps them apart for each page's site. */
function sameSite(pages: readonly string[], site: string): string[] {
  const isForeign = pages
    .map((page) => new URL(page))
    .some(({ protocol, hostname }) => {
      return protocol !== 'https:' || !covers(site, hostname)
    })
  return isForeign ? ['SameSite=None', 'Partitioned'] : ['SameSite=Lax']
}

function covers(domain: string, host: string): boolean {
  return host === domain || host.endsWith(`.${domain}`)
}

function hostnameOf(host: string): string {
  return URL.parse(`http://${host}`)?.hostname ?? ''
}
