import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { SignJWT } from 'jose'
import type { Browser, Page } from 'playwright-core'
import { openProxy } from '../../client/src/proxy.test.ts'
import { startTarget, type Target } from '../target.ts'
import { openBrowser, openPages, type Pages } from './browser.ts'
import { assertProcessed, bytesBelow, type Given, listen, makeFile, type Sent, until } from './kit.ts'

/** @uppy/core and @uppy/aws-s3 as npm delivers them, told nothing but `companionEndpoint`, on a page of another origin. */

interface Outcome {
  uploaded: { name: string; uploadURL: string; key: string }[]
  failed: { name: string; error: string }[]
}

const secret = 'thirty-two bytes or more, they say'
const mebi = 1024 * 1024
const partsOf = (sent: Sent[]) => sent.filter(({ method, url }) => method === 'PUT' && url.includes('/store/'))

describe('an unmodified @uppy/aws-s3', () => {
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
    await page.goto(pages.at('uppy', { endpoint: target.url, ...told }))
    return { page, sent }
  }

  const upload = async (page: Page) => (await page.evaluate('upload()')) as Outcome
  /** Begins, and waits until the page itself has done `then` after the first part. */
  async function uploadUntilFirstPart(page: Page, then: string): Promise<void> {
    await page.evaluate(
      `uppy.once('s3-multipart:part-uploaded', () => { ${then}; window.reached = true }); void upload()`,
    )
    await page.waitForFunction('window.reached')
  }
  const idIn = (sent: Sent[]) =>
    /\/s3\/multipart\/([0-9a-f-]{36})\//.exec(sent.map(({ url }) => url).join('\n'))?.[1] ?? ''

  test('a picture: one form, and the page learns where the media is', async () => {
    const { page, sent } = await open({ title: 'Mountain Adventure' })
    await page.setInputFiles('input', photo.path)
    const { uploaded, failed } = await upload(page)
    assert.deepEqual(failed, [])
    const [{ key, uploadURL } = { key: '', uploadURL: '' }] = uploaded
    assert.equal(uploadURL, `${target.url}/api/media/${key}`)
    const record = await assertProcessed(key, { url: target.url, file: photo })
    assert.deepEqual([record.title, record.filename], ['Mountain Adventure', 'photo.jpg'])
    assert.equal(sent.filter(({ method }) => method === 'POST').length, 1)
    await page.close()
  })

  test('thirty megabytes in parts, straight to the store', async () => {
    const { page, sent } = await open({ multipart: 'true' })
    await page.setInputFiles('input', film.path)
    const { uploaded, failed } = await upload(page)
    assert.deepEqual(failed, [])
    const record = await assertProcessed(uploaded[0]?.key ?? '', { url: target.url, file: film })
    assert.deepEqual([record.title, record.media_type], ['clip', 'video'])
    assert.match(String(record.etag), /^[0-9a-f]{32}-6$/)
    assert.equal(uploaded[0]?.uploadURL, `${target.url}/api/media/${uploaded[0]?.key}`)
    assert.equal(partsOf(sent).length, 6)
    await page.close()
  })

  test('a pause, and on again where it was', async () => {
    const { page, sent } = await open({ multipart: 'true' })
    await page.setInputFiles('input', film.path)
    const success = page.evaluate(
      `new Promise((resolve) => uppy.once('upload-success', (_file, { body }) => resolve(body.key)))`,
    )
    await uploadUntilFirstPart(page, 'uppy.pauseAll()')
    const before = partsOf(sent).length
    assert.ok(before <= 2, `${before} parts begun`)
    await page.evaluate('uppy.resumeAll()')
    await assertProcessed((await success) as string, { url: target.url, file: film })
    assert.ok(partsOf(sent).length <= 7, `${partsOf(sent).length} parts sent of 6`)
    await page.close()
  })

  test('a reload, and on again from what the store holds', async () => {
    const { page, sent } = await open({ multipart: 'true' })
    await page.setInputFiles('input', film.path)
    await uploadUntilFirstPart(page, 'uppy.pauseAll()')
    const media_id = idIn(sent)
    await page.reload()
    await page.setInputFiles('input', film.path)
    const { uploaded, failed } = await upload(page)
    assert.deepEqual([failed, uploaded[0]?.key], [[], media_id])
    await assertProcessed(media_id, { url: target.url, file: film })
    assert.ok(partsOf(sent).length <= 7, `${partsOf(sent).length} parts sent of 6`)
    await page.close()
  })

  test('a service that dies and comes back: Uppy goes on with a retry', async (t) => {
    const dataDir = join(folder, 'dying')
    let dying = await startTarget({ dataDir, env: { CORS_ORIGINS: pages.origin } })
    t.after(() => dying.stop())
    const { port } = new URL(dying.url)
    const { page, sent } = await open({ multipart: 'true', endpoint: dying.url })
    await page.setInputFiles('input', film.path)
    await uploadUntilFirstPart(page, 'uppy.pauseAll()')
    await dying.kill()
    dying = await startTarget({ dataDir, env: { CORS_ORIGINS: pages.origin, PORT: port } })
    const success = page.evaluate(
      `new Promise((resolve) => uppy.once('upload-success', (_file, { body }) => resolve(body.key)))`,
    )
    await page.evaluate('uppy.resumeAll()')
    await assertProcessed((await success) as string, { url: dying.url, file: film })
    assert.ok(partsOf(sent).length <= 7, `${partsOf(sent).length} parts sent of 6`)
    await page.close()
  })

  test('cancelled: neither media nor parts are left', async () => {
    const { page, sent } = await open({ multipart: 'true' })
    const objects = join(folder, 'data', 'objects')
    const before = await bytesBelow(objects)
    await page.setInputFiles('input', film.path)
    await uploadUntilFirstPart(page, 'uppy.cancelAll()')
    const media_id = idIn(sent)
    await until(async () => (await fetch(`${target.url}/api/media/${media_id}`)).status === 404)
    await until(async () => (await bytesBelow(objects)) < before + mebi)
    assert.equal((await fetch(`${target.url}/s3/multipart/${media_id}`)).status, 404)
    await page.close()
  })

  describe('over a network that loses answers', () => {
    let proxy: Awaited<ReturnType<typeof openProxy>>
    let behind: Target
    before(async () => {
      proxy = await openProxy()
      behind = await startTarget({ env: { CORS_ORIGINS: pages.origin, PUBLIC_URL: proxy.url } })
      proxy.lead(behind.url)
    })
    after(async () => {
      await behind?.stop()
      await proxy?.close()
    })
    const loseFirst = (ending: RegExp) => {
      let lost = false
      proxy.breakBy(({ method, path }) => {
        if (lost || method !== 'POST' || !ending.test(path)) return undefined
        lost = true
        return { loseAnswer: true }
      })
    }
    const listed = async () => ((await (await fetch(`${behind.url}/api/media`)).json()) as { items: object[] }).items

    test('a form that Uppy posts again by itself is one media', async () => {
      loseFirst(/^\/api\/media$/)
      const { page, sent } = await open({ endpoint: proxy.url })
      await page.setInputFiles('input', photo.path)
      const { uploaded, failed } = await upload(page)
      assert.deepEqual(failed, [])
      assert.equal(sent.filter(({ method }) => method === 'POST').length, 2)
      await assertProcessed(uploaded[0]?.key ?? '', { url: behind.url, file: photo })
      assert.equal((await listed()).length, 1)
      await page.close()
    })

    test('a retry after a lost answer to `complete` sends nothing again', async () => {
      loseFirst(/\/complete$/)
      const before = (await listed()).length
      const { page, sent } = await open({ endpoint: proxy.url, multipart: 'true' })
      await page.setInputFiles('input', film.path)
      assert.equal((await upload(page)).failed.length, 1)
      const again = (await page.evaluate('uppy.retryAll()')) as {
        successful: { response: { body: { key: string } } }[]
      }
      const { key = '' } = again.successful[0]?.response.body ?? {}
      await assertProcessed(key, { url: behind.url, file: film })
      assert.equal(partsOf(sent).length, 6)
      assert.equal((await listed()).length, before + 1)
      await page.close()
    })
  })

  test('what is no media is refused', async () => {
    const { page } = await open()
    const { failed } = (await page.evaluate(
      `uppy.addFile({ name: 'page.mp4', type: 'video/mp4', data: new Blob(['<html>no video</html>']) }); upload()`,
    )) as Outcome
    assert.equal(failed.length, 1)
    await page.close()
  })

  test('a page of an origin that is not allowed gets nowhere', async (t) => {
    const others = await openPages('uppy')
    t.after(others.close)
    const page = await browser.newPage()
    await page.goto(others.at('uppy', { endpoint: target.url }))
    await page.setInputFiles('input', photo.path)
    const { uploaded, failed } = await upload(page)
    assert.deepEqual([uploaded.length, failed.length], [0, 1])
    await page.close()
  })

  test('with identity: a token in the endpoint, which no log shows', async (t) => {
    const env = { CORS_ORIGINS: pages.origin, AUTH_JWT_SECRET: secret, LOG_LEVEL: 'debug' }
    const guarded = await startTarget({ env })
    t.after(() => guarded.stop())
    const jwt = await new SignJWT({ sub: 'ann' }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(secret))
    const headers = { authorization: `Bearer ${jwt}` }
    const answer = await fetch(`${guarded.url}/api/media/upload/token`, { method: 'POST', headers })
    const { token, companion_endpoint } = (await answer.json()) as Record<string, string>
    for (const [file, multipart] of [
      [photo, 'false'],
      [film, 'true'],
    ] as const) {
      const { page, sent } = await open({ endpoint: companion_endpoint ?? '', multipart })
      await page.setInputFiles('input', file.path)
      const { uploaded, failed } = await upload(page)
      assert.deepEqual(failed, [])
      const record = await assertProcessed(uploaded[0]?.key ?? '', { url: guarded.url, file, headers })
      assert.equal(record.user_id, 'ann')
      assert.ok(sent.every(({ url }) => url.startsWith(pages.origin) || !url.includes(jwt)))
      await page.close()
    }
    const { page } = await open({ endpoint: guarded.url })
    await page.setInputFiles('input', photo.path)
    assert.equal((await upload(page)).failed.length, 1)
    await page.close()
    await guarded.stop()
    assert.match(guarded.said(), /"path":"\/companion\/…\/s3\/params"/)
    for (const word of [token ?? '', 'upload_token', jwt])
      assert.ok(!guarded.said().includes(word), 'a log shows a token')
  })
})
