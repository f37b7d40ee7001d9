import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { type Block, blocksIn, blocksOf } from '../../scripts/pages.ts'
import { makeSample } from '../samples.ts'
import { startTarget, type Target } from '../target.ts'
import { openBrowser } from './browser.ts'
import { type GuidePages, openGuidePages } from './guide-pages.ts'
import { until } from './kit.ts'

/** The code of the guides for pages, as it stands there, in Chromium on a page of another origin than the service's. */

const webPage = blocksIn('docs/guides/web-page.md')
const react = blocksIn('docs/guides/react.md')

describe('guides for pages', () => {
  let folder: string
  let browser: Browser
  let pages: GuidePages
  let target: Target
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'guides-'))
    for (const name of ['clip.mp4', 'photo.jpg'] as const) {
      await writeFile(join(folder, name), await (await makeSample(name)).bytes())
    }
    browser = await openBrowser()
    pages = await openGuidePages()
    target = await startTarget({ env: { CORS_ORIGINS: pages.origin }, embedded: true })
  })
  after(async () => {
    await browser?.close()
    await target?.stop()
    await pages?.close()
    await rm(folder, { recursive: true, force: true })
  })

  /** The page, and what it said to the console. */
  async function visit(address: string): Promise<{ page: Page; said: string[] }> {
    const page = await (await browser.newContext()).newPage()
    page.setDefaultTimeout(60_000)
    const said: string[] = []
    page.on('console', (one) => said.push(one.text()))
    page.on('pageerror', ({ message }) => said.push(`error: ${message}`))
    await page.goto(address)
    return { page, said }
  }
  const clip = () => join(folder, 'clip.mp4')
  const codeOf = ({ code }: Block) => code.replaceAll('http://127.0.0.1:8080', target.url)
  const find = (blocks: Block[], words: string) =>
    codeOf(blocks.find(({ code }) => code.includes(words)) ?? assert.fail())
  const played = `(async () => {
    const video = document.querySelector('video')
    if (!video) return false
    video.muted = true
    await video.play().catch(() => {})
    return video.currentTime > 0.2
  })()`
  const plays = async (page: Page) => await until(async () => Boolean(await page.evaluate(played)))

  test('a page with nothing but the browser uploads, watches and plays', async () => {
    const { page, said } = await visit(await pages.html(find(webPage, '<form>')))
    await page.fill('[name=title]', 'Mountain Adventure')
    await page.setInputFiles('[name=file]', clip())
    await page.click('button')
    await plays(page)
    assert.match((await page.textContent('output')) ?? '', /processed/)
    assert.deepEqual(said, [])
    await page.context().close()
  })

  test('and says why when it is refused', async () => {
    const { page } = await visit(await pages.html(find(webPage, '<form>')))
    await page.fill('[name=title]', 'No media')
    await page.setInputFiles('[name=file]', { name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('no media') })
    await page.click('button')
    const told = await until(async () => {
      const text = await page.textContent('output')
      return text !== '' && text !== 'uploading…' && text
    })
    assert.match(told, /This is no image, video or sound/)
    await page.context().close()
  })

  test('a page with our client', async () => {
    const { page, said } = await visit(await pages.html(find(webPage, 'stored_bytes')))
    await page.setInputFiles('input', clip())
    await page.waitForFunction(`document.querySelector('output').textContent === 'processed'`)
    assert.equal(await page.evaluate(`document.querySelector('progress').value`), 1)
    assert.deepEqual(said, [])
    await page.context().close()
  })

  for (const plugin of ['@uppy/aws-s3', '@uppy/tus']) {
    test(`Uppy by ${plugin}`, async () => {
      const { page, said } = await visit(await pages.script(find(webPage, plugin), '<input type="file">'))
      await page.setInputFiles('input', join(folder, 'photo.jpg'))
      const told = await until(async () => said.find((line) => line.startsWith('photo.jpg ')) ?? null)
      const media_id = told.split(' ')[1] ?? ''
      const record = await (await fetch(`${target.url}/api/media/${media_id}`)).json()
      assert.deepEqual([record.title, record.media_type], ['photo.jpg', 'image'])
      await page.context().close()
    })
  }

  test('React: uploads, shows how far it is, and plays the stream', async () => {
    const { page, said } = await visit(await pages.react(react.map(codeOf), `<App />`))
    await page.setInputFiles('input', clip())
    await page.waitForSelector('[role=status], video')
    await plays(page)
    assert.match(String(await page.evaluate(`document.querySelector('video').src`)), /^blob:/)
    assert.deepEqual(said, [])
    await page.context().close()
  })

  test('React: says why an upload was refused', async () => {
    const { page } = await visit(await pages.react(react.map(codeOf), `<App />`))
    await page.setInputFiles('input', { name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('no media') })
    assert.notEqual(await page.textContent('[role=alert]'), '')
    await page.context().close()
  })

  test('React: a picture in the width that the page needs', async () => {
    const form = new FormData()
    form.append('title', 'Photo')
    form.append('file', await makeSample('photo.jpg'))
    const { media_id } = await (await fetch(`${target.url}/api/media/upload`, { method: 'POST', body: form })).json()
    await until(async () => (await (await fetch(`${target.url}/api/media/${media_id}`)).json()).status === 'processed')
    const { page, said } = await visit(
      await pages.react(react.map(codeOf), `<Picture media_id="${media_id}" alt="Photo" />`),
    )
    await page.waitForFunction(`document.querySelector('img')?.naturalWidth > 0`)
    assert.match(
      String(await page.evaluate(`document.querySelector('img').currentSrc`)),
      /\/i\/.*width=\d+,format=auto/,
    )
    assert.deepEqual(said, [])
    await page.context().close()
  })

  test('the markup of docs/delivery.md plays a stream by itself', async () => {
    const form = new FormData()
    form.append('title', 'Clip')
    form.append('file', await makeSample('clip.mp4'))
    const { media_id } = await (await fetch(`${target.url}/api/media/upload`, { method: 'POST', body: form })).json()
    await until(async () => (await (await fetch(`${target.url}/api/media/${media_id}`)).json()).status === 'processed')
    const asked = `${target.url}/api/media/download/${media_id}?rendition=hls`
    const { url } = await (await fetch(asked, { headers: { accept: 'application/json' } })).json()
    const [markup = ''] = blocksOf('docs/delivery.md', 'Play it', 'html')
    const { page } = await visit(await pages.html(markup.replace('{url}', url)))
    await plays(page)
    await page.context().close()
  })
})
