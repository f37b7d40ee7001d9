import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { type Block, blocksIn, blocksOf } from '../../scripts/pages.ts'
import { freePort } from '../ports.ts'
import { formOf, makeSample } from '../samples.ts'
import { startTarget } from '../target.ts'
import { heard, openReader } from './reader.ts'

/** Code of pages that serves and does not end by itself, and files that the service is started with. */

const key = 'a-key-of-this-test'
/** SHA-256 of the key. */
const keyLine = `${await sha256(key)} ada\n`

async function sha256(text: string): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))).toString('hex')
}

const folder = await mkdtemp(join(tmpdir(), 'servers-'))
after(() => rm(folder, { recursive: true, force: true }))

async function fileOf(name: string, text: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, text, { mode: 0o600 })
  return path
}

/** Asks again until it does not throw. */
async function until<T>(ask: () => Promise<T>): Promise<T> {
  const signal = AbortSignal.timeout(30_000)
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (signal.aborted) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

function blockOf(page: string, heading: string, language: string): Block {
  const found = blocksIn(page).find((block) => block.heading === heading && block.language === language)
  return found ?? assert.fail(`${page} has no ${language} below ${heading}`)
}

describe('servers of the guides', () => {
  test('docs/guides/server-side.md, Webhooks: the receiver takes what is signed, and nothing else', async () => {
    const secret = `whsec_${Buffer.from('a secret of this test, and of nobody else').toString('base64')}`
    const port = String(await freePort())
    const receiver = `http://127.0.0.1:${port}/`
    const reader = await openReader(receiver)
    const WEBHOOKS_FILE = join(reader.folder, 'webhooks.json')
    await writeFile(WEBHOOKS_FILE, JSON.stringify([{ id: 'python', url: receiver, secrets: [secret] }]))
    const code = blockOf('docs/guides/server-side.md', 'Webhooks', 'python')
    const child = await reader.start(code, { WEBHOOK_SECRET: secret, PORT: port })
    const target = await startTarget({ env: { WEBHOOKS_FILE, WEBHOOKS_ALLOW_INTERNAL: 'true' } })
    try {
      const body = formOf({ title: 'Told', file: await makeSample('photo.jpg') })
      const { media_id } = await (await fetch(`${target.url}/api/media/upload`, { method: 'POST', body })).json()
      await heard(child, new RegExp(`${media_id}\\.\\d+ media\\.processed ${media_id}`))
      const now = String(Math.floor(Date.now() / 1_000))
      const headers = { 'webhook-id': 'x.1', 'webhook-timestamp': now, 'webhook-signature': 'v1,bm90IG91cnM=' }
      assert.equal((await fetch(receiver, { method: 'POST', headers, body: '{}' })).status, 400)
    } finally {
      child.kill()
      await target.stop()
      await reader.leave()
    }
  })

  test('docs/guides/web-page.md, Signed-in users: what the page is given uploads as that user', async () => {
    const port = String(await freePort())
    const target = await startTarget({ env: { AUTH_API_KEYS_FILE: await fileOf('api-keys', keyLine) } })
    const reader = await openReader(target.url)
    const child = await reader.start(blockOf('docs/guides/web-page.md', 'Signed-in users', 'ts'), {
      PORT: port,
      TOKEN: key,
    })
    try {
      const answer = await until(() => fetch(`http://127.0.0.1:${port}/`))
      const { companion_endpoint } = await answer.json()
      const params = await fetch(`${companion_endpoint}/s3/params?filename=photo.jpg&type=image/jpeg`)
      const { url, fields } = await params.json()
      const body = formOf({ ...fields, file: await makeSample('photo.jpg') })
      assert.equal((await (await fetch(url, { method: 'POST', body })).json()).user_id, 'ada')
    } finally {
      child.kill()
      await target.stop()
      await reader.leave()
    }
  })
})

describe('files that settings name', () => {
  test('docs/delivery.md, On the fly: presets', async () => {
    const [presets = ''] = blocksOf('docs/delivery.md', 'On the fly', 'json')
    const IMAGE_PRESETS_FILE = await fileOf('presets.json', presets)
    const target = await startTarget({ env: { IMAGE_PRESETS_FILE } })
    try {
      const media = (path: string, init?: RequestInit) => fetch(`${target.url}/api/media/${path}`, init)
      const body = formOf({ title: 'Card', file: await makeSample('photo.jpg') })
      const { media_id } = await (await media('upload', { method: 'POST', body })).json()
      await until(async () => ((await (await media(media_id)).json()).status === 'processed' ? true : Promise.reject()))
      const card = await media(`download/${media_id}?image=preset=card`)
      assert.deepEqual([card.status, card.headers.get('content-type')?.split('/')[0]], [200, 'image'])
      assert.equal((await media(`download/${media_id}?image=width=300`)).status, 422, 'only presets are allowed')
    } finally {
      await target.stop()
    }
  })

  test('docs/extensions.md, Your own steps: the banner lists them', async () => {
    const [steps = ''] = blocksOf('docs/extensions.md', 'Your own steps', 'json')
    const authorization = await fileOf('moderation-key', 'Bearer key')
    const own = steps
      .replace('/etc/media-service/moderation-key', authorization)
      .replace('/usr/local/bin/transcribe', '/usr/bin/true')
    assert.notEqual(own, steps)
    const target = await startTarget({ env: { STEPS_FILE: await fileOf('steps.json', own) } })
    try {
      assert.match(target.said(), /moderation/)
      assert.match(target.said(), /captions/)
    } finally {
      await target.stop()
    }
  })
})
