import { openAsBlob } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { formOf } from '../samples.ts'
import { startTarget, type Target } from '../target.ts'
import { openBrowser } from './browser.ts'
import { choose, give, holds } from './console-kit.ts'
import { makeFile, throttle, until } from './kit.ts'
import { makeBroken, makeLong, makeSamples, type SampleFile } from './screens-samples.ts'

/**
 * Takes a picture of every page of the console, in light and dark, on a desk and on a phone, of a real service with a library
 * that it makes itself. `npm run screens -- OUT`; with a second folder the library is kept there for the next time.
 */

interface Look {
  name: string
  options: BrowserContextOptions
  /** A third look has only the library. */
  only?: string
}

const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true }
const looks: Look[] = (['light', 'dark'] as const).flatMap((colorScheme) => [
  { name: `desktop-${colorScheme}`, options: { viewport: { width: 1440, height: 900 }, colorScheme } },
  { name: `phone-${colorScheme}`, options: { ...phone, colorScheme } },
  { name: `wide-${colorScheme}`, options: { viewport: { width: 1920, height: 1080 }, colorScheme }, only: 'library' },
])

interface Stage {
  url: string
  /** Media by their titles. */
  ids: Record<string, string>
  folder: string
}

type Scene = (page: Page, stage: Stage) => Promise<void>

const media =
  (title: string, there: string): Scene =>
  async (page, { url, ids }) => {
    await page.goto(`${url}/media/${ids[title]}`)
    await page.locator(there).first().waitFor()
    await page.locator('.timeline li').nth(1).waitFor()
  }

const library: Scene = async (page, { url }) => {
  await page.goto(url)
  await page.locator('.card:not(.ghost)').nth(8).waitFor()
  await holds(page, `document.querySelectorAll('.card .sharp.loaded').length >= 6`)
}

/** What is seen of a library that is full. */
const scenes: Record<string, Scene> = {
  library,
  'library-no-result': async (page, { url }) => {
    await page.goto(`${url}/?q=zanzibar&type=video`)
    await page.getByRole('heading', { name: 'Nothing matches' }).waitFor()
  },
  'library-selection': async (page, stage) => {
    await library(page, stage)
    for (const at of [1, 2, 4]) await page.locator('.card-check input').nth(at).check()
  },
  'delete-dialog': async (page, stage) => {
    await library(page, stage)
    for (const at of [1, 2]) await page.locator('.card-check input').nth(at).check()
    await page.getByRole('toolbar').getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('dialog').waitFor()
  },
  'upload-menu': async (page, stage) => {
    await library(page, stage)
    await page.getByRole('button', { name: 'More ways to upload' }).first().click()
  },
  video: async (page, stage) => {
    await media('Mountain Adventure', 'media-controller')(page, stage)
    await page.getByLabel('Quality').waitFor()
    const range = (await page.locator('media-time-range').boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 }
    await page.mouse.move(range.x + range.width * 0.6, range.y + range.height / 2)
    await page.waitForTimeout(600)
  },
  'video-portrait': media('Night sky', 'media-controller'),
  embed: async (page, stage) => {
    await media('Walking the dunes', 'media-controller')(page, stage)
    await page.getByRole('tab', { name: 'Embed' }).click()
    await page.getByText(/<video controls/).waitFor()
  },
  record: async (page, stage) => {
    await media('Harbour at dusk', '.picture img')(page, stage)
    await page.getByRole('tab', { name: 'Record' }).click()
  },
  picture: media('First light over the ridge', '.picture img'),
  'picture-large': async (page, stage) => {
    await media('Nebula, two hours of exposure', '.picture img')(page, stage)
    await page.getByRole('button', { name: 'Look at it in full size' }).click()
  },
  'picture-portrait': media('Green wall', '.picture img'),
  sound: media('Evening chords', '.bars'),
  failed: media('Cut off in the middle', '.failure'),
  processing: media('The whole concert', '.stage'),
  operations: async (page, { url }) => {
    await page.goto(`${url}/operations`)
    await page.getByText('Nothing is stuck.').waitFor()
  },
  'dead-letters': async (page, { url }) => {
    await page.goto(`${url}/operations`)
    await page.getByRole('radio', { name: 'Of the file' }).check()
    await page.locator('.reason').first().waitFor()
  },
  'not-found': async (page, { url }) => {
    await page.goto(`${url}/media/00000000-0000-4000-8000-000000000000`)
    await page.getByRole('heading', { name: 'It is not here' }).waitFor()
  },
  'no-such-page': async (page, { url }) => {
    await page.goto(`${url}/nothing/here`)
    await page.getByRole('heading', { name: 'There is no such page' }).waitFor()
  },
  'unreachable-at-start': async (page, { url }) => {
    await page.route('**/api/**', async (route) => await route.abort())
    await page.goto(url)
    await page.getByRole('button', { name: 'Try again' }).waitFor()
  },
  'gone-in-the-middle': async (page, stage) => {
    await library(page, stage)
    await page.route('**/api/**', async (route) => await route.abort())
    await page.getByLabel('Search titles').fill('n')
    await page.getByRole('alert').first().waitFor()
  },
  dropping: async (page, stage) => {
    await library(page, stage)
    await page.evaluate(`(() => {
      const dataTransfer = new DataTransfer()
      dataTransfer.items.add(new File(['x'], 'x.mp4', { type: 'video/mp4' }))
      document.querySelector('main').dispatchEvent(new DragEvent('dragenter', { dataTransfer, bubbles: true }))
    })()`)
    await page.locator('.drop-veil').waitFor()
  },
  'upload-running': async (page, stage) => {
    await library(page, stage)
    await throttle(page, 2_500_000)
    await choose(
      page,
      join(stage.folder, 'Holiday.mp4'),
      join(stage.folder, 'interview.wav'),
      join(stage.folder, 'chords.flac'),
    )
    await page.getByText(/ left/).first().waitFor()
    await page.waitForTimeout(1_500)
  },
  'upload-failed': async (page, { folder }) => {
    const [empty, text] = [join(folder, 'Empty recording.mp4'), join(folder, 'Notes of the meeting.mp4')]
    await writeFile(empty, '')
    await writeFile(text, 'These are words and no film. '.repeat(200))
    await give(page, 'drop', [empty, text])
    await page.locator('.upload.failed').nth(1).waitFor()
  },
}

