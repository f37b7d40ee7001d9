import assert from 'node:assert/strict'
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  verify as verifyBytes,
} from 'node:crypto'
import { describe, test } from 'node:test'
import { getSignedCookies, getSignedUrl } from '@aws-sdk/cloudfront-signer'
import fc from 'fast-check'
import { codeOf } from '../media/errors.ts'
import { checkGrant } from './policy.ts'
import { openSigner, openVerifier } from './signer.ts'

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const kinds = { ec, rsa }
const pem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString()

const now = Date.parse('2026-11-22T12:00:00Z')
const expires = now / 1000 + 3600
const plain = 'https://cdn.example.com/0b7c/v1/720p.mp4'
const named = `${plain}?response-content-disposition=attachment%3B%20filename%3D%22a%20%28b%29.mp4%22`
const verifier = openVerifier(
  new Map([
    ['KEC', ec.publicKey],
    ['KRSA', rsa.publicKey],
  ]),
)
const signers = [
  openSigner({ keyPairId: 'KEC', privateKey: ec.privateKey }),
  openSigner({ keyPairId: 'KEC', privateKey: ec.privateKey, hash: 'SHA256' }),
  openSigner({ keyPairId: 'KRSA', privateKey: rsa.privateKey }),
  openSigner({ keyPairId: 'KRSA', privateKey: rsa.privateKey, hash: 'SHA256' }),
]

/** What the edge does with a URL. */
function accepts(url: string, reader: { now: number; ip?: string } = { now }): boolean {
  try {
    checkGrant(verifier.read(url), reader)
    return true
  } catch (error) {
    assert.equal(codeOf(error), 'bad_signature')
    return false
  }
}

