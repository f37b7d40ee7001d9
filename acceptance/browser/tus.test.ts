import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { SignJWT } from 'jose'
import type { Browser, Page } from 'playwright-core'
import { startTarget, type Target } from '../target.ts'
import { openBrowser, openPages, type Pages } from './browser.ts'
import { assertProcessed, bytesBelow, type Given, listen, makeFile, type Sent, throttle, until } from './kit.ts'

/** @uppy/core and @uppy/tus as npm delivers them, on a page of another origin. */

interface Outcome {
  uploaded: { name: string; uploadURL: string }[]
  failed: { name: string; error: string }[]
}

const secret = 'thirty-two bytes or more, they say'
const mebi = 1024 * 1024
const door = '/api/media/upload/tus'
const idOf = (url: string | undefined) => url?.split('/').at(-1) ?? ''
const count = (sent: Sent[], asked: string) => sent.filter(({ method }) => method === asked).length

describe('an unmodified @uppy/tus', () => {
  let folder: string
  let browser: Browser
  let pages: Pages
  let target: Target
  let photo: Given
  let film: Given
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'browser-'))
    browser = await openBrowser()
    pages = await openPages('uppy')
    target = await startTarget({ dataDir: join(folder, 'data'), env: { CORS_ORIGINS: pages.origin } })
    photo = await makeFile(folder, 'photo.jpg')
    film = await makeFile(folder, 'clip.mp4', 30)
  })
  after(async () => {
    await browser?.close()
    await target?.stop()
    await pages?.close()
    await rm(folder, { recursive: true, force: true })
  })

  async function open(told: Record<string, string> = {}): Promise<{ page: Page; sent: Sent[] }> {
    const page = await browser.newPage()
    const sent = listen(page)
    await page.goto(pages.at('uppy', { door: 'tus', endpoint: target.url + door, ...told }))
    return { page, sent }
  }

  const upload = async (page: Page) => (await page.evaluate('upload()')) as Outcome
  /** Begins, and waits until the page itself has done `then` when `bytes` are told to be stored. */
  async function uploadUntil(page: Page, bytes: number, then: string): Promise<void> {
    await page.evaluate(`
      uppy.on('upload-progress', (_file, { bytesUploaded }) => {
        if (window.reached || bytesUploaded < ${bytes}) return
        window.reached = true
        ${then}
      })
      void upload()
    `)
    await page.waitForFunction('window.reached')
  }
  const success = (page: Page) =>
    page.evaluate("new Promise((resolve) => uppy.once('upload-success', (_file, { uploadURL }) => resolve(uploadURL)))")
  const uploadUrl = async (page: Page) => (await page.evaluate('uppy.getFiles()[0].tus?.uploadUrl')) as string

  test('a picture, and its title', async () => {
    const { page } = await open({ title: 'Mountain Adventure' })
    await page.setInputFiles('input', photo.path)
    const { uploaded, failed } = await upload(page)
    assert.deepEqual(failed, [])
    const record = await assertProcessed(idOf(uploaded[0]?.uploadURL), { url: target.url, file: photo })
    assert.deepEqual([record.title, record.filename], ['Mountain Adventure', 'photo.jpg'])
    await page.close()
  })

  test('thirty megabytes in one request, and in chunks', async () => {
    for (const [chunk, patches] of [
      ['', 1],
      [String(8 * mebi), 4],
    ] as const) {
      const { page, sent } = await open({ chunk })
      await page.setInputFiles('input', film.path)
      const { uploaded, failed } = await upload(page)
      assert.deepEqual(failed, [])
      await assertProcessed(idOf(uploaded[0]?.uploadURL), { url: target.url, file: film })
      assert.equal(count(sent, 'PATCH'), patches)
      await page.close()
    }
  })

  test('a pause, and on again where it was', async () => {
    const { page, sent } = await open({ chunk: String(5 * mebi) })
    await page.setInputFiles('input', film.path)
    const done = success(page)
    await uploadUntil(page, 10 * mebi, 'uppy.pauseAll()')
    await page.evaluate('uppy.resumeAll()')
    await assertProcessed(idOf((await done) as string), { url: target.url, file: film })
    assert.deepEqual([count(sent, 'POST'), count(sent, 'HEAD')], [1, 1])
    assert.ok(count(sent, 'PATCH') <= 7, `${count(sent, 'PATCH')} chunks sent of 6`)
    await page.close()
  })

  test('a reload, and on again from what the browser remembers', async () => {
    const { page, sent } = await open({ chunk: String(5 * mebi) })
    await page.setInputFiles('input', film.path)
    await uploadUntil(page, 10 * mebi, 'uppy.pauseAll()')
    const url = await uploadUrl(page)
    await page.reload()
    await page.setInputFiles('input', film.path)
    const { uploaded, failed } = await upload(page)
    assert.deepEqual([failed, uploaded[0]?.uploadURL], [[], url])
    await assertProcessed(idOf(url), { url: target.url, file: film })
    assert.equal(count(sent, 'POST'), 1)
    assert.ok(count(sent, 'PATCH') <= 7, `${count(sent, 'PATCH')} chunks sent of 6`)
    await page.close()
  })

  test('a service that dies and comes back: Uppy goes on by itself', async (t) => {
    const dataDir = join(folder, 'dying')
    const env = { CORS_ORIGINS: pages.origin }
    let dying = await startTarget({ dataDir, env })
    t.after(() => dying.stop())
    const { port } = new URL(dying.url)
    const { page, sent } = await open({ endpoint: dying.url + door, chunk: String(5 * mebi) })
    await page.setInputFiles('input', film.path)
    await throttle(page, 10 * mebi)
    const done = success(page)
    await uploadUntil(page, 10 * mebi, '')
    await dying.kill()
    dying = await startTarget({ dataDir, env: { ...env, PORT: port } })
    await assertProcessed(idOf((await done) as string), { url: dying.url, file: film })
    assert.equal(count(sent, 'POST'), 1)
    assert.ok(count(sent, 'HEAD') >= 1, 'it was over before the service died')
    await page.close()
  })

  test('cancelled: neither media nor bytes are left', async () => {
    const objects = join(folder, 'data', 'objects')
    const before = await bytesBelow(objects)
    const { page } = await open({ chunk: String(5 * mebi) })
    await page.setInputFiles('input', film.path)
    await uploadUntil(page, 10 * mebi, 'window.kept = uppy.getFiles()[0].tus.uploadUrl; uppy.cancelAll()')
    const media_id = idOf((await page.evaluate('window.kept')) as string)
    await until(async () => (await fetch(`${target.url}/api/media/${media_id}`)).status === 404)
    await until(async () => (await bytesBelow(objects)) < before + mebi)
    await page.close()
  })

  test('with identity: a token in a header', async (t) => {
    const guarded = await startTarget({ env: { CORS_ORIGINS: pages.origin, AUTH_JWT_SECRET: secret } })
    t.after(() => guarded.stop())
    const token = await new SignJWT({ sub: 'ann' }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(secret))
    const endpoint = guarded.url + door
    const { page } = await open({ endpoint, token })
    await page.setInputFiles('input', film.path)
    const { uploaded, failed } = await upload(page)
    assert.deepEqual(failed, [])
    const headers = { authorization: `Bearer ${token}` }
    const media_id = idOf(uploaded[0]?.uploadURL)
    const record = await assertProcessed(media_id, { url: guarded.url, file: film, headers })
    assert.equal(record.user_id, 'ann')
    await page.close()
    const { page: stranger } = await open({ endpoint })
    await stranger.setInputFiles('input', photo.path)
    assert.equal((await upload(stranger)).failed.length, 1)
    await stranger.close()
  })
})
