import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { blocksIn, pages } from '../../scripts/pages.ts'

/** TypeScript of the pages, as the strictest reader's compiler sees it. */

const root = join(import.meta.dirname, '../..')
const compilerOptions = {
  target: 'esnext',
  module: 'esnext',
  moduleResolution: 'bundler',
  lib: ['esnext', 'dom', 'dom.iterable', 'dom.asynciterable'],
  types: ['node'],
  jsx: 'react-jsx',
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  noUnusedLocals: true,
  noEmit: true,
  skipLibCheck: true,
  moduleDetection: 'force',
  allowImportingTsExtensions: true,
  paths: {
    '@media-service/client': [join(root, 'client/src/index.ts')],
    '@media-service/client/node': [join(root, 'client/src/node.ts')],
  },
}

test('types of every piece of TypeScript hold', () => {
  const folder = mkdtempSync(join(tmpdir(), 'types-'))
  try {
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
    const blocks = pages.flatMap(blocksIn).filter(({ language }) => /^tsx?$/.test(language))
    assert.ok(blocks.length >= 6)
    for (const { page, line, language, code } of blocks) {
      // Files of one page stand beside each other, by the name in their first line.
      const name = /^\/\/ (\S+\.tsx?)\n/.exec(code)?.[1] ?? `line-${line}.${language}`
      const path = join(folder, page.replace('.md', ''), name)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, code)
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['**/*.ts', '**/*.tsx'] }))
    const tsc = join(root, 'node_modules/.bin/tsc')
    const { status, stdout } = spawnSync(tsc, ['-p', folder], { cwd: folder, encoding: 'utf8' })
    assert.equal(status, 0, stdout)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