async function snap(browser: Browser, out: string, only: string, stage: Stage, from: Record<string, Scene> = scenes) {
  for (const look of looks) {
    const context = await browser.newContext(look.options)
    for (const [name, scene] of Object.entries(from)) {
      if ((look.only && look.only !== name) || !name.includes(only)) continue
      // What is on its way belongs to the page that began it.
      const again = name === 'upload-failed' ? context.pages()[0] : undefined
      for (const page of context.pages()) if (page !== again) await page.close()
      const page = again ?? (await context.newPage())
      page.setDefaultTimeout(20_000)
      try {
        await scene(page, stage)
      } catch (error) {
        console.error(`${look.name} ${name}: ${error}`)
      }
      await page.waitForTimeout(500)
      // The grid goes on and on; of the others the whole is looked at.
      if (!/library|upload|delete|gone|drop|large|sign/.test(name)) await unfold(page)
      await page.screenshot({ path: join(out, `${name}.${look.name}.png`) })
    }
    await context.close()
    await tidy(stage)
  }
}

/** As tall as what there is to see: bars that stick to an edge stay there. */
async function unfold(page: Page): Promise<void> {
  const height = Number(await page.evaluate('document.documentElement.scrollHeight'))
  const { width } = page.viewportSize() ?? { width: 1440 }
  await page.setViewportSize({ width, height: Math.max(height, page.viewportSize()?.height ?? 0) })
  await page.waitForTimeout(200)
}

/** Removes what the last look added. */
async function tidy({ url, ids }: Stage): Promise<void> {
  const known = new Set(Object.values(ids))
  const { items = [] } = await (await fetch(`${url}/api/media?limit=40`)).json()
  for (const { media_id } of items.filter((one: { media_id: string }) => !known.has(one.media_id))) {
    await fetch(`${url}/api/media/${media_id}`, { method: 'DELETE' })
  }
}

async function fill(url: string, files: readonly SampleFile[]): Promise<Record<string, string>> {
  const ids: Record<string, string> = {}
  for (const { title, path } of files) {
    const body = formOf({ title, file: new File([await openAsBlob(path)], basename(path)) })
    const answer = await fetch(`${url}/api/media/upload`, { method: 'POST', body })
    ids[title] = ((await answer.json()) as { media_id: string }).media_id
  }
  return ids
}

