import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Webhook } from 'standardwebhooks'
import { openJudge } from '../judge.ts'
import { freePort } from '../ports.ts'
import { formOf, makeSample } from '../samples.ts'
import { startTarget, type Target } from '../target.ts'

/** Webhooks as a receiver meets them who checks them with the standard's own package. */

const secrets = [1, 2].map((byte) => `whsec_${Buffer.alloc(32, byte).toString('base64')}`)

interface Notice {
  id: string
  type: string
  data: Record<string, unknown>
}

/** Answers `how` says; all that came is verified with each of the secrets. */
async function openReceiver() {
  const got: Notice[] = []
  const wrong: string[] = []
  const state = { how: 'takes' as 'takes' | 'fails' | 'hangs' | 'wants no more' }
  const statuses = { takes: 204, fails: 503, 'wants no more': 410 }
  const server = createServer(async (request: IncomingMessage, reply: ServerResponse) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    try {
      for (const secret of secrets) new Webhook(secret).verify(body, request.headers as Record<string, string>)
    } catch (error) {
      wrong.push(String(error))
    }
    got.push({ id: String(request.headers['webhook-id']), ...JSON.parse(body.toString()) })
    if (state.how !== 'hangs') reply.writeHead(statuses[state.how]).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    ...{ got, wrong, state, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks` },
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 120_000
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within 120 s: ${what}`)
    await sleep(100)
  }
}

async function upload(target: Target): Promise<string> {
  const judge = await openJudge(target.url)
  const { json } = await judge.ask('POST', '/api/media/upload', {
    body: formOf({ title: 'A', file: await makeSample('photo.jpg') }),
  })
  return json.media_id
}

describe('webhooks', () => {
  test('reach a receiver that fails, hangs and comes back, though the service is killed in between', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'webhooks-'))
    const [flaky, steady, leaving] = [await openReceiver(), await openReceiver(), await openReceiver()]
    const WEBHOOKS_FILE = join(folder, 'webhooks.json')
    const endpoints = Object.entries({ flaky, steady, leaving }).map(([id, { url }]) => ({ id, url, secrets }))
    await writeFile(WEBHOOKS_FILE, JSON.stringify(endpoints))
    const WEBHOOKS_RETRY_SECONDS = Array(40).fill(1).join(',')
    const env = { WEBHOOKS_FILE, WEBHOOKS_ALLOW_INTERNAL: 'true', WEBHOOKS_RETRY_SECONDS }
    const dataDir = join(folder, 'data')
    let target = await startTarget({ dataDir, env })
    try {
      flaky.state.how = 'fails'
      leaving.state.how = 'wants no more'
      const first = await upload(target)
      await until('two tries of the first', () => flaky.got.length >= 2 && leaving.got.length >= 1)
      assert.deepEqual(new Set(flaky.got.map(({ id }) => id)), new Set([`${first}.1`]))
      flaky.state.how = 'hangs'
      const before = flaky.got.length
      await until('one that hangs', () => flaky.got.length > before)
      const second = await upload(target)
      await until(
        'both, where nothing is wrong',
        () => steady.got.filter(({ type }) => type === 'media.processed').length === 2,
      )
      await target.kill()

      flaky.state.how = 'takes'
      target = await startTarget({ dataDir, env })
      const judge = await openJudge(target.url)
      assert.equal((await judge.ask('DELETE', `/api/media/${second}`)).status, 204)
      const told = (media_id: string) => flaky.got.filter(({ id }) => id.startsWith(media_id)).map(({ type }) => type)
      await until(
        'all that happened',
        () => told(first).includes('media.processed') && told(second).includes('media.deleted'),
      )
      assert.deepEqual([...new Set(told(first))], ['media.uploaded', 'media.processed'])
      assert.deepEqual([...new Set(told(second))], ['media.uploaded', 'media.processed', 'media.deleted'])
      const processed = steady.got.find(({ id, type }) => id.startsWith(first) && type === 'media.processed')
      assert.deepEqual([processed?.data.media_id, processed?.data.status], [first, 'processed'])
      assert.match(String(processed?.data.media_url), /^http.*\/api\/media\/download\//)
      assert.deepEqual(
        leaving.got.map(({ id }) => id),
        [`${first}.1`],
      )
      for (const { wrong } of [flaky, steady, leaving]) assert.deepEqual(wrong, [])

      const failed = (await judge.ask('GET', '/api/webhooks/deliveries?state=failed&endpoint_id=leaving')).json
      // What was noted before the answer came was not tried.
      const gone = failed.items.find(({ last_status }: { last_status: number }) => last_status === 410)
      assert.equal(gone?.webhook_id, `${first}.1`)
      leaving.state.how = 'takes'
      assert.equal((await judge.ask('POST', `/api/webhooks/deliveries/${gone.delivery_id}/replay`)).status, 202)
      await until('what was replayed', () => leaving.got.length === 2)
      assert.match(
        (await judge.ask('GET', '/metrics')).text,
        /media_webhook_tries_total\{endpoint="leaving",outcome="delivered"\} 1/,
      )
      assert.doesNotMatch(target.said(), /whsec_/)
      assert.deepEqual(judge.unseen('webhooks'), [])
    } finally {
      await target.stop()
      for (const receiver of [flaky, steady, leaving]) await receiver.close()
      await rm(folder, { recursive: true, force: true })
    }
  })

  test('the receiver of docs/webhooks.md runs as it stands', async () => {
    const page = await readFile(join(import.meta.dirname, '../../docs/webhooks.md'), 'utf8')
    const [, program = ''] = /```js\n(.*?)```/s.exec(page) ?? []
    const [, endpoints = ''] = /```json\n(.*?)```/s.exec(page) ?? []
    const folder = await mkdtemp(join(tmpdir(), 'webhooks-'))
    const [taken] = JSON.parse(endpoints)
    const PORT = String(await freePort())
    const run = ['--input-type=module', '-e', program]
    const env = { ...process.env, WEBHOOK_SECRET: taken.secrets[0], PORT }
    const child = spawn(process.execPath, run, { env, stdio: ['ignore', 'pipe', 'inherit'] })
    const WEBHOOKS_FILE = join(folder, 'webhooks.json')
    await writeFile(WEBHOOKS_FILE, endpoints.replaceAll(/https:\/\/[^"]*/g, `http://127.0.0.1:${PORT}/`))
    const target = await startTarget({ env: { WEBHOOKS_FILE, WEBHOOKS_ALLOW_INTERNAL: 'true' } })
    try {
      let said = ''
      child.stdout.on('data', (chunk) => {
        said += chunk
      })
      const media_id = await upload(target)
      await until('it was told', () => said.includes(`${media_id}.3 media.processed ${media_id} processed`))
    } finally {
      child.kill()
      await target.stop()
      await rm(folder, { recursive: true, force: true })
    }
  })

  test('a file of endpoints that is wrong stops the start, and says where', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'webhooks-'))
    try {
      const WEBHOOKS_FILE = join(folder, 'webhooks.json')
      await writeFile(WEBHOOKS_FILE, JSON.stringify([{ url: 'http://example.com', secrets }]))
      await assert.rejects(startTarget({ env: { WEBHOOKS_FILE } }), /WEBHOOKS_FILE .*\/0\/url must be an https/)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
