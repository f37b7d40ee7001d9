import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { startTarget, type Target } from '../target.ts'
import { openBrowser } from './browser.ts'

/** The reference as people read it, on a machine that reaches nothing else. */

describe('/docs in Chromium', () => {
  let browser: Browser
  let target: Target
  before(async () => {
    browser = await openBrowser()
    target = await startTarget()
  })
  after(async () => {
    await browser?.close()
    await target?.stop()
  })

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`shows every group and route, asks nobody else, and nothing fails (${colorScheme})`, async () => {
      const page = await (await browser.newContext({ colorScheme })).newPage()
      page.setDefaultTimeout(60_000)
      const elsewhere: string[] = []
      const complaints: string[] = []
      page.on('request', (one) => void (/^(data|blob):|^http:\/\/127/.test(one.url()) || elsewhere.push(one.url())))
      page.on('response', (one) => void (one.status() < 400 || complaints.push(`${one.status()} ${one.url()}`)))
      page.on('pageerror', ({ message }) => complaints.push(message))
      page.on('console', (one) => void (one.type() === 'error' && complaints.push(one.text())))
      await page.goto(`${target.url}/docs/`)
      const { tags } = await (await fetch(`${target.url}/openapi.json`)).json()
      for (const { name } of tags) await page.locator('aside, nav').getByText(name, { exact: true }).first().waitFor()
      await page.goto(`${target.url}/docs/#tag/uploads/POST/api/media/upload`)
      await page.getByRole('heading', { name: 'Upload a file by form' }).first().waitFor()
      await page.getByText('"Mountain Adventure"').first().waitFor()
      assert.deepEqual([elsewhere, complaints], [[], []])
      await page.context().close()
    })
  }
})
