import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { link, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { openReceiving } from './picture-receiving.ts'
import type { MadePicture } from './picture-set.ts'

/** What a picture process says that somebody has taken over. */
describe('what a picture process hands over', () => {
  let folder = ''
  let told: string[] = []
  let nonsense = 0
  const from = () => join(folder, 'from')
  const to = () => join(folder, 'to')
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'receiving-'))
    await mkdir(from())
    await mkdir(to())
    await writeFile(join(folder, 'secret'), 'a key')
    told = []
    nonsense = 0
  })
  afterEach(async () => await rm(folder, { recursive: true, force: true }))

  function hear(...lines: (object | string)[]) {
    const onMade = async (outputs: MadePicture[]) => void told.push(...outputs.map(({ file }) => file))
    const receiving = openReceiving({ from: from(), to: to(), onMade, onNonsense: () => nonsense++ })
    const text = lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join('')
    // In pieces, as pipes give it.
    for (let at = 0; at < text.length; at += 7_000) receiving.listen(Buffer.from(text.slice(at, at + 7_000)))
    return receiving
  }
  const made = (file: string) => ({
    made: [{ name: 'master', file, content_type: 'image/jpeg', width: 1, height: 1 }],
  })
  const reply = { reply: { ok: false, code: 'undecodable', message: '' } }

  test('its files, and its reply', async () => {
    await writeFile(join(from(), 'jpeg-1600.jpg'), 'pixels')
    assert.deepEqual(await hear(made('jpeg-1600.jpg'), reply).reply(), reply.reply)
    assert.deepEqual(told, ['jpeg-1600.jpg'])
    assert.equal(await readFile(join(to(), 'jpeg-1600.jpg'), 'utf8'), 'pixels')
  })

  for (const file of ['../secret', '/etc/passwd', '.hidden', 'a/b.jpg', '', 'master.jpg\0', '../to/x.jpg']) {
    test(`no file of the name ${JSON.stringify(file)}`, async () => {
      await assert.rejects(hear(made(file), reply).reply(), { code: 'tool_crashed' })
      assert.deepEqual(told, [])
      assert.ok(existsSync(join(folder, 'secret')))
    })
  }

  test('no link to a file of ours', async () => {
    await symlink(join(folder, 'secret'), join(from(), 'master.jpg'))
    await assert.rejects(hear(made('master.jpg')).reply(), { code: 'tool_crashed' })
    await link(join(folder, 'secret'), join(from(), 'master.png'))
    await assert.rejects(hear(made('master.png')).reply(), { code: 'tool_crashed' })
    await mkdir(join(from(), 'master.webp'))
    await assert.rejects(hear(made('master.webp')).reply(), { code: 'tool_crashed' })
    assert.deepEqual(told, [])
  })

  test('a reply that is none is no reply', async () => {
    for (const line of ['{', 'null', '"reply"', `{"made":5}`]) {
      nonsense = 0
      const receiving = hear(line)
      await receiving.settle()
      const last = await receiving.reply().catch(() => null)
      assert.equal(last, null, line)
    }
    assert.equal(await hear('x'.repeat(2 * 1024 * 1024)).reply(), null)
    assert.equal(nonsense > 0, true)
  })
})
