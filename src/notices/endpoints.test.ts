import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fingerprintOf, readEndpoints, webhookTypes } from './endpoints.ts'

const key = Buffer.alloc(24, 1).toString('base64')
const secrets = [`whsec_${key}`]
const url = 'https://example.com/hooks'

describe('the file of webhooks', () => {
  let folder: string
  let webhooksFile: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'webhooks-'))
    webhooksFile = join(folder, 'webhooks.json')
  })
  after(async () => await rm(folder, { recursive: true, force: true }))

  async function read(content: unknown, webhooksAllowInternal = false) {
    await writeFile(webhooksFile, typeof content === 'string' ? content : JSON.stringify(content))
    return await readEndpoints({ webhooksFile, webhooksAllowInternal })
  }

  test('names endpoints; what is left out has its usual value', async () => {
    const [first, second] = await read([
      { url, secrets },
      {
        id: 'crm',
        url: 'https://[2001:db8::1]/',
        secrets: [...secrets, ...secrets],
        events: ['media.failed'],
        disabled: true,
      },
    ])
    assert.ok(first && second)
    assert.deepEqual([first.url.href, first.events, first.disabled], [url, webhookTypes, false])
    assert.match(first.id, /^[0-9a-f]{12}$/)
    assert.deepEqual(first.secrets, [Buffer.alloc(24, 1)])
    assert.deepEqual(
      [second.id, second.events, second.disabled, second.secrets.length],
      ['crm', ['media.failed'], true, 2],
    )
    assert.notEqual(fingerprintOf(first), fingerprintOf(second))
    assert.deepEqual(await readEndpoints({ webhooksFile: undefined, webhooksAllowInternal: false }), [])
    assert.equal((await read([{ url: 'http://127.0.0.1:9/', secrets }], true))[0]?.url.port, '9')
  })

  test('says what is wrong where, and never a secret', async () => {
    const cases: [unknown, RegExp][] = [
      ['{"url": "whsec_hush', /it is no JSON/],
      [{ url, secrets }, /the whole must be array/],
      [[{ url }], /\/0/],
      [[{ url, secrets: [] }], /\/0\/secrets/],
      [[{ url, secrets: ['hush'] }], /\/0\/secrets\/0/],
      [[{ url, secrets: ['whsec_aHVzaA=='] }], /\/0\/secrets must be of 24 to 64 bytes; to make one: echo/],
      [[{ url, secrets, event: [] }], /\/0/],
      [[{ url, secrets, events: ['media.created'] }], /\/0\/events\/0/],
      [[{ url: 'http://example.com/', secrets }], /\/0\/url must be an https:\/\/ address.*WEBHOOKS_ALLOW_INTERNAL/],
      [[{ url: 'https://a:hush@example.com/', secrets }], /\/0\/url/],
      [[{ url: 'file:///etc/passwd', secrets }], /\/0\/url/],
      [
        [
          { url, secrets },
          { url, secrets },
        ],
        /\/1 has the id of another/,
      ],
    ]
    for (const [content, said] of cases) {
      await assert.rejects(read(content), (error: Error) => {
        assert.match(error.message, /^WEBHOOKS_FILE .*See docs\/webhooks\.md\.$/)
        assert.match(error.message, said)
        assert.ok(!error.message.includes('hush') && !error.message.includes(key), error.message)
        return true
      })
    }
    const none = join(folder, 'none')
    await assert.rejects(readEndpoints({ webhooksFile: none, webhooksAllowInternal: false }), /cannot be read/)
  })
})
