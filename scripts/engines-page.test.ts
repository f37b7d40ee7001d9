import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { readConfig, rooms } from '../src/config.ts'
import { openKeys } from '../src/delivery/keys.ts'
import { readUploadKey } from '../src/http/upload-tokens.ts'
import { systemChance } from '../src/media/clock.ts'
import { blocksOf, environmentOf } from './pages.ts'

const variables = new Set(
  Object.values(rooms).flatMap((settings) => Object.values(settings).map(({ variable }) => variable)),
)

describe('docs/engines.md', () => {
  for (const chapter of ['On AWS', 'On your own S3 and Kafka']) {
    test(`the settings of "${chapter}" are settings, and are taken`, () => {
      const env = environmentOf('docs/engines.md', chapter)
      assert.ok(Object.keys(env).length >= 15)
      const unknown = Object.keys(env).filter((name) => !variables.has(name) && !name.startsWith('AWS_'))
      assert.deepEqual(unknown, [])
      readConfig(env)
    })
  }

  test('the commands that make keys make keys that are taken', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'readme-'))
    try {
      const [commands = ''] = blocksOf('docs/engines.md', 'On several machines', 'sh')
      execFileSync('bash', ['-e', '-c', commands], { cwd: folder, stdio: 'pipe' })
      assert.deepEqual(readdirSync(folder).sort(), ['cdn-private.pem', 'cdn-public.pem', 'upload-tokens.key'])
      assert.equal((await readUploadKey(join(folder, 'upload-tokens.key'))).length, 32)
      const given = { folder, secret: systemChance.secret }
      const signing = await openKeys({ ...given, privateKeyFile: join(folder, 'cdn-private.pem') })
      const verifying = await openKeys({ ...given, publicKeyFiles: [join(folder, 'cdn-public.pem')] })
      assert.ok(verifying.publicKeys.has(signing.signing?.keyPairId ?? ''))
      assert.match(readFileSync(join(folder, 'cdn-public.pem'), 'utf8'), /PUBLIC KEY/)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
