import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import type { Browser } from 'playwright-core'
import { freePort } from '../ports.ts'
import { startTarget, type Target } from '../target.ts'
import { openBrowser, openPages, type Pages } from './browser.ts'
import { addFilm } from './stored.ts'

/** Signed cookies where the CDN has a host of its own, and the page another site: what a real browser makes of them. */

const run = promisify(execFile)
const [api, cdn, site] = ['media.example.test', 'cdn.example.test', 'app.other.test']

describe('signed cookies over HTTPS', () => {
  let folder: string
  let browser: Browser
  let pages: Pages
  let env: Record<string, string>
  let media_id: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'browser-'))
    browser = await openBrowser('--host-resolver-rules=MAP *.test 127.0.0.1')
    pages = await openPages('player')
    media_id = await addFilm(folder, join(folder, 'data'))
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=test'.split(' ')
    await run('openssl', [...request, '-keyout', key, '-out', cert])
    const port = await freePort()
    env = {
      PORT: String(port),
      TLS_CERT_FILE: cert,
      TLS_KEY_FILE: key,
      PUBLIC_URL: `https://${api}:${port}`,
      CDN_BASE_URL: `https://${cdn}:${port}/cdn`,
      CORS_ORIGINS: pages.origin.replace('127.0.0.1', site),
    }
  })
  after(async () => {
    await browser?.close()
    await pages?.close()
    await rm(folder, { recursive: true, force: true })
  })

  async function serve(more: Record<string, string>): Promise<Target> {
    return await startTarget({ dataDir: join(folder, 'data'), env: { ...env, ...more }, embedded: true })
  }
  async function open() {
    const context = await browser.newContext({ ignoreHTTPSErrors: true })
    const page = await context.newPage()
    const told = { endpoint: env.PUBLIC_URL ?? '', media_id, cookies: 'true' }
    await page.goto(pages.at('player', told).replace('127.0.0.1', site))
    return { context, page }
  }

  test('a page of another site plays from a sister host of the API', async () => {
    const target = await serve({ CDN_COOKIE_DOMAIN: 'example.test' })
    try {
      const { context, page } = await open()
      await page.evaluate('start()')
      await page.waitForFunction('video.currentTime > 0.5')
      assert.deepEqual(await page.evaluate('errors'), [])
      const cookies = await context.cookies()
      assert.equal(cookies.length, 3)
      for (const { domain, path, httpOnly, secure, sameSite } of cookies) {
        assert.deepEqual([domain, httpOnly, secure, sameSite], ['.example.test', true, true, 'None'])
        assert.match(path, new RegExp(`^/cdn/${media_id}/v1/hls/$`))
      }
      await context.close()
    } finally {
      await target.stop()
    }
  })

  test('without a domain that both share, it is said that no cookie reaches the CDN', async () => {
    const target = await serve({})
    try {
      const { context, page } = await open()
      const error = "addressOf('hls').then(() => null, ({ status, code, detail }) => ({ status, code, detail }))"
      const { status, code, detail } = (await page.evaluate(error)) as Record<string, string>
      assert.deepEqual([status, code], [409, 'cookies_unavailable'])
      assert.match(detail ?? '', /CDN_COOKIE_DOMAIN/)
      assert.deepEqual(await context.cookies(), [])
      await context.close()
    } finally {
      await target.stop()
    }
  })

  test('a domain that the CDN does not lie in is refused at start', async () => {
    await assert.rejects(serve({ CDN_COOKIE_DOMAIN: 'other.test' }), /CDN_COOKIE_DOMAIN is other\.test.*CDN_BASE_URL/)
  })
})