describe('signed addresses', () => {
  test("RSA: byte for byte Amazon's", () => {
    for (const url of [plain, named, `${plain}?a=1&b`]) {
      for (const algorithm of ['SHA1', 'SHA256'] as const) {
        const signer = openSigner({ keyPairId: 'KRSA', privateKey: rsa.privateKey, hash: algorithm })
        const theirs = getSignedUrl({
          url,
          keyPairId: 'KRSA',
          privateKey: pem(rsa.privateKey),
          dateLessThan: new Date(expires * 1000),
          ...(algorithm === 'SHA256' ? { algorithm } : {}),
        })
        // Amazon's signer writes a parameter without a value as `b=`.
        if (!url.endsWith('&b')) assert.equal(signer.signUrl(url, { expires }), theirs)
        assert.ok(accepts(theirs))
      }
    }
  })

  test("RSA with a custom policy: byte for byte Amazon's", () => {
    const [signer] = [openSigner({ keyPairId: 'KRSA', privateKey: rsa.privateKey })]
    const ours = signer.signUrl(plain, { expires, starts: expires - 7200, ip: '192.0.2.0/24' })
    const theirs = getSignedUrl({
      url: plain,
      keyPairId: 'KRSA',
      privateKey: pem(rsa.privateKey),
      dateLessThan: new Date(expires * 1000),
      dateGreaterThan: new Date((expires - 7200) * 1000),
      ipAddress: '192.0.2.0/24',
    })
    assert.equal(ours, theirs)
  })

  test("ECDSA: Amazon's are accepted here, ours verify outside", () => {
    for (const algorithm of ['SHA1', 'SHA256'] as const) {
      const options = { url: named, keyPairId: 'KEC', privateKey: pem(ec.privateKey) }
      const theirs = getSignedUrl({ ...options, dateLessThan: new Date(expires * 1000), algorithm })
      assert.ok(accepts(theirs))
      const ours = openSigner({ keyPairId: 'KEC', privateKey: ec.privateKey, hash: algorithm }).signUrl(named, {
        expires,
      })
      const parameters = new URL(ours).searchParams
      const policy = `{"Statement":[{"Resource":"${named}","Condition":{"DateLessThan":{"AWS:EpochTime":${expires}}}}]}`
      const base64 = (parameters.get('Signature') ?? '').replaceAll('-', '+').replaceAll('_', '=').replaceAll('~', '/')
      const signature = Buffer.from(base64, 'base64')
      assert.ok(verifyBytes(algorithm, Buffer.from(policy), ec.publicKey, signature))
      // All but the random signature is the same text.
      const without = (url: string) => url.replace(/Signature=[^&]*/, '')
      assert.equal(without(ours), without(theirs))
    }
  })

  test('every signer is accepted until its time, in any order of parameters', () => {
    for (const signer of signers) {
      for (const url of [plain, named]) {
        const signed = signer.signUrl(url, { expires })
        assert.ok(accepts(signed))
        assert.ok(accepts(signed, { now: expires * 1000 - 1 }))
        assert.ok(!accepts(signed, { now: expires * 1000 }))
        const [path = '', query = ''] = signed.split('?')
        assert.ok(accepts(`${path}?${query.split('&').reverse().join('&')}`))
      }
    }
  })

  test('10 000 random changes of one byte are refused', () => {
    const signed = signers.flatMap((signer) => [signer.signUrl(plain, { expires }), signer.signUrl(named, { expires })])
    const change = fc.record({
      url: fc.constantFrom(...signed),
      at: fc.nat(),
      kind: fc.constantFrom('replace', 'replace', 'insert', 'delete'),
      character: fc.oneof(
        fc.integer({ min: 33, max: 126 }).map((code) => String.fromCharCode(code)),
        fc.constantFrom('&', '=', '?', '%', '_', '-', '~', '/', '.', 'é'),
      ),
    })
    let tried = 0
    fc.assert(
      fc.property(change, ({ url, at, kind, character }) => {
        const place = at % url.length
        const rest = url.slice(kind === 'insert' ? place : place + 1)
        const altered = url.slice(0, place) + (kind === 'delete' ? '' : character) + rest
        // A fragment stays in the browser: no server sees it.
        if (altered === url || altered.includes('#')) return
        tried += 1
        assert.ok(!accepts(altered), altered)
      }),
      { numRuns: 11_000 },
    )
    assert.ok(tried >= 10_000, `only ${tried}`)
  })

  test('every bit of a signature counts, its spelling too', () => {
    for (const signer of signers) {
      const signed = signer.signUrl(plain, { expires })
      const signature = /Signature=([^&]*)/.exec(signed)?.[1] ?? ''
      const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-~_'
      for (let at = signature.length - 4; at < signature.length; at++) {
        for (const other of alphabet) {
          const altered = signature.slice(0, at) + other + signature.slice(at + 1)
          if (altered !== signature) assert.ok(!accepts(signed.replace(signature, altered)))
        }
      }
      for (const more of ['_', '%3D', '=', 'A', '%20']) assert.ok(!accepts(signed.replace(signature, signature + more)))
    }
  })

  test('what can be read in two ways is refused', () => {
    for (const signer of signers) {
      const signed = signer.signUrl(plain, { expires })
      const part = (name: string) => new RegExp(`${name}=[^&]*`).exec(signed)?.[0] ?? ''
      const wrong = [
        plain,
        `${signed}&${part('Signature')}`,
        `${signed}&${part('Expires')}`,
        `${signed}&Expires=${expires + 1}`,
        `${signed}&Key-Pair-Id=KEC`,
        `${signed}&Key%2DPair%2DId=KEC`,
        `${signed}&%45xpires=1`,
        `${signed}&Policy=e30_`,
        `${signed}&Policy`,
        `${signed}&Hash-Algorithm=MD5`,
        `${signed}&Hash-Algorithm=sha256`,
        `${signed}&`,
        `${signed}&a=b`,
        `${signed}?`,
        signed.replace('Expires=', 'Expires=0'),
        signed.replace('Expires=', 'Expires=%2B'),
        signed.replace(part('Expires'), `${part('Expires')}.0`),
        signed.replace(part('Expires'), `${part('Expires')}e0`),
        signed.replace(part('Expires'), 'Expires=99999999999999999999'),
        signed.replace(part('Expires'), 'Expires='),
        signed.replace(part('Expires'), 'Expires'),
        signed.replace(`&${part('Signature')}`, ''),
        signed.replace(part('Signature'), 'Signature='),
        signed.replace(part('Key-Pair-Id'), 'Key-Pair-Id=NOBODY'),
        signed.replace(part('Key-Pair-Id'), 'Key-Pair-Id=__proto__'),
        signed.replace('https:', 'http:'),
        signed.replace('.com/', '.com:443/'),
        signed.replace('/v1/', '/v1/../v1/'),
        signed.replace('/v1/', '//v1/'),
        signed.replace('720p', '%37%32%30p'),
        '',
        '?',
        'https://',
        'not a url',
        `https://h/${'?'.repeat(5000)}`,
      ]
      for (const url of wrong) assert.ok(!accepts(url), url)
    }
  })

  test('hex of another case is another address', () => {
    const signed = signers[0]?.signUrl(named, { expires }) ?? ''
    assert.ok(accepts(signed))
    assert.ok(!accepts(signed.replace('%3B', '%3b')))
  })

  test('any text at all is refused with the one code', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => !accepts(`https://h/${text}`)))
    const names = fc.constantFrom('Expires', 'Policy', 'Signature', 'Key-Pair-Id', 'Hash-Algorithm', 'x', '')
    const values = fc.constantFrom('1', '', 'KEC', 'SHA256', 'e30_', '%', `${expires}`)
    const queries = fc.array(fc.tuple(names, values).map((pair) => pair.join('=')))
    fc.assert(fc.property(queries, (query) => !accepts(`https://h/a?${query.join('&')}`)))
  })

  test('keys change without a gap: each key verifies its own only', () => {
    const next = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const both = openVerifier(
      new Map([
        ['K1', ec.publicKey],
        ['K2', next.publicKey],
      ]),
    )
    const first = openSigner({ keyPairId: 'K1', privateKey: ec.privateKey }).signUrl(plain, { expires })
    const second = openSigner({ keyPairId: 'K2', privateKey: next.privateKey }).signUrl(plain, { expires })
    assert.equal(both.read(first).expires, expires)
    assert.equal(both.read(second).expires, expires)
    assert.throws(() => both.read(first.replace('=K1', '=K2')))
    const after = openVerifier(new Map([['K2', next.publicKey]]))
    assert.throws(() => after.read(first))
  })

  test('a custom policy: pattern, start, network', () => {
    for (const { keyPairId, privateKey } of [
      { keyPairId: 'KEC', privateKey: kinds.ec.privateKey },
      { keyPairId: 'KRSA', privateKey: kinds.rsa.privateKey },
    ]) {
      const signer = openSigner({ keyPairId, privateKey })
      const resource = 'https://cdn.example.com/0b7c/v1/hls/*'
      const master = signer.signUrl('https://cdn.example.com/0b7c/v1/hls/master.m3u8', { expires, resource })
      assert.ok(accepts(master))
      assert.ok(accepts(master.replace('master.m3u8', '720/1.m4s')))
      assert.ok(!accepts(master.replace('/hls/', '/raw/')))
      assert.ok(!accepts(master.replace('/0b7c/', '/0b7d/')))
      assert.ok(!accepts(master, { now: expires * 1000 }))
      const fromNoon = signer.signUrl(plain, { expires, starts: now / 1000, ip: '192.0.2.0/24' })
      assert.ok(accepts(fromNoon, { now, ip: '192.0.2.77' }))
      assert.ok(accepts(fromNoon, { now, ip: '::ffff:192.0.2.77' }))
      assert.ok(!accepts(fromNoon, { now, ip: '192.0.3.77' }))
      assert.ok(!accepts(fromNoon, { now }))
      assert.ok(!accepts(fromNoon, { now: now - 1, ip: '192.0.2.77' }))
      assert.ok(!accepts(fromNoon.replace('720p', '360p'), { now, ip: '192.0.2.77' }))
    }
  })

  test("Amazon's custom policies are read; one that says more is not", () => {
    const sign = (policy: string) =>
      getSignedUrl({ url: plain, keyPairId: 'KRSA', privateKey: pem(rsa.privateKey), policy })
    const condition = { DateLessThan: { 'AWS:EpochTime': expires } }
    const statement = { Resource: 'http*://cdn.example.com/*', Condition: condition }
    assert.ok(accepts(sign(JSON.stringify({ Statement: [statement] }))))
    const refused = [
      {},
      [],
      { Statement: [] },
      { Statement: [statement, statement] },
      { Statement: [{ ...statement, Resource: undefined }] },
      { Statement: [{ ...statement, Effect: 'Deny' }] },
      { Statement: [{ ...statement, Condition: {} }] },
      { Statement: [{ ...statement, Condition: { ...condition, IpAddress: { 'AWS:SourceIp': '::1' } } }] },
      { Statement: [{ ...statement, Condition: { ...condition, UserAgent: 'x' } }] },
      { Statement: [{ ...statement, Condition: { DateLessThan: { 'AWS:EpochTime': String(expires) } } }] },
      { Statement: [{ ...statement, Resource: 'https://other.example.com/*' }] },
    ]
    for (const policy of refused) assert.ok(!accepts(sign(JSON.stringify(policy))), JSON.stringify(policy))
    assert.ok(!accepts(sign('no json')))
  })

  describe('cookies', () => {
    const pattern = 'https://cdn.example.com/0b7c/v1/hls/*'
    const segment = 'https://cdn.example.com/0b7c/v1/hls/720p/3.m4s'
    const header = (cookies: object) =>
      Object.entries(cookies)
        .map(([name, value]) => `${name}=${value}`)
        .join('; ')
    const reads = (url: string, cookie: string): boolean => {
      try {
        checkGrant(verifier.read(url, cookie), { now })
        return true
      } catch (error) {
        assert.equal(codeOf(error), 'bad_signature')
        return false
      }
    }

    test('open all addresses of their pattern, and no other', () => {
      for (const signer of signers) {
        const cookie = `session=1; ${header(signer.signCookies(pattern, { expires }))}`
        assert.ok(reads(segment, cookie))
        assert.ok(!reads('https://cdn.example.com/0b7c/v1/720p.mp4', cookie))
        assert.ok(!reads(segment, cookie.replace(/Policy=(.)(.)/, 'Policy=$2$1')))
      }
    })

    test("Amazon's are accepted, with either policy; RSA ours are theirs byte for byte", () => {
      for (const [keyPairId, pair] of [
        ['KEC', ec],
        ['KRSA', rsa],
      ] as const) {
        const privateKey = pem(pair.privateKey)
        const dateLessThan = new Date(expires * 1000).toISOString()
        assert.ok(reads(plain, header(getSignedCookies({ url: plain, keyPairId, privateKey, dateLessThan }))))
        const policy = JSON.stringify({
          Statement: [{ Resource: pattern, Condition: { DateLessThan: { 'AWS:EpochTime': expires } } }],
        })
        const theirs = getSignedCookies({ keyPairId, privateKey, policy })
        assert.ok(reads(segment, header(theirs)))
        if (pair === rsa) assert.deepEqual(signers[2]?.signCookies(pattern, { expires }), { ...theirs })
      }
    })

    test('mean nothing beside a signed address, and are refused when there are two of a name', () => {
      const [signer] = signers
      assert.ok(signer)
      const cookies = header(signer.signCookies(pattern, { expires }))
      const signed = signer.signUrl(segment, { expires: now / 1000 - 1 })
      assert.ok(!reads(signed, cookies), 'an expired address is not mended by cookies')
      assert.ok(!reads(segment, `${cookies}; ${cookies}`))
      assert.ok(!reads(segment, 'session=1'))
    })
  })

  test('what cannot be signed without being misread is not signed', () => {
    const [signer] = signers
    for (const url of [
      '/a',
      'ftp://h/a',
      'https://h/a b',
      'https://h/"',
      'https://h/é',
      `${plain}?Expires=1`,
      `${plain}#a`,
    ]) {
      assert.throws(() => signer?.signUrl(url, { expires }), { code: 'internal' })
    }
  })

  test('keys out of PEM files work as those made here', () => {
    const privateKey = createPrivateKey(pem(ec.privateKey))
    const signed = openSigner({ keyPairId: 'K', privateKey }).signUrl(plain, { expires })
    assert.equal(openVerifier(new Map([['K', createPublicKey(privateKey)]])).read(signed).resource, plain)
  })
})
