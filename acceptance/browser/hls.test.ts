import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page, Request } from 'playwright-core'
import { blocksOf } from '../../scripts/pages.ts'
import { openJudge } from '../judge.ts'
import { startTarget, type Target } from '../target.ts'
import { openBrowser, openPages, type Pages } from './browser.ts'
import { addFilm, heights, seconds } from './stored.ts'

/** hls.js as npm delivers it, on a page of another origin, through the edge. */

describe('an unmodified hls.js', () => {
  let folder: string
  let browser: Browser
  let pages: Pages
  let target: Target
  let media_id: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'browser-'))
    browser = await openBrowser()
    pages = await openPages('player')
    const dataDir = join(folder, 'data')
    media_id = await addFilm(folder, dataDir)
    target = await startTarget({ dataDir, env: { CORS_ORIGINS: pages.origin }, embedded: true })
  })
  after(async () => {
    await browser?.close()
    await target?.stop()
    await pages?.close()
    await rm(folder, { recursive: true, force: true })
  })

  async function open(told: Record<string, string> = {}): Promise<{ page: Page; sent: Request[] }> {
    const context = await browser.newContext()
    const page = await context.newPage()
    const sent: Request[] = []
    page.on('request', (request) => void (new URL(request.url()).origin === target.url && sent.push(request)))
    await page.goto(pages.at('player', { endpoint: target.url, media_id, ...told }))
    return { page, sent }
  }
  const errors = (page: Page) => page.evaluate('errors')
  const segments = (sent: Request[]) =>
    sent.map((one) => new URL(one.url()).pathname).filter((path) => path.endsWith('.m4s'))

  for (const [way, told] of [
    ['by its signed address', {}],
    ['by signed cookies', { cookies: 'true' }],
  ] as const) {
    test(`plays to the end ${way}: seeks, switches levels, no error`, async () => {
      const { page, sent } = await open(told)
      const offered = (await page.evaluate('start()')) as number[]
      assert.deepEqual(
        offered.toSorted((a, b) => a - b),
        heights,
      )
      await page.waitForFunction('video.currentTime > 0.5 && levels.length > 0')
      const [first = 0] = (await page.evaluate('levels')) as number[]
      for (const height of [...heights.filter((other) => other !== first), first]) {
        await page.evaluate('seek(1)')
        await page.evaluate(`switchTo(${height})`)
        await page.waitForFunction(`levels.at(-1) === ${height}`)
      }
      await page.evaluate(`seek(${seconds - 3})`)
      await page.waitForFunction('video.ended')
      assert.deepEqual(await errors(page), [])
      const decoded = (await page.evaluate('decoded()')) as { totalVideoFrames: number; sound: number }
      assert.ok(decoded.totalVideoFrames > 50, JSON.stringify(decoded))
      assert.ok(decoded.sound > 10_000, JSON.stringify(decoded))
      assert.ok(Math.abs(((await page.evaluate('video.duration')) as number) - seconds) < 0.2)
      for (const height of heights)
        assert.ok(
          segments(sent).some((path) => path.includes(`/${height}p-`)),
          `${height}`,
        )
      await page.context().close()
    })
  }

  test('by its signed address, neither header nor cookie says who plays, and segments come from the edge', async () => {
    const { page, sent } = await open()
    await page.evaluate('start()')
    await page.waitForFunction('video.currentTime > 0.5')
    const players = sent.filter((one) => !one.url().includes('/download/'))
    assert.ok(players.length >= 5)
    for (const request of players) {
      const { cookie, authorization } = await request.allHeaders()
      assert.deepEqual([cookie, authorization], [undefined, undefined])
    }
    assert.ok(segments(sent).every((path) => path.startsWith(`/cdn/${media_id}/v`)))
    assert.deepEqual(await page.context().cookies(), [])
    await page.context().close()
  })

  const page = 'docs/delivery.md'
  const snippets = [...blocksOf(page, 'Play it', 'js'), ...blocksOf(page, 'Cookies instead', 'js')]
  for (const [index, code] of snippets.entries()) {
    test(`the code of docs/delivery.md plays: ${
      code
        .split('\n')
        .find((line) => line.includes('new Hls'))
        ?.trim() ?? index
    }`, async () => {
      const { page } = await open()
      await page.evaluate(`run(${JSON.stringify(code.replaceAll('http://127.0.0.1:8080', target.url))})`)
      await page.waitForFunction('video.currentTime > 0.5')
      await page.context().close()
    })
  }

  test("the browser's own player", async () => {
    const { page, sent } = await open()
    await page.evaluate('startNative()')
    await page.waitForFunction('video.currentTime > 0.5')
    assert.match(String(await page.evaluate('video.currentSrc')), /\/hls\/master\.m3u8\?Policy=/)
    await page.evaluate(`seek(${seconds - 1})`)
    await page.waitForFunction('video.ended')
    assert.equal(await page.evaluate('video.error'), null)
    assert.ok(segments(sent).length > 0)
    await page.context().close()
  })

  test('the storyboard, and its pictures', async () => {
    const { page } = await open()
    const widths = (await page.evaluate('sheets()')) as number[]
    assert.ok(widths.length > 0 && widths.every((width) => width > 0), String(widths))
    await page.context().close()
  })

  test('what /openapi.json promises of streams', async () => {
    const judge = await openJudge(target.url)
    for (const rendition of ['hls', 'storyboard.vtt']) {
      const asked = `/api/media/download/${media_id}?rendition=${rendition}`
      const { json } = await judge.ask('GET', asked, { headers: { accept: 'application/json' } })
      const { status, text } = await judge.ask('GET', json.url.slice(target.url.length))
      assert.deepEqual([status, text.includes('Policy=')], [200, true])
      assert.equal((await judge.ask('GET', new URL(json.url).pathname)).status, 403)
      const byCookies = await judge.ask('GET', `${asked}&cookies=true`, { headers: { accept: 'application/json' } })
      assert.equal(byCookies.headers.getSetCookie().length, 3)
    }
    assert.deepEqual(judge.unseen('stream'), [])
  })

  test('a deleted media plays no further', async () => {
    const { page } = await open()
    const address = await page.evaluate("addressOf('hls')")
    assert.equal((await fetch(`${target.url}/api/media/${media_id}`, { method: 'DELETE' })).status, 204)
    await page.evaluate(`void start('${address}')`)
    await page.waitForFunction('errors.length > 0')
    assert.deepEqual(await errors(page), [{ details: 'manifestLoadError', fatal: true, status: 404 }])
    await page.context().close()
  })
})
