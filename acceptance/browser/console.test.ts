import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { SignJWT } from 'jose'
import type { Browser, Page } from 'playwright-core'
import { formOf, makeSample } from '../samples.ts'
import { startTarget, type Target } from '../target.ts'
import { openBrowser } from './browser.ts'
import { assertAccessible, holds, visit } from './console-kit.ts'
import { until } from './kit.ts'
import { addFilm, heights, seconds } from './stored.ts'

const secret = 'thirty-two bytes or more, they say'

describe('the console', () => {
  let folder: string
  let browser: Browser
  let target: Target
  let film: string
  let sound: string
  let photo: string
  let broken: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'console-'))
    browser = await openBrowser('--autoplay-policy=no-user-gesture-required')
    const dataDir = join(folder, 'data')
    film = await addFilm(folder, dataDir)
    target = await startTarget({ dataDir, embedded: true })
    photo = await add('Photo', await makeSample('photo.jpg'))
    sound = await add('Song', await makeSample('song.mp3'))
    broken = await add('Broken', brokenPicture(), 'failed')
  })
  after(async () => {
    await browser?.close()
    await target?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  async function add(title: string, file: File, end = 'processed', url = target.url, headers = {}): Promise<string> {
    const body = formOf({ title, file })
    const { media_id } = await (await fetch(`${url}/api/media/upload`, { method: 'POST', body, headers })).json()
    await until(async () => {
      const { status } = await (await fetch(`${url}/api/media/${media_id}`, { headers })).json()
      return status === end
    })
    return media_id
  }
  const cards = (page: Page) => page.getByRole('list', { name: 'Media' })

  test('a film plays, seeks, and changes its quality', async () => {
    const { page, complaints } = await visit(browser, `${target.url}/media/${film}`)
    await page.getByRole('heading', { level: 1, name: 'Film' }).waitFor()
    await page.locator('media-play-button').click()
    await holds(page, `document.querySelector('video').currentTime > 0.5`)
    const offered = await page.getByLabel('Quality').locator('option').allTextContents()
    assert.deepEqual(
      offered.slice(1),
      heights.toReversed().map((one) => `${one}p`),
    )
    await page.getByLabel('Quality').selectOption('360p')
    await holds(page, `document.querySelector('video').videoHeight === 360`)
    const range = page.locator('media-time-range')
    const { x, y, width, height } = (await range.boundingBox()) ?? assert.fail()
    await page.mouse.move(x + width * 0.7, y + height / 2)
    // The storyboard's picture of that time.
    await holds(page, `/storyboard/.test(document.querySelector('media-time-range').getAttribute('mediapreviewimage'))`)
    await page.mouse.click(x + width * 0.7, y + height / 2)
    await holds(page, `document.querySelector('video').currentTime > ${seconds * 0.6}`)
    await holds(page, `document.querySelector('video').ended`)
    assert.deepEqual(complaints, [])
    await page.context().close()
  })

  test('a sound plays, and its waveform seeks by mouse and by key', async () => {
    const { page, complaints } = await visit(browser, `${target.url}/media/${sound}`)
    await page.getByRole('button', { name: 'Play Song' }).click()
    const position = page.getByRole('slider', { name: 'Position' })
    await position.press('End')
    await holds(page, `document.querySelector('audio').currentTime > 0.9`)
    await position.press('Home')
    await holds(page, `document.querySelector('audio').currentTime < 0.9`)
    assert.deepEqual(complaints, [])
    await page.context().close()
  })

  test('a picture in full size, and back', async () => {
    const { page } = await visit(browser, `${target.url}/media/${photo}`)
    await page.getByRole('button', { name: 'Look at it in full size' }).click()
    await page.getByRole('dialog', { name: 'Photo' }).waitFor()
    // First as much of it as the window shows, then each of its pixels.
    const large = page.locator('.lightbox img')
    const width = async () => (await large.boundingBox())?.width ?? 0
    await page.setViewportSize({ width: 400, height: 400 })
    await until(async () => (await width()) === 400)
    await page.getByRole('button', { name: 'Each pixel' }).click()
    await until(async () => (await width()) === 640)
    await page.keyboard.press('Escape')
    await page.getByRole('dialog', { name: 'Photo' }).waitFor({ state: 'detached' })
    await page.context().close()
  })

  test('files: a signed link that works without anything else, and code to embed', async () => {
    const { page } = await visit(browser, `${target.url}/media/${film}`, {
      permissions: ['clipboard-read', 'clipboard-write'],
    })
    await page.getByLabel('Links work for').selectOption('7 days')
    await page.getByRole('button', { name: 'Copy a link to 720p' }).click()
    await page.getByText(/^Link copied/).waitFor()
    const link = String(await page.evaluate('navigator.clipboard.readText()'))
    const expires = Number(new URL(link).searchParams.get('Expires')) - Date.now() / 1_000
    assert.ok(expires > 604_000 && expires < 605_000, `${expires} s`)
    assert.equal((await fetch(link)).headers.get('content-type'), 'video/mp4')
    await page.getByRole('tab', { name: 'Files' }).press('ArrowRight')
    await page.getByText(/<video controls/).waitFor()
    await page.getByRole('tab', { name: 'Record' }).click()
    await page.getByText(`"media_id": "${film}"`).waitFor()
    await page.context().close()
  })

  test('what happened to it, and how long each step took', async () => {
    const { page } = await visit(browser, `${target.url}/media/${film}`)
    const said = page.locator('.timeline > li')
    await said.nth(3).waitFor()
    assert.match(
      (await said.allTextContents()).join('\n'),
      /Uploaded.*\nProcessing begun.* waiting in line.*\nCan be played.*\nReady.* making the rest.*making everything[\d.]+ m?s/,
    )
    await page.context().close()
  })

  test('a title is changed where it stands, and the grid knows it at once', async () => {
    const media_id = await add('Before', await makeSample('photo.jpg'))
    const { page } = await visit(browser, `${target.url}/`)
    await cards(page).getByText('Before').waitFor()
    const other = await page.context().newPage()
    await other.goto(`${target.url}/media/${media_id}`)
    await other.getByRole('button', { name: 'Before' }).click()
    await other.getByLabel('Title').fill('After <b>')
    await other.getByLabel('Title').press('Enter')
    await cards(page).getByText('After <b>').waitFor()
    await page.context().close()
  })

  test('a failed media says why in plain words, and is tried again', async () => {
    const { page } = await visit(browser, `${target.url}/?status=failed`)
    await cards(page).getByText('Broken').click()
    await page.getByRole('heading', { name: 'It could not be processed' }).waitFor()
    await page.getByText(/The file is damaged/).waitFor()
    await page.getByRole('button', { name: 'Try again' }).click()
    await page.getByText('It is processed again.').waitFor()
    // As it is still broken, it fails again: a second attempt in what happened to it.
    await page.getByText('Asked to try again').waitFor()
    await holds(page, `document.querySelectorAll('.timeline .event-failed').length === 2`)
    await page.getByRole('link', { name: 'Library' }).last().click()
    await page.getByLabel('Select Broken').check()
    await page.getByRole('toolbar').getByRole('button', { name: 'Retry' }).click()
    await page.getByText('1 to be processed again.').waitFor()
    await page.context().close()
  })

  test('search and filters, which the address keeps', async () => {
    const { page } = await visit(browser, target.url)
    await cards(page).getByText('Film').waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('son')
    await cards(page).getByText('Film').waitFor({ state: 'detached' })
    await cards(page).getByText('Song').waitFor()
    await page.getByRole('radio', { name: 'Videos' }).check()
    await page.getByRole('heading', { name: 'Nothing matches' }).waitFor()
    await holds(page, `location.search === '?q=son&type=video'`)
    await page.reload()
    await page.getByRole('heading', { name: 'Nothing matches' }).waitFor()
    await page.getByRole('button', { name: 'Clear search and filters' }).click()
    await cards(page).getByText('Film').waitFor()
    // A filter that is clicked before the typing rests stays.
    await page.getByRole('searchbox').fill('fil')
    await page.getByRole('radio', { name: 'Videos' }).check()
    await holds(page, `location.search === '?q=fil&type=video'`)
    await cards(page).getByText('Film').waitFor()
    await page.context().close()
  })

  test('a long list is read on as one scrolls, each media once', async () => {
    const many = await startTarget({ role: 'serve', embedded: true })
    const file = await makeSample('photo.jpg')
    try {
      for (let n = 0; n < 110; n++) {
        const body = formOf({ title: `Photo ${n}`, file })
        assert.equal((await fetch(`${many.url}/api/media/upload`, { method: 'POST', body })).status, 201)
      }
      const { page } = await visit(browser, 'about:blank')
      const moved = await watchShifts(page)
      await page.goto(many.url)
      await cards(page).getByText('Photo 109').waitFor()
      const seen = new Set<string>()
      const look = async (): Promise<string[]> => {
        const titles = await page.locator('.card:not(.ghost) .card-title').allTextContents()
        for (const title of titles) seen.add(title)
        return titles
      }
      while (seen.size < 110) {
        // What is out of sight is not in the page: it stays small, however long the list.
        const titles = await look()
        assert.ok(new Set(titles).size === titles.length && titles.length <= 48, `${titles.length} cards at once`)
        await page.mouse.wheel(0, 400)
        await page.waitForTimeout(30)
      }
      assert.deepEqual(
        [...seen],
        Array.from({ length: 110 }, (_, n) => `Photo ${109 - n}`),
      )
      await cards(page).getByText('Photo 0', { exact: true }).waitFor()
      assert.equal(await page.locator('.card').last().getAttribute('aria-posinset'), '110')
      assert.ok((await moved()) < 0.05, `layout shift of ${await moved()}`)
      // Back from a media one is where one was.
      await cards(page).getByText('Photo 3', { exact: true }).click()
      await page.getByRole('heading', { level: 1, name: 'Photo 3' }).waitFor()
      await page.goBack()
      await cards(page).getByText('Photo 3', { exact: true }).waitFor()
      assert.ok(await page.evaluate('scrollY > innerHeight'))
      await page.context().close()
    } finally {
      await many.stop()
    }
  })

  test('deleted: one on its page, several in the grid, and by somebody else', async () => {
    const names = ['Gone 1', 'Gone 2', 'Gone 3', 'Gone 4']
    const ids: string[] = []
    for (const name of names) ids.push(await add(name, await makeSample('photo.jpg')))
    const { page } = await visit(browser, `${target.url}/?q=gone`)
    for (const name of names) await cards(page).getByText(name).waitFor()
    await fetch(`${target.url}/api/media/${ids[3]}`, { method: 'DELETE' })
    await cards(page).getByText('Gone 4').waitFor({ state: 'detached' })
    await cards(page).getByText('Gone 3').click()
    await page.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await page.getByText('“Gone 3” deleted.').waitFor()
    await page.goto(`${target.url}/?q=gone`)
    await page.getByLabel('Select Gone 1').check()
    await page.getByLabel('Select Gone 2').check()
    await page.getByText('2 selected').waitFor()
    await page.getByRole('toolbar').getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Keep' }).click()
    await page.getByRole('toolbar').getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('heading', { name: 'Nothing matches' }).waitFor()
    for (const id of ids) assert.equal((await fetch(`${target.url}/api/media/${id}`)).status, 404)
    await page.context().close()
  })

  test('sign-in: a wrong token, a right one, nothing of others, and out again', async () => {
    const strict = await startTarget({ env: { AUTH_JWT_SECRET: secret }, embedded: true })
    const sign = async (claims: Record<string, string>) =>
      await new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256' })
        .setExpirationTime('1 hour')
        .sign(Buffer.from(secret))
    try {
      const headers = { authorization: `Bearer ${await sign({ sub: 'u1' })}` }
      await add('Mine', await makeSample('photo.jpg'), 'processed', strict.url, headers)
      await add('Theirs', await makeSample('photo.jpg'), 'processed', strict.url, {
        authorization: `Bearer ${await sign({ sub: 'u2' })}`,
      })
      const { page, complaints } = await visit(browser, strict.url)
      await page.getByRole('heading', { name: 'Sign in' }).waitFor()
      await assertAccessible(page, 'sign-in')
      await page.getByLabel('Access token').fill('nonsense')
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.getByText(/does not accept this token/).waitFor()
      await page.getByLabel('Access token').fill(await sign({ sub: 'u1' }))
      await page.getByRole('button', { name: 'Sign in' }).click()
      await cards(page).getByText('Mine').waitFor()
      await holds(page, `document.querySelector('.card .sharp.loaded') !== null`)
      assert.equal(await cards(page).getByText('Theirs').count(), 0)
      await page.getByRole('link', { name: 'Operations' }).click()
      await page.getByText(/This page is for operators/).waitFor()
      await page.reload()
      await page.getByRole('link', { name: 'Library', exact: true }).click()
      await cards(page).getByText('Mine').waitFor()
      await page.getByRole('button', { name: 'Sign out' }).click()
      await page.getByRole('heading', { name: 'Sign in' }).waitFor()
      assert.deepEqual(await page.evaluate('[localStorage.length, sessionStorage.length]'), [0, 0])
      assert.deepEqual(complaints, [])
      await page.context().close()
    } finally {
      await strict.stop()
    }
  })

  test('a service that goes away, and comes back: the page says so, and goes on', async () => {
    const dataDir = join(folder, 'away')
    const first = await startTarget({ dataDir, embedded: true })
    const { port } = new URL(first.url)
    await add('Earlier', await makeSample('photo.jpg'), 'processed', first.url)
    const { page } = await visit(browser, first.url)
    await cards(page).getByText('Earlier').waitFor()
    await first.kill()
    await page.getByText('Reconnecting…').waitFor()
    await page.getByLabel('Search titles').fill('x')
    await page
      .getByRole('alert')
      .getByText(/No answer from the service/)
      .waitFor()
    const second = await startTarget({ dataDir, embedded: true, env: { PORT: port } })
    try {
      await page.getByRole('button', { name: 'Try again' }).click()
      await page.getByRole('heading', { name: 'Nothing matches' }).waitFor()
      await page.getByLabel('Search titles').fill('')
      await cards(page).getByText('Earlier').waitFor()
      await page.getByText('Reconnecting…').waitFor({ state: 'detached' })
      await add('Later', await makeSample('photo.jpg'), 'processed', second.url)
      await cards(page).getByText('Later').waitFor()
    } finally {
      await page.context().close()
      await second.stop()
    }
  })

  const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }
  const looks = {
    light: { colorScheme: 'light' },
    dark: { colorScheme: 'dark' },
    'phone, light': { ...phone, colorScheme: 'light' },
    'phone, dark': { ...phone, colorScheme: 'dark' },
  } as const
  for (const [look, options] of Object.entries(looks)) {
    test(`axe finds nothing, ${look}`, async () => {
      const { page } = await visit(browser, target.url, options)
      await holds(page, `document.querySelector('.card .sharp.loaded') !== null`)
      await assertAccessible(page, 'library')
      await page.getByRole('button', { name: 'More ways to upload' }).click()
      await page.getByLabel('Select Film').check()
      await page.getByRole('toolbar').getByRole('button', { name: 'Delete' }).click()
      await assertAccessible(page, 'dialog')
      for (const [what, id] of Object.entries({ film, sound, photo, broken })) {
        await page.goto(`${target.url}/media/${id}`)
        await page.locator('.timeline li').nth(2).waitFor()
        await page.locator('media-controller, .bars, .picture, .failure').first().waitFor()
        await assertAccessible(page, what)
        for (const tab of ['Embed', 'Record']) {
          await page.getByRole('tab', { name: tab }).click()
          await assertAccessible(page, `${what}, ${tab}`)
        }
      }
      await page.goto(`${target.url}/operations`)
      await page.getByText('Uploads are taken').waitFor()
      await assertAccessible(page, 'operations')
      await page.goto(`${target.url}/?q=nothing+of+the+kind`)
      await page.getByRole('heading', { name: 'Nothing matches' }).waitFor()
      await assertAccessible(page, 'nothing found')
      await page.goto(`${target.url}/media/${photo}`)
      await page.getByRole('button', { name: 'Look at it in full size' }).click()
      await page.getByRole('button', { name: 'Each pixel' }).waitFor()
      await assertAccessible(page, 'a picture in full size')
      await page.goto(`${target.url}/nothing/here`)
      await page.getByRole('heading', { name: 'There is no such page' }).waitFor()
      await assertAccessible(page, 'no such page')
      await page.goto(`${target.url}/media/00000000-0000-4000-8000-000000000000`)
      await page.getByRole('heading', { name: 'It is not here' }).waitFor()
      await assertAccessible(page, 'no such media')
      await page.route('**/api/**', async (route) => await route.abort())
      await page.goto(target.url)
      await page.getByRole('heading', { name: 'The service does not answer' }).waitFor()
      await assertAccessible(page, 'no answer')
      await page.context().close()
    })
  }

  test('with the keyboard alone: into the content, to a media, and out of a dialog', async () => {
    const { page } = await visit(browser, target.url)
    await cards(page).getByText('Film').waitFor()
    await page.keyboard.press('Tab')
    assert.equal(await page.evaluate('document.activeElement.textContent'), 'Skip to content')
    await page.keyboard.press('Enter')
    assert.equal(await page.evaluate('document.activeElement.id'), 'main')
    await page.getByRole('link', { name: 'Film' }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Delete' }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    assert.equal(await page.evaluate('document.activeElement.ariaLabel'), 'Delete')
    await page.context().close()
  })

  test('the first view is less than 150 kB, and nothing in it moves', async () => {
    const { page } = await visit(browser, 'about:blank')
    const moved = await watchShifts(page)
    await page.goto(target.url)
    await holds(page, `document.querySelectorAll('.card .sharp.loaded').length >= 2`)
    const files = (await page.evaluate(
      `[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].map(({ name, encodedBodySize }) => [name, encodedBodySize])`,
    )) as [string, number][]
    const own = files.filter(([name]) => !/\/(api|cdn)\//.test(name))
    const bytes = own.reduce((sum, [, size]) => sum + size, 0)
    assert.ok(own.length >= 3 && bytes > 20_000, JSON.stringify(own))
    assert.ok(bytes < 150_000, `${bytes} bytes: ${JSON.stringify(own)}`)
    assert.ok((await moved()) < 0.005, `layout shift of ${await moved()}`)
    await page.context().close()
  })

  test('on a phone nothing is wider than the screen', async () => {
    const { page } = await visit(browser, target.url, {
      viewport: { width: 360, height: 740 },
      isMobile: true,
      hasTouch: true,
    })
    for (const path of ['/', `/media/${film}`, `/media/${sound}`, `/media/${broken}`, '/operations']) {
      await page.goto(`${target.url}${path}`)
      await page.locator('.card, .timeline li, .health').first().waitFor()
      assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 360, path)
    }
    await page.context().close()
  })

  test('what is hashed is kept for ever, the page is asked for anew, and only our scripts run', async () => {
    const page = await fetch(target.url)
    assert.equal(page.headers.get('cache-control'), 'no-cache')
    const policy = page.headers.get('content-security-policy') ?? ''
    assert.match(policy, /script-src 'self';/)
    assert.match(policy, /frame-ancestors 'none'/)
    const [script] = /\/assets\/[^"]+\.js/.exec(await page.text()) ?? assert.fail()
    const answer = await fetch(`${target.url}${script}`)
    assert.equal(answer.headers.get('cache-control'), 'public, max-age=31536000, immutable')
    assert.equal(answer.headers.get('content-encoding'), 'gzip')
    const lost = await fetch(`${target.url}/nothing/here`, { headers: { accept: 'text/html,*/*' } })
    assert.deepEqual([lost.status, lost.headers.get('content-type')], [404, 'text/html; charset=utf-8'])
    for (const [path, accept] of [
      ['/nothing/here', '*/*'],
      ['/api/nothing', 'text/html'],
    ] as const) {
      const answer = await fetch(`${target.url}${path}`, { headers: { accept } })
      assert.deepEqual([answer.status, answer.headers.get('content-type')], [404, 'application/problem+json'], path)
    }
    const elsewhere = await startTarget({
      embedded: true,
      env: { CDN_BASE_URL: 'https://cdn.example.com/media', CDN_DRIVER: 'edge' },
    })
    try {
      const told = (await fetch(elsewhere.url)).headers.get('content-security-policy') ?? ''
      for (const kind of ['img-src', 'media-src', 'connect-src']) {
        assert.match(told, new RegExp(`${kind} [^;]*https://cdn\\.example\\.com(;| )`))
      }
    } finally {
      await elsewhere.stop()
    }
  })
})

/** How far things have moved by themselves since a page was opened: https://web.dev/articles/cls, of all its time. */
async function watchShifts(page: Page): Promise<() => Promise<number>> {
  await page.addInitScript(
    `window.shifts = []; new PerformanceObserver((list) => window.shifts.push(...list.getEntries().map(({ value }) => value))).observe({ type: 'layout-shift', buffered: true })`,
  )
  return async () => Number(await page.evaluate('window.shifts.reduce((sum, one) => sum + one, 0)'))
}

/** A picture by its first bytes only. */
function brokenPicture(): File {
  const bytes = Buffer.concat([Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), Buffer.alloc(2_000, 7)])
  return new File([bytes], 'broken.png')
}
