import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { request } from 'undici'
import { contentDisposition, encodeValue } from './disposition.ts'
import { large, media_id, openTestbed, small, soon, type Testbed } from './testbed.test.ts'

const run = promisify(execFile)
const year = 'private, max-age=31536000, immutable'

describe('the edge', () => {
  let bed: Testbed
  let smallUrl = ''
  let largeUrl = ''
  before(async () => {
    bed = await openTestbed()
    smallUrl = await bed.store('thumbnail.jpg', small, 'image/jpeg')
    largeUrl = await bed.store('720p.mp4', large)
  })
  after(() => bed.close())

  async function get(url: string, headers: Record<string, string> = {}, method: 'GET' | 'HEAD' = 'GET') {
    const reply = await request(url, { headers, method })
    return { status: reply.statusCode, headers: reply.headers, bytes: Buffer.from(await reply.body.arrayBuffer()) }
  }

  async function refused(url: string, status: number, headers: Record<string, string> = {}) {
    const reply = await get(url, headers)
    assert.equal(reply.status, status, url)
    assert.equal(reply.headers['content-type'], 'application/problem+json')
    assert.equal(reply.headers['cache-control'], 'no-store')
    assert.equal(reply.headers['access-control-allow-origin'], '*')
    assert.equal(JSON.parse(reply.bytes.toString()).status, status)
    return reply
  }

  for (const [name, bytes, type] of [
    ['thumbnail.jpg', small, 'image/jpeg'],
    ['720p.mp4', large, 'video/mp4'],
  ] as const) {
    test(`delivers ${name} with all its headers, also the second time`, async () => {
      const url = bed.sign(name)
      for (const _ of [1, 2]) {
        const { status, headers, bytes: got } = await get(url)
        assert.equal(status, 200)
        assert.ok(got.equals(bytes))
        assert.equal(headers['content-type'], type)
        assert.equal(headers['content-length'], String(bytes.length))
        assert.equal(headers.etag, `"${createHash('md5').update(bytes).digest('hex')}"`)
        assert.equal(headers['accept-ranges'], 'bytes')
        assert.equal(headers['cache-control'], year)
        assert.equal(headers['x-content-type-options'], 'nosniff')
        assert.equal(headers['content-security-policy'], 'sandbox')
        assert.equal(headers['access-control-allow-origin'], '*')
        assert.match(String(headers['access-control-expose-headers']), /content-range/)
        assert.match(String(headers['last-modified']), /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/)
        assert.equal(headers['content-disposition'], undefined)
      }
    })
  }

  test('HEAD answers the same headers and no bytes, whatever the range', async () => {
    for (const url of [smallUrl, largeUrl]) {
      const whole = await get(url)
      const head = await get(url, { range: 'bytes=0-1' }, 'HEAD')
      assert.equal(head.status, 200)
      assert.equal(head.bytes.length, 0)
      for (const name of ['content-length', 'content-type', 'etag', 'last-modified', 'cache-control']) {
        assert.equal(head.headers[name], whole.headers[name])
      }
    }
    assert.equal((await get(`${bed.origin}/cdn/${media_id}/v1/720p.mp4`, {}, 'HEAD')).status, 403)
  })

  test('ranges answer exactly their bytes', async () => {
    const range = fc.oneof(
      fc.tuple(fc.nat(30_000), fc.nat(30_000)).map(([a, b]) => `bytes=${Math.min(a, b)}-${Math.max(a, b)}`),
      fc.nat(30_000).map((first) => `bytes=${first}-`),
      fc.nat(30_000).map((last) => `bytes=-${last}`),
      fc.tuple(fc.nat(large.length + 10), fc.nat(200_000)).map(([first, length]) => `bytes=${first}-${first + length}`),
    )
    const files = fc.constantFrom({ url: smallUrl, bytes: small }, { url: largeUrl, bytes: large })
    await fc.assert(
      fc.asyncProperty(range, files, async (header, { url, bytes }) => {
        const [, first = '', last = ''] = /bytes=(\d*)-(\d*)/.exec(header) ?? []
        const start = first === '' ? Math.max(0, bytes.length - Number(last)) : Number(first)
        const end = first === '' || last === '' ? bytes.length - 1 : Math.min(Number(last), bytes.length - 1)
        const reply = await get(url, { range: header })
        if (start >= bytes.length) {
          assert.equal(reply.status, 416)
          assert.equal(reply.headers['content-range'], `bytes */${bytes.length}`)
          assert.equal(reply.headers['cache-control'], 'no-store')
          return
        }
        assert.equal(reply.status, 206)
        assert.equal(reply.headers['content-range'], `bytes ${start}-${end}/${bytes.length}`)
        assert.equal(reply.headers['content-length'], String(end - start + 1))
        assert.ok(reply.bytes.equals(bytes.subarray(start, end + 1)))
      }),
      { numRuns: 150 },
    )
  })

  test('several ranges, other units and what is no range answer everything', async () => {
    for (const range of [
      'bytes=0-1,5-6',
      'bytes=5-1',
      'bytes=-',
      'bytes=a-b',
      'lines=0-1',
      'bytes 0-1',
      'bytes=0-1;',
      '',
    ]) {
      const reply = await get(smallUrl, { range })
      assert.equal(reply.status, 200, range)
      assert.ok(reply.bytes.equals(small))
    }
  })

  test('conditions, in their order', async () => {
    const { headers } = await get(smallUrl)
    const etag = String(headers.etag)
    const date = String(headers['last-modified'])
    const past = 'Sun, 06 Nov 1994 08:49:37 GMT'
    const future = 'Fri, 31 Dec 2038 23:59:59 GMT'
    const cases: [Record<string, string>, number][] = [
      [{ 'if-none-match': etag }, 304],
      [{ 'if-none-match': `W/${etag}` }, 304],
      [{ 'if-none-match': `"a", ${etag}` }, 304],
      [{ 'if-none-match': '*' }, 304],
      [{ 'if-none-match': '"a"', 'if-modified-since': date }, 200],
      [{ 'if-modified-since': date }, 304],
      [{ 'if-modified-since': future }, 304],
      [{ 'if-modified-since': past }, 200],
      [{ 'if-modified-since': 'Sunday, 06-Nov-94 08:49:37 GMT' }, 200],
      [{ 'if-modified-since': 'Sun Nov  6 08:49:37 1994' }, 200],
      [{ 'if-modified-since': 'yesterday' }, 200],
      [{ 'if-modified-since': '2038-01-01' }, 200],
      [{ 'if-match': etag }, 200],
      [{ 'if-match': '*' }, 200],
      [{ 'if-match': '"a"' }, 412],
      [{ 'if-match': `W/${etag}` }, 412],
      [{ 'if-match': '"a"', 'if-none-match': etag }, 412],
      [{ 'if-match': etag, 'if-unmodified-since': past }, 200],
      [{ 'if-unmodified-since': past }, 412],
      [{ 'if-unmodified-since': date }, 200],
      [{ range: 'bytes=0-9', 'if-range': etag }, 206],
      [{ range: 'bytes=0-9', 'if-range': date }, 206],
      [{ range: 'bytes=0-9', 'if-range': '"a"' }, 200],
      [{ range: 'bytes=0-9', 'if-range': `W/${etag}` }, 200],
      [{ range: 'bytes=0-9', 'if-range': past }, 200],
      [{ range: 'bytes=0-9', 'if-range': future }, 200],
      [{ range: 'bytes=99999-', 'if-range': '"a"' }, 200],
      [{ range: 'bytes=99999-', 'if-none-match': etag }, 304],
    ]
    for (const [given, status] of cases) {
      const reply = await get(smallUrl, given)
      assert.equal(reply.status, status, JSON.stringify(given))
      if (status === 412) assert.equal(reply.headers['cache-control'], 'no-store')
      if (status !== 304) continue
      assert.equal(reply.bytes.length, 0)
      assert.equal(reply.headers.etag, etag)
      assert.equal(reply.headers['cache-control'], year)
    }
  })

  test('unsigned, expired, altered: 403; signed and absent: 404', async () => {
    await refused(`${bed.origin}/cdn/${media_id}/v1/720p.mp4`, 403)
    await refused(`${bed.origin}/cdn/${media_id}/v1/missing.mp4`, 403)
    await refused(bed.sign('720p.mp4', { expires: soon() - 1_000 }), 403)
    await refused(largeUrl.replace('720p', 'thumb'), 403)
    await refused(`${largeUrl}&response-content-disposition=attachment`, 403)
    await refused(largeUrl.replace(/Expires=\d+/, 'Expires=2000000000'), 403)
    await refused(bed.sign('missing.mp4'), 404)
    await refused(`${bed.origin}/`, 404)
    await refused(`${bed.origin}/cdnx/${media_id}/v1/720p.mp4`, 404)
  })

  test('no signed path leads out of the outputs', async () => {
    const paths = [
      '../../../etc/passwd',
      '..%2f..%2fetc%2fpasswd',
      '.720p.mp4.json',
      '',
      'a/',
      'a//b',
      'a/../720p.mp4',
      '%00',
      'a;b',
      "a'b",
    ]
    for (const path of paths) {
      const { hostname, port } = new URL(bed.origin)
      const signed = bed.sign(path)
      const { stdout } = await run('curl', ['-s', '--path-as-is', '-o', '-', '-w', '%{http_code}', signed])
      assert.match(stdout, /404$/, `${hostname}:${port} ${path}`)
    }
  })

  test('a disposition that was signed is sent; one that is no header is not', async () => {
    const filename = 'Пик "α"/\r\nX: y.mp4'
    const value = contentDisposition('attachment', filename)
    const { headers, status } = await get(bed.sign(`720p.mp4?response-content-disposition=${encodeValue(value)}`))
    assert.equal(status, 200)
    assert.equal(headers['content-disposition'], value)
    assert.equal(headers['x'], undefined)
    for (const wrong of [
      '%0d%0aX:%20y',
      'attachment%0a',
      'form-data',
      'inline%3B%20%E2%82%AC',
      '%',
      'attachment%FF',
      '',
    ]) {
      await refused(bed.sign(`720p.mp4?response-content-disposition=${wrong}`), 400)
    }
    const twice = 'response-content-disposition=inline&response-content-disposition=attachment'
    await refused(bed.sign(`720p.mp4?${twice}`), 400)
  })

  test('other methods: 405; OPTIONS for browsers', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'TRACE'] as const) {
      const reply = await request(smallUrl, { method })
      await reply.body.dump()
      assert.equal(reply.statusCode, 405)
      assert.equal(reply.headers.allow, 'GET, HEAD, OPTIONS')
    }
    const reply = await request(smallUrl, { method: 'OPTIONS', headers: { origin: 'https://app.example.com' } })
    await reply.body.dump()
    assert.equal(reply.statusCode, 204)
    assert.match(String(reply.headers['access-control-allow-headers']), /range/)
  })

  test('curl resumes a download in the middle', async () => {
    const { stdout } = await run('curl', ['-sf', '-r', '1000000-', largeUrl], { encoding: 'buffer', maxBuffer: 1e8 })
    assert.ok(stdout.equals(large.subarray(1_000_000)))
  })

  test('an absolute-form target is the same address', async () => {
    const { stdout } = await run('curl', ['-s', '-o', '/dev/null', '-w', '%{http_code}', '-x', bed.origin, smallUrl])
    assert.equal(stdout, '200')
  })

  test('an address expires also when it is remembered as right', async () => {
    let now = 1_800_000_000_000
    const clock = { now: () => now, sleep: async () => {} }
    const other = await openTestbed({ clock })
    try {
      const expires = 1_800_000_010
      await other.store('a.jpg', small, 'image/jpeg')
      const url = other.sign('a.jpg', { expires })
      assert.equal((await get(url)).status, 200)
      now = 1_800_000_009_999
      assert.equal((await get(url)).status, 200)
      now = 1_800_000_010_000
      assert.equal((await get(url)).status, 403)
    } finally {
      await other.close()
    }
  })

  test('behind a proxy the address is the one that the reader sees', async () => {
    const other = await openTestbed({ publicBaseUrl: 'https://cdn.example.com/media' })
    try {
      const url = await other.store('a.jpg', small, 'image/jpeg')
      assert.ok(url.startsWith('https://cdn.example.com/media/'))
      const inside = url.replace('https://cdn.example.com/media', `${other.origin}/cdn`)
      assert.equal((await get(inside)).status, 200)
    } finally {
      await other.close()
    }
  })
})