async function settled(url: string): Promise<void> {
  const end = performance.now() + 600_000
  for (const status of ['uploaded', 'processing']) {
    await until(async () => {
      const { items } = await (await fetch(`${url}/api/media?status=${status}`)).json()
      return items.length === 0 || performance.now() > end
    })
  }
}

/** A library on a data folder, made once. */
async function makeLibrary(folder: string, dataDir: string): Promise<Record<string, string>> {
  const list = join(folder, 'library.json')
  const known = await readFile(list, 'utf8').catch(() => null)
  if (known) return JSON.parse(known)
  const files = [...(await makeBroken(folder)), ...(await makeSamples(folder))]
  await makeLong(folder)
  await rename((await makeFile(folder, 'clip.mp4', 48)).path, join(folder, 'Holiday.mp4'))
  const target = await startTarget({ dataDir, embedded: true })
  try {
    const ids = await fill(target.url, files)
    for (const rounds of [1, 2, 3, 4, 5])
      await settled(target.url).catch((error) => rounds === 5 && Promise.reject(error))
    await writeFile(list, JSON.stringify(ids))
    return ids
  } finally {
    await target.stop()
  }
}

/** Has a film stay where it is being processed: its encoder rests as soon as it is some way on. */
async function hold({ url, pid }: Target, media_id: string): Promise<void> {
  await until(async () => (await (await fetch(`${url}/api/media/${media_id}`)).json()).progress > 20)
  for (const child of await childrenOf(pid)) process.kill(child, 'SIGSTOP')
}

/** Processes named ffmpeg, however deep below. */
async function childrenOf(pid: number): Promise<number[]> {
  const listed = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
  const found = await Promise.all(
    listed
      .split(' ')
      .filter(Boolean)
      .map(async (one) => {
        const name = await readFile(`/proc/${one}/comm`, 'utf8').catch(() => '')
        return [...(name.trim() === 'ffmpeg' ? [Number(one)] : []), ...(await childrenOf(Number(one)))]
      }),
  )
  return found.flat()
}

export async function takeScreens(out: string, kept: string | undefined, only = ''): Promise<void> {
  await mkdir(out, { recursive: true })
  const folder = kept ? resolve(kept) : await mkdtemp(join(tmpdir(), 'screens-'))
  await mkdir(folder, { recursive: true })
  const dataDir = join(folder, 'data')
  const ids = await makeLibrary(folder, dataDir)
  const browser = await openBrowser('--autoplay-policy=no-user-gesture-required')
  try {
    const strict = await startTarget({ embedded: true, env: { AUTH_JWT_SECRET: 'thirty-two bytes or more, they say' } })
    await snap(browser, out, only, { url: strict.url, ids, folder }, outside).finally(() => strict.stop())
    const empty = await startTarget({ embedded: true })
    await snap(browser, out, only, { url: empty.url, ids, folder }, beginning).finally(() => empty.stop())
    const target = await startTarget({ dataDir, embedded: true })
    try {
      Object.assign(ids, await fill(target.url, [{ title: 'The whole concert', path: join(folder, 'long.mp4') }]))
      await hold(target, ids['The whole concert'] ?? '')
      await tidy({ url: target.url, ids, folder })
      await snap(browser, out, only, { url: target.url, ids, folder })
      await fetch(`${target.url}/api/media/${ids['The whole concert']}`, { method: 'DELETE' })
    } finally {
      await target.stop()
    }
  } finally {
    await browser.close()
    if (!kept) await rm(folder, { recursive: true, force: true })
  }
}

const outside: Record<string, Scene> = {
  'sign-in': async (page, { url }) => {
    await page.goto(url)
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  },
  'sign-in-refused': async (page, { url }) => {
    await page.goto(url)
    await page.getByLabel('Access token').fill('nonsense')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText(/does not accept this token/).waitFor()
  },
}
const beginning: Record<string, Scene> = {
  'empty-library': async (page, { url }) => {
    await page.goto(url)
    await page.getByText(/a video, a picture or a sound/).waitFor()
  },
}

if (import.meta.main) {
  const [out, kept, only] = process.argv.slice(2)
  if (!out) throw new Error('npm run screens -- OUT [LIBRARY [ONLY]]: where do the pictures go?')
  await takeScreens(resolve(out), kept, only)
}
