import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { openShell, type Shell } from './media.ts'

const launcher = join(import.meta.dirname, '../../cli/media.mjs')

describe('completion', () => {
  let shell: Shell
  before(async () => {
    shell = await openShell('')
    await mkdir(join(shell.folder, 'bin'))
    await symlink(launcher, join(shell.folder, 'bin/media'))
    await writeFile(join(shell.folder, 'a film.mp4'), '')
  })
  after(async () => await shell.remove())

  /** What bash would offer for a line, by its own rules. */
  async function offered(...words: string[]): Promise<string[]> {
    const program = `
      eval "$(media completion bash)"
      complete -p media >/dev/null
      COMP_WORDS=(media "$@"); COMP_CWORD=$#
      _media_complete
      printf '%s\\n' "\${COMPREPLY[@]}"`
    const PATH = [join(shell.folder, 'bin'), dirname(process.execPath), process.env['PATH']].join(':')
    const options = { cwd: shell.folder, env: { PATH } }
    const { stdout } = await promisify(execFile)('bash', ['-c', program, 'bash', ...words], options)
    return stdout.split('\n').filter(Boolean)
  }

  test('bash: commands, options, their values, and files', async () => {
    assert.deepEqual(await offered('up'), ['upload'])
    assert.ok((await offered('')).includes('doctor'))
    assert.deepEqual(await offered('list', '--sta'), ['--status'])
    assert.deepEqual(await offered('list', '--status', 'pro'), ['processing', 'processed'])
    assert.deepEqual(await offered('upload', 'a'), ['a film.mp4'])
    assert.deepEqual(await offered('upload', '--watch', 'a'), ['a film.mp4'])
    assert.deepEqual(await offered('completion', 'f'), ['fish'])
  })

  test('zsh and fish are told the same, with what each means', async () => {
    for (const name of ['zsh', 'fish']) {
      const { code, out } = await shell.media('completion', name)
      assert.equal(code, 0)
      assert.match(out, /media __complete --/)
    }
    assert.match((await shell.media('__complete', '--', 'li')).out, /^list\tLists your media, newest first\.\n$/)
    assert.equal((await shell.media('completion', 'csh')).code, 2)
  })
})
