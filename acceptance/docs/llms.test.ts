import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readPage } from '../../scripts/pages.ts'
import { startTarget } from '../target.ts'

test('/llms.txt and every page that it links are served', async () => {
  const target = await startTarget({ env: { AUTH_JWT_SECRET: 'these pages are for everybody who comes' } })
  try {
    const answer = await fetch(`${target.url}/llms.txt`)
    assert.deepEqual([answer.status, answer.headers.get('content-type')], [200, 'text/plain; charset=utf-8'])
    const text = await answer.text()
    // https://llmstxt.org: an H1, a quoted summary, lists of links below H2s.
    assert.match(text, /^# Media Service\n\n> \S[^\n]+\n\n## /)
    const links = [...text.matchAll(/^- \[[^\]]+\]\(([^)]+)\): \S/gm)].map(([, link = '']) => link)
    assert.ok(links.length >= 20)
    assert.equal(links.length, text.match(/^- /gm)?.length, 'a line is no link with words')
    for (const link of links) {
      const page = await fetch(new URL(link, `${target.url}/`))
      assert.equal(page.status, 200, link)
      if (!link.endsWith('.md')) continue
      assert.equal(page.headers.get('content-type'), 'text/markdown; charset=utf-8')
      assert.equal(await page.text(), readPage(link))
    }
    assert.equal((await fetch(`${target.url}/package.json`)).status, 404)
  } finally {
    await target.stop()
  }
})
