import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openDataFolder } from './folder.ts'

test('the data folder is made; what can be none is named with its setting', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'folder-'))
  try {
    await openDataFolder(join(root, 'a/b'))
    await openDataFolder(join(root, 'a/b'))
    assert.ok((await stat(join(root, 'a/b'))).isDirectory())
    await writeFile(join(root, 'file'), '')
    for (const path of ['file', 'file/below']) {
      await assert.rejects(openDataFolder(join(root, path)), /^Error: DATA_DIR is .*file.*, which is no folder/)
    }
    // Nobody can make a folder there, not even root; a bare chroot has it as a plain folder.
    if (!existsSync('/sys/kernel'))
      return t.diagnostic('no /sys is mounted: the folder that cannot be made is not tried')
    await assert.rejects(
      openDataFolder('/sys/media'),
      /^Error: DATA_DIR is \/sys\/media, which cannot be made or written/,
    )
    await openDataFolder('/sys', { writable: false })
  } finally {
    await rm(root, { recursive: true, force: true })
  }
})
