import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { embeddedOnly } from '../engines.ts'
import { formOf, makeSample } from '../samples.ts'
import { startTarget, type Target } from '../target.ts'

/** Which sandbox a service says it has, and what it takes in it: on a machine without bubblewrap, by its `PATH`. */
describe('sandboxes', embeddedOnly('what a process finds on its machine is the same on every engine'), () => {
  let folder: string
  let without: string
  let clip: File
  const key = 'key-of-ada'
  const headers = { authorization: `Bearer ${key}` }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sandboxes-'))
    without = join(folder, 'bin')
    await mkdir(without)
    for (const name of ['ffmpeg', 'ffprobe', 'prlimit', 'setpriv', 'nice']) {
      const { stdout } = await promisify(execFile)('sh', ['-c', `command -v ${name}`])
      await symlink(stdout.trim(), join(without, name))
    }
    await writeFile(join(folder, 'keys'), `${createHash('sha256').update(key).digest('hex')} ada`)
    clip = await makeSample('clip.mp4')
  })
  after(async () => await rm(folder, { recursive: true, force: true }))

  const start = (env: Record<string, string>) =>
    startTarget({ embedded: true, env: { WORKER_MAX_ATTEMPTS: '1', ...env } })
  /** Bound to more than loopback, and so with identity. */
  const open = () => ({ HOST: '0.0.0.0', AUTH_API_KEYS_FILE: join(folder, 'keys') })

  async function sandboxOf({ url }: Target): Promise<string> {
    const answer: any = await (await fetch(`${url}/readyz`)).json()
    return answer.drivers.sandbox
  }

  async function outcome({ url: said }: Target): Promise<string> {
    const url = said.replace('0.0.0.0', '127.0.0.1')
    const body = formOf({ title: 'a clip', file: clip })
    const { media_id }: any = await (await fetch(`${url}/api/media/upload`, { method: 'POST', body, headers })).json()
    for (;;) {
      const record: any = await (await fetch(`${url}/api/media/${media_id}`, { headers })).json()
      if (record.status === 'processed') return record.status
      if (record.status === 'failed') return record.error.code
      await sleep(50)
    }
  }

  test('with bubblewrap it is that, and says so', async () => {
    const target = await start({})
    assert.equal(await sandboxOf(target), 'bwrap')
    assert.match(target.said(), /^sandbox {4}bwrap$/m)
    await target.stop()
  })

  test('without, a service on loopback takes video in the weak one, and says why', async () => {
    const target = await start({ PATH: without })
    assert.equal(await sandboxOf(target), 'weak')
    assert.match(target.said(), /^sandbox {4}weak: bubblewrap \(bwrap\) is not installed$/m)
    assert.equal(await outcome(target), 'processed')
    await target.stop()
  })

  test('without, a service bound elsewhere refuses video, and says so', async () => {
    const target = await start({ PATH: without, ...open() })
    assert.match(target.said(), /^sandbox {4}weak: .*; video and sound are refused$/m)
    assert.equal(await outcome(target), 'sandbox_missing')
    await target.stop()
  })

  test('bound elsewhere it takes video where an operator has asked for the weak one', async () => {
    const target = await start({ PATH: without, ...open(), SANDBOX: 'weak' })
    assert.match(target.said(), /^sandbox {4}weak: SANDBOX=weak$/m)
    assert.equal(await outcome(target), 'processed')
    await target.stop()
  })

  test('who asks for bubblewrap gets it, or nothing starts', async () => {
    await assert.rejects(
      start({ PATH: without, SANDBOX: 'bwrap' }),
      /SANDBOX=bwrap, but bubblewrap .* is not installed/,
    )
  })
})
