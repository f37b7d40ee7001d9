import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { blocksOf } from '../../scripts/pages.ts'
import { makeSample } from '../samples.ts'
import { startTarget, type Target } from '../target.ts'
import { openShell, type Shell } from './media.ts'

/** Each command of docs/guides/command-line.md, as it stands there, but that `npx media` is a path. */

const launcher = join(import.meta.dirname, '../../cli/media.mjs')
const [first = '', second = ''] = blocksOf('docs/guides/command-line.md', 'Command line', 'sh')
const linesOf = (block: string) => block.split('\n').map((line) => line.replace(/ +# .*/, ''))

describe('the guide to the command line', () => {
  let target: Target
  let shell: Shell
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'media-readme-'))
    const PROFILES_FILE = join(folder, 'profiles.json')
    await writeFile(PROFILES_FILE, JSON.stringify({ podcast: {} }))
    target = await startTarget({ env: { PROFILES_FILE } })
    shell = await openShell(target.url)
    const sound = ['-v', 'error', '-f', 'lavfi', '-i', 'sine=d=1', join(shell.folder, 'talk.wav')]
    await promisify(execFile)('ffmpeg', sound)
    await mkdir(join(shell.folder, 'holidays'))
    for (const name of ['clip.mp4', 'photo.jpg'] as const) {
      await writeFile(join(shell.folder, name), await (await makeSample(name)).bytes())
    }
    await rename(join(shell.folder, 'photo.jpg'), join(shell.folder, 'holidays/photo.jpg'))
  })
  after(async () => {
    await target.stop()
    await shell.remove()
    await rm(folder, { recursive: true, force: true })
  })

  async function typed(line: string, MEDIA_ID = ''): Promise<string> {
    assert.match(line, /^npx media /)
    const command = line.replace('npx media', `"${process.execPath}" "${launcher}"`)
    const env = { PATH: process.env['PATH'], HOME: shell.folder, MEDIA_URL: target.url, MEDIA_ID, PORT: '0' }
    const { stdout } = await promisify(execFile)('bash', ['-c', command], { cwd: shell.folder, env, timeout: 60_000 })
    return stdout
  }

  test('begins with what checks and what serves', async () => {
    const [doctor = '', serve = '', ...more] = linesOf(first)
    assert.deepEqual([serve, more], ['npx media serve', []])
    assert.match(await typed(doctor), /ok +ffmpeg/)
  })

  test('every command does what it says', async () => {
    const [upload = '', ...rest] = linesOf(second)
    const uploaded = await typed(upload)
    const [media_id = ''] = uploaded.split(' ')
    assert.match(uploaded, /processed +clip\.mp4/)
    const said: string[] = []
    for (const line of rest) said.push(await typed(line, media_id))
    const find = (word: string) => said[rest.findIndex((line) => line.includes(word))] ?? assert.fail(`no ${word}`)
    assert.match(find('--profile podcast'), /talk\.wav/)
    assert.match(find('-r holidays'), /holidays\/photo\.jpg/)
    assert.match(find('--search'), new RegExp(`${media_id}.* Mountain Adventure`))
    assert.match(find(' show '), /title +Mountain Adventure/)
    assert.equal((await readFile(join(shell.folder, 'thumbnail.jpg'))).subarray(0, 2).toString('hex'), 'ffd8')
    assert.equal((await readFile(join(shell.folder, 'clip-720p.mp4'))).subarray(4, 8).toString(), 'ftyp')
    assert.match(find(' remove '), new RegExp(`removed ${media_id}`))
  })
})
