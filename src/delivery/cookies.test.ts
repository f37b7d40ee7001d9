import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { codeOf, MediaError } from '../media/errors.ts'
import { type CookieSettings, checkCookieDomain, cookieHeaders } from './cookies.ts'

const asked = { values: { 'CloudFront-Signature': 's~-_' }, folder: 'm/v1/hls', lifetime: 60 }
const make = (settings: Partial<CookieSettings> & { baseUrl: string }, host: string) =>
  cookieHeaders({ pages: [], ...settings }, { ...asked, host })[0]

describe('cookies for the CDN', () => {
  test('on the host of the API: of this host alone, below the base', () => {
    const start = 'CloudFront-Signature=s~-_; Path=/cdn/m/v1/hls/; Max-Age=60; HttpOnly; '
    assert.equal(make({ baseUrl: 'http://127.0.0.1:8080/cdn' }, '127.0.0.1:8080'), `${start}SameSite=Lax`)
    assert.equal(make({ baseUrl: 'http://127.0.0.1:8081/cdn' }, '127.0.0.1:8080'), `${start}SameSite=Lax`)
    assert.equal(make({ baseUrl: 'http://[::1]:8080/cdn' }, '[::1]:8080'), `${start}SameSite=Lax`)
    assert.equal(make({ baseUrl: 'https://a.example/cdn' }, 'A.example:443'), `${start}Secure; SameSite=Lax`)
  })

  test('on a sister host: of the domain that the operator names', () => {
    const baseUrl = 'https://cdn.example.com'
    assert.match(
      make({ baseUrl, domain: 'example.com' }, 'media.example.com') ?? '',
      /; Domain=example\.com; Path=\/m\/v1/,
    )
    for (const [domain, host] of [
      [undefined, 'media.example.com'],
      ['example.com', '127.0.0.1'],
      ['example.com', 'notexample.com'],
      ['media.example.com', 'media.example.com'],
    ]) {
      assert.throws(
        () => make({ baseUrl, domain }, host ?? ''),
        (error) =>
          error instanceof MediaError &&
          codeOf(error) === 'cookies_unavailable' &&
          error.detail?.includes('CDN_COOKIE_DOMAIN'),
      )
    }
  })

  test('to pages of other sites only where there are such', () => {
    const base = { baseUrl: 'https://cdn.example.com', domain: 'example.com' }
    const host = 'media.example.com'
    assert.match(
      make({ ...base, pages: ['https://app.example.com', 'https://example.com'] }, host) ?? '',
      /SameSite=Lax$/,
    )
    assert.match(make({ ...base, pages: ['https://app.other.com'] }, host) ?? '', /Secure; SameSite=None; Partitioned$/)
    // Another scheme is another site.
    assert.match(make({ ...base, pages: ['http://app.example.com'] }, host) ?? '', /SameSite=None; Partitioned$/)
    // Browsers refuse SameSite=None without Secure.
    const plain = { baseUrl: 'http://127.0.0.1/cdn', pages: ['https://app.other.com'] }
    assert.match(make(plain, '127.0.0.1') ?? '', /HttpOnly; SameSite=Lax$/)
  })

  test('a domain that covers not both hosts is refused at start', () => {
    const hosts = { CDN_BASE_URL: 'https://cdn.example.com', PUBLIC_URL: 'https://media.example.org' }
    assert.throws(() => checkCookieDomain('example.com', hosts), /CDN_COOKIE_DOMAIN is example\.com.* PUBLIC_URL/)
    checkCookieDomain('example.com', { ...hosts, PUBLIC_URL: undefined })
    checkCookieDomain(undefined, hosts)
  })
})
