import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, test } from 'node:test'

const root = join(import.meta.dirname, '..')

/** The tools of `npm run check`, each as a test: what one of them finds hides nothing of the others. */
describe('check', () => {
  for (const [name, program, ...args] of [
    ['types', 'tsc', '-p', '.'],
    ['types of the console', 'tsc', '-p', 'console'],
    ['lint and format (`npm run format` mends)', 'biome', 'check', '.'],
  ] as const) {
    test(name, () => {
      const found = spawnSync(join(root, 'node_modules', '.bin', program), args, { cwd: root, encoding: 'utf8' })
      assert.equal(found.status, 0, `${found.stdout}${found.stderr}`)
    })
  }
})
