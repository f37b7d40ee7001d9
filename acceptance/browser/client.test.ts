import assert from 'node:assert/strict'
import { appendFile } from 'node:fs/promises'
import { after, before, beforeEach, describe, test } from 'node:test'
import { SignJWT } from 'jose'
import type { Browser, Page } from 'playwright-core'
import { type Kit, openKit } from '../../client/src/kit.test.ts'
import { openBrowser, openPages, type Pages } from './browser.ts'
import { assertProcessed, type Given, makeFile } from './kit.ts'

/** The service's own client on a page of another origin, behind a network that breaks as asked. */

interface Outcome {
  media_id: string
  status: string
  error?: { name: string; code: string; message: string; media_id: string }
}
interface Report {
  stored_bytes: number
  sent_bytes: number
  total: number
}

const mebi = 1024 * 1024
const secret = 'thirty-two bytes or more, they say'

describe('the client in a browser', () => {
  let browser: Browser
  let pages: Pages
  let kit: Kit
  let photo: Given
  let film: Given
  before(async () => {
    browser = await openBrowser()
    pages = await openPages('client')
    kit = await openKit({ role: 'all', env: { CORS_ORIGINS: pages.origin } })
    photo = await makeFile(kit.folder, 'photo.jpg')
    film = await makeFile(kit.folder, 'clip.mp4', 28)
  })
  after(async () => {
    await browser?.close()
    await kit?.[Symbol.asyncDispose]()
    await pages?.close()
  })
  beforeEach(() => {
    kit.proxy.breakBy(() => undefined)
    kit.proxy.passed.length = 0
  })

  async function open(path: string, told: Record<string, string> = {}): Promise<Page> {
    const page = await browser.newPage()
    await page.goto(pages.at('client', { endpoint: kit.url, ...told }))
    await page.setInputFiles('input', path)
    return page
  }
  const upload = async (page: Page, options = '{}') => (await page.evaluate(`upload(${options})`)) as Outcome
  const reports = async (page: Page) => (await page.evaluate('progress')) as Report[]
  const puts = () => kit.proxy.passed.filter(({ method }) => method === 'PUT')

  test('a picture: one form, watched until it is processed', async () => {
    const page = await open(photo.path)
    const { media_id } = await upload(page)
    assert.equal(((await page.evaluate(`watch('${media_id}')`)) as string[]).at(-1), 'processed')
    await assertProcessed(media_id, { url: kit.url, file: photo })
    assert.equal(puts().length, 0)
    const url = (await page.evaluate(`media.downloadUrl('${media_id}').then(({ url }) => url)`)) as string
    assert.equal((await fetch(url)).status, 200)
    await page.close()
  })

  test('a film: parts straight to the store, bytes seen as they go', async () => {
    kit.proxy.breakBy(({ method }) => (method === 'PUT' ? { delay: 100 } : undefined))
    const page = await open(film.path)
    const { media_id } = await upload(page)
    await assertProcessed(media_id, { url: kit.url, file: film })
    assert.equal(puts().length, 6)
    const seen = await reports(page)
    assert.deepEqual(seen.at(-1), { stored_bytes: film.size, sent_bytes: film.size, total: film.size })
    assert.ok(
      seen.some(({ stored_bytes, sent_bytes }) => sent_bytes > stored_bytes),
      'no byte was seen on its way',
    )
    await page.close()
  })

  test('a line that breaks, expired addresses, a service that dies', async () => {
    const met = [{ cutAfter: mebi }, { status: 403 }, { status: 503 }, { loseAnswer: true }]
    let n = 0
    kit.proxy.breakBy(({ method }) => (method === 'PUT' ? (met[n++] ?? { delay: 300 }) : undefined))
    const page = await open(film.path)
    const uploading = upload(page)
    await page.waitForFunction('progress.some((report) => report.stored_bytes > 0)')
    await kit.restart(200)
    const { media_id, error } = await uploading
    assert.equal(error, null)
    await assertProcessed(media_id, { url: kit.url, file: film })
    await page.close()
  })

  test('a reload: on again from what the store holds, and forgotten afterwards', async () => {
    kit.proxy.breakBy(({ method }) => (method === 'PUT' ? { delay: 100 } : undefined))
    const page = await open(film.path)
    void page.evaluate('void upload({ concurrency: 1 })')
    await page.waitForFunction('progress.some((report) => report.stored_bytes > 0)')
    const before = kit.proxy.passed.find(({ path }) => path.endsWith('/complete'))
    assert.equal(before, undefined)
    await page.reload()
    await page.setInputFiles('input', film.path)
    const { media_id } = await upload(page)
    await assertProcessed(media_id, { url: kit.url, file: film })
    assert.equal(kit.proxy.passed.filter(({ path, method }) => path.endsWith('/init') && method === 'POST').length, 1)
    assert.ok(((await reports(page))[0]?.stored_bytes ?? 0) >= 5 * mebi)
    assert.ok(puts().length <= 7, `${puts().length} parts sent of 6`)
    assert.equal(await page.evaluate('localStorage.length'), 0)
    await page.close()
  })

  test('cancelled, kept or removed', async () => {
    for (const removeOnAbort of [false, true]) {
      kit.proxy.breakBy(({ method }) => (method === 'PUT' ? { delay: 200 } : undefined))
      const page = await open(film.path)
      const uploading = upload(page, JSON.stringify({ removeOnAbort, concurrency: 2 }))
      await page.waitForFunction('progress.some((report) => report.stored_bytes > 0)')
      await page.evaluate('stop.abort()')
      const { error } = await uploading
      assert.deepEqual([error?.name, error?.code], ['AbortError', 'aborted'])
      assert.equal(await page.evaluate('localStorage.length'), removeOnAbort ? 0 : 1)
      const begun = kit.proxy.passed.filter(({ method }) => method === 'PUT').at(-1)?.path ?? ''
      const { items } = await kit.client().list({ status: 'uploading' })
      assert.equal(
        items.some(({ media_id }) => begun.includes(media_id)),
        !removeOnAbort,
      )
      await page.close()
    }
  })

  test('a file that changes on the way is told', async () => {
    kit.proxy.breakBy(({ method }) => (method === 'PUT' ? { delay: 300 } : undefined))
    const changing = await kit.makeFile(28 * mebi, 'changing.mp4')
    const page = await open(changing.path)
    const uploading = upload(page, '{ concurrency: 1 }')
    await page.waitForFunction('progress.some((report) => report.stored_bytes > 0)')
    await appendFile(changing.path, 'x')
    assert.equal((await uploading).error?.code, 'source_changed')
    await page.close()
  })

  test('with identity', async () => {
    await using strict = await openKit({ env: { CORS_ORIGINS: pages.origin, AUTH_JWT_SECRET: secret } })
    const signing = new SignJWT({ sub: 'u1' }).setProtectedHeader({ alg: 'HS256' }).setExpirationTime('1 hour')
    const token = await signing.sign(new TextEncoder().encode(secret))
    for (const { path } of [photo, film]) {
      const page = await open(path, { endpoint: strict.url, token })
      assert.equal((await upload(page)).status, 'uploaded')
      await page.close()
    }
    const page = await open(photo.path, { endpoint: strict.url })
    assert.equal((await upload(page)).error?.code, 'unauthenticated')
    await page.close()
  })
})
