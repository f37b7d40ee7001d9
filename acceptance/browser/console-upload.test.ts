import assert from 'node:assert/strict'
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { SignJWT } from 'jose'
import type { Browser } from 'playwright-core'
import { startTarget, type Target } from '../target.ts'
import { openBrowser } from './browser.ts'
import { assertAccessible, choose, give, holds, visit } from './console-kit.ts'
import { assertProcessed, type Given, listen, makeFile, throttle } from './kit.ts'

describe('uploading in the console', () => {
  let folder: string
  let browser: Browser
  let target: Target
  let photo: Given
  let film: Given
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'console-'))
    browser = await openBrowser()
    target = await startTarget()
    photo = await makeFile(folder, 'photo.jpg')
    film = await makeFile(folder, 'clip.mp4', 18)
  })
  after(async () => {
    await browser?.close()
    await target?.stop()
    await rm(folder, { recursive: true, force: true })
  })
  const newest = async (q: string): Promise<string> => {
    const { items } = await (await fetch(`${target.url}/api/media?q=${q}&limit=1`)).json()
    return items[0].media_id
  }

  test('drag and drop: seen on its way, in the grid, and ready without a reload', async () => {
    const { page, complaints } = await visit(browser, target.url)
    await page.getByText('Drop a video, a picture or a sound').waitFor()
    await assertAccessible(page, 'nothing yet')
    await give(page, 'drop', [photo.path])
    const tray = page.getByRole('region', { name: 'Uploads' })
    await tray.getByRole('link', { name: 'Ready' }).waitFor()
    await page.getByRole('list', { name: 'Media' }).getByText('photo', { exact: true }).waitFor()
    await holds(page, `document.querySelector('.card .sharp.loaded') !== null`)
    await tray.getByRole('link', { name: 'Ready' }).click()
    await page.getByRole('heading', { level: 1, name: 'photo' }).waitFor()
    await assertProcessed(await newest('photo'), { url: target.url, file: photo })
    assert.deepEqual(complaints, [])
    await page.context().close()
  })

  test('pasted, many at once, one of them empty: it says so, and the others go on', async () => {
    const empty = join(folder, 'nothing.jpg')
    await writeFile(empty, '')
    const { page } = await visit(browser, target.url)
    await give(page, 'paste', [photo.path, empty, photo.path])
    const tray = page.getByRole('region', { name: 'Uploads' })
    await tray.getByText('2 uploaded, 1 failed').first().waitFor()
    await tray.getByText('The file is empty.').waitFor()
    await assertAccessible(page, 'uploads, one of them failed')
    await tray.getByRole('button', { name: 'Clear' }).click()
    await tray.waitFor({ state: 'detached' })
    await page.context().close()
  })

  test('a picture that was copied, and has no name of its own', async () => {
    const copied = join(folder, 'image.png')
    await copyFile(photo.path, copied)
    const { page } = await visit(browser, target.url)
    await give(page, 'paste', [copied])
    const tray = page.getByRole('region', { name: 'Uploads' })
    await tray.getByText(/^Pasted [A-Z][a-z]+ \d+, \d{4}, \d/).waitFor()
    await tray.getByRole('link').waitFor()
    await page.context().close()
  })

  test('a whole folder, without what systems put into it', async () => {
    const album = join(folder, 'album')
    await mkdir(join(album, 'inner'), { recursive: true })
    await copyFile(photo.path, join(album, 'first.jpg'))
    await copyFile(photo.path, join(album, 'inner', 'second.jpg'))
    await writeFile(join(album, '.DS_Store'), 'x')
    const { page } = await visit(browser, target.url)
    await page.locator('.bar').getByLabel('Folder to upload').setInputFiles(album)
    const tray = page.getByRole('region', { name: 'Uploads' })
    await tray.getByText('2 uploaded', { exact: true }).first().waitFor()
    assert.deepEqual((await tray.locator('.upload-title').allTextContents()).toSorted(), ['first', 'second'])
    await page.context().close()
  })

  test('a reload in the middle: it goes on by itself from what the store holds', async () => {
    const { page } = await visit(browser, target.url)
    await page.getByTestId('files').waitFor({ state: 'attached' })
    const sent = listen(page)
    await throttle(page, 4 * 1024 * 1024)
    await choose(page, film.path)
    await holds(
      page,
      `[...document.querySelectorAll('.upload [role=progressbar]')].some((one) => Number(one.ariaValueNow) > 45)`,
    )
    await page.reload()
    await page.getByRole('region', { name: 'Uploads' }).getByRole('link').waitFor()
    await assertProcessed(await newest('clip'), { url: target.url, file: film })
    assert.equal(sent.filter(({ method, url }) => method === 'POST' && url.endsWith('/init')).length, 1)
    const parts = sent.filter(({ method }) => method === 'PUT').length
    // Four parts; those that were on their way at the reload, two at most, go twice.
    assert.ok(parts >= 4 && parts <= 6, `${parts} parts sent`)
    await page.context().close()
  })

  test('paused and gone on with; cancelled, and nothing is left', async () => {
    const { page } = await visit(browser, target.url)
    await page.getByTestId('files').waitFor({ state: 'attached' })
    await throttle(page, 3 * 1024 * 1024)
    await choose(page, film.path)
    await page.getByRole('button', { name: 'Pause clip' }).click()
    await page.getByText(/^Paused ·/).waitFor()
    await page.reload()
    // A pause outlasts a reload.
    await page.getByText(/^Paused ·/).waitFor()
    await page.getByRole('button', { name: 'Resume clip' }).click()
    await holds(
      page,
      `[...document.querySelectorAll('.upload [role=progressbar]')].some((one) => Number(one.ariaValueNow) > 30)`,
    )
    await page.getByRole('button', { name: 'Cancel clip' }).click()
    await page.getByRole('region', { name: 'Uploads' }).waitFor({ state: 'detached' })
    await holds(
      page,
      `fetch('/api/media?status=uploading').then((one) => one.json()).then(({ items }) => items.length === 0)`,
    )
    await page.reload()
    await page.getByRole('list', { name: 'Media' }).waitFor()
    assert.equal(await page.getByRole('region', { name: 'Uploads' }).count(), 0)
    await page.context().close()
  })

  for (const clicks of [['Cancel clip'], ['Pause clip', 'Cancel clip']]) {
    test(`${clicks.join(', ')} while it is being begun: nothing is left of it`, async () => {
      const { page } = await visit(browser, target.url)
      await page.getByTestId('files').waitFor({ state: 'attached' })
      let begun = 0
      await page.route('**/api/media/upload/init', async (route) => {
        for (const name of clicks) await page.getByRole('button', { name }).click()
        await route.continue()
        begun += 1
      })
      const removed = page.waitForResponse((answer) => answer.request().method() === 'DELETE')
      await choose(page, film.path)
      assert.ok((await removed).ok())
      assert.equal(begun, 1)
      const { items } = await (await fetch(`${target.url}/api/media?status=uploading`)).json()
      assert.deepEqual(items, [])
      await page.context().close()
    })
  }

  test('a file too large for the browser to keep is asked for again, and goes on', async () => {
    const large = await makeFile(await mkdtemp(join(folder, 'large-')), 'clip.mp4', 70)
    const { page } = await visit(browser, target.url)
    await page.getByTestId('files').waitFor({ state: 'attached' })
    const sent = listen(page)
    await throttle(page, 12 * 1024 * 1024)
    await choose(page, large.path)
    await holds(
      page,
      `[...document.querySelectorAll('.upload [role=progressbar]')].some((one) => Number(one.ariaValueNow) > 40)`,
    )
    await page.reload()
    const choosing = page.waitForEvent('filechooser')
    await page.getByRole('button', { name: 'Choose again' }).click()
    await (await choosing).setFiles(large.path)
    await page.getByRole('region', { name: 'Uploads' }).getByRole('link').waitFor()
    await assertProcessed(await newest('clip'), { url: target.url, file: large })
    assert.equal(sent.filter(({ method, url }) => method === 'POST' && url.endsWith('/init')).length, 1)
    assert.ok(sent.filter(({ method }) => method === 'PUT').length <= 14 + 3)
    await page.context().close()
  })

  test('a sign-in that ends in the middle: who comes next sees nothing of it, and it goes on for who began it', async () => {
    const secret = 'thirty-two bytes or more, they say'
    const strict = await startTarget({ env: { AUTH_JWT_SECRET: secret }, embedded: true })
    const tokenOf = async (sub: string) =>
      await new SignJWT({ sub }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(secret))
    const { page } = await visit(browser, strict.url)
    const signIn = async (sub: string) => {
      await page.getByLabel('Access token').fill(await tokenOf(sub))
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.getByTestId('files').waitFor({ state: 'attached' })
    }
    const endSession = async () => {
      await page.evaluate('sessionStorage.clear()')
      await page.reload()
    }
    try {
      await signIn('u1')
      await throttle(page, 4 * 1024 * 1024)
      await choose(page, film.path)
      await holds(page, `Number(document.querySelector('.upload [role=progressbar]').ariaValueNow) > 30`)
      await endSession()
      await signIn('u2')
      await page.getByText('Drop a video, a picture or a sound').waitFor()
      assert.equal(await page.getByRole('region', { name: 'Uploads' }).count(), 0)
      await endSession()
      await signIn('u1')
      await page.getByRole('region', { name: 'Uploads' }).getByRole('link').waitFor()
      const headers = { authorization: `Bearer ${await tokenOf('u1')}` }
      const { items } = await (await fetch(`${strict.url}/api/media`, { headers })).json()
      assert.equal(items.length, 1)
      await assertProcessed(items[0].media_id, { url: strict.url, file: film, headers })
    } finally {
      await page.context().close()
      await strict.stop()
    }
  })
})
