import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename } from 'node:path'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { until } from './kit.ts'

/** The console as a person meets it: in Chromium, by what is written on it. */

export interface Visit {
  page: Page
  /** What the browser complained of: blocked scripts, errors that nobody caught. */
  complaints: string[]
}

export async function visit(browser: Browser, address: string, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(60_000)
  const complaints: string[] = []
  page.on('pageerror', ({ message }) => complaints.push(message))
  page.on('console', (said) => {
    if (/Content Security Policy|Refused to/.test(said.text())) complaints.push(said.text())
  })
  await page.goto(address)
  return { page, complaints }
}

/** Waits until an expression is true in the page. Not by Playwright's own way, which the page's policy forbids. */
export async function holds(page: Page, expression: string): Promise<void> {
  await until(async () => Boolean(await page.evaluate(expression)))
}

/** Drops files onto the page, or pastes them, as a person's hand does: by events that carry them. */
export async function give(page: Page, how: 'drop' | 'paste', paths: readonly string[]): Promise<void> {
  const files = await Promise.all(
    paths.map(async (path) => ({ name: basename(path), base64: (await readFile(path)).toString('base64') })),
  )
  await page.locator('.drop-zone').waitFor()
  await page.evaluate(
    ({ how, files }) => {
      const data = new DataTransfer()
      const types: Record<string, string> = { mp4: 'video/mp4', jpg: 'image/jpeg', png: 'image/png', mp3: 'audio/mpeg' }
      for (const { name, base64 } of files) {
        const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0))
        data.items.add(new File([bytes], name, { type: types[name.split('.').at(-1) ?? ''] ?? '' }))
      }
      if (how === 'paste') {
        window.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }))
        return
      }
      const zone = document.querySelector('main') as HTMLElement
      for (const type of ['dragenter', 'dragover', 'drop']) {
        zone.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }))
      }
    },
    { how, files },
  )
}

/** Through the button's own input. */
export async function choose(page: Page, ...paths: string[]): Promise<void> {
  await page.getByTestId('files').setInputFiles(paths)
}

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Asserts that axe finds nothing: WCAG 2.2 A and AA, and what it calls good practice. */
export async function assertAccessible(page: Page, what: string): Promise<void> {
  // Past what fades in: colours are measured as they are at the moment.
  await page.waitForTimeout(400)
  await page.evaluate(axe)
  const found = await page.evaluate(async () => {
    interface Found {
      id: string
      nodes: { target: string[]; any: { message: string }[] }[]
    }
    const { axe } = window as unknown as { axe: { run(root: Document): Promise<{ violations: Found[] }> } }
    const { violations } = await axe.run(document)
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ target, any }) => `${id}: ${target} ${any[0]?.message ?? ''}`),
    )
  })
  assert.deepEqual(found, [], what)
}
