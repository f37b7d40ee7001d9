import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { formOf } from '../samples.ts'
import { startTarget, type Target } from '../target.ts'
import { openBrowser } from './browser.ts'
import { assertAccessible, visit } from './console-kit.ts'
import { until } from './kit.ts'

/** What operators see of work that got stuck: first of the file's own fault, then of the service's, mended and replayed. */

describe('operations in the console', () => {
  let dataDir: string
  let browser: Browser
  before(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'console-'))
    browser = await openBrowser()
  })
  after(async () => {
    await browser?.close()
    await rm(dataDir, { recursive: true, force: true })
  })

  async function add({ url }: Target, file: File): Promise<string> {
    const body = formOf({ title: 'Photo', file })
    const { media_id } = await (await fetch(`${url}/api/media/upload`, { method: 'POST', body })).json()
    await until(async () => (await (await fetch(`${url}/api/media/${media_id}`)).json()).status === 'failed')
    return media_id
  }

  test('a dead letter of a bad file, replayed: it is tried, and stuck again', async () => {
    const target = await startTarget({ dataDir, embedded: true })
    try {
      const head = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')
      const media_id = await add(target, new File([head, Buffer.alloc(2_000, 7)], 'broken.png'))
      const { page, complaints } = await visit(browser, `${target.url}/operations`)
      await page.getByText('Uploads are taken').waitFor()
      await page.getByRole('heading', { name: 'Workers' }).waitFor()
      await page.getByText('Nothing is stuck.').waitFor()
      await page.getByRole('radio', { name: 'Of the file' }).check()
      await page
        .getByRole('row')
        .filter({ has: page.getByRole('link', { name: 'Photo' }) })
        .waitFor()
      await assertAccessible(page, 'dead letters')
      await page.getByRole('button', { name: 'Replay' }).click()
      await page.getByText('It is tried again.').waitFor()
      await until(async () => {
        const { items } = await (await fetch(`${target.url}/api/media/${media_id}/log`)).json()
        return items.filter(({ type }: { type: string }) => type === 'media.failed').length === 2
      })
      assert.deepEqual(complaints, [])
      await page.context().close()
    } finally {
      await target.stop()
    }
  })
})
