import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildDocs } from './docs.ts'

test('what is generated is up to date (`npm run docs` rebuilds it)', () => {
  assert.deepEqual(buildDocs({ check: true }), [])
})
