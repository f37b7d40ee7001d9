import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { makeSample } from '../samples.ts'
import { startTarget, type Target } from '../target.ts'

/** Each piece of code in the client's README, run as it stands there. */

const client = join(import.meta.dirname, '../../client')
const readme = await readFile(join(client, 'README.md'), 'utf8')
const snippets = [...readme.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, code = '']) => code)

describe("the client's README", () => {
  let target: Target
  let folder: string
  before(async () => {
    target = await startTarget()
    folder = await mkdtemp(join(tmpdir(), 'readme-'))
    const clip = new Uint8Array(await (await makeSample('clip.mp4')).arrayBuffer())
    for (const name of ['clip.mp4', 'film.mp4']) await writeFile(join(folder, name), clip)
    await appendFile(join(folder, 'film.mp4'), new Uint8Array(12 * 2 ** 20))
  })
  after(async () => {
    await target.stop()
    await rm(folder, { recursive: true, force: true })
  })

  test('has code', () => assert.ok(snippets.length >= 5))

  for (const [index, code] of snippets.entries()) {
    test(`runs: ${code.split('\n').find((line) => line.includes('await')) ?? index}`, async () => {
      const path = join(folder, `${index}.ts`)
      await writeFile(path, programOf(code, target.url))
      const { stdout } = await promisify(execFile)(process.execPath, [path], { cwd: folder, timeout: 60_000 })
      const shown = stdout.trim().split('\n')
      assert.ok(shown[0], 'it showed nothing')
      if (code.includes('.watch('))
        assert.ok(shown.includes('processed 100') && shown.at(-1)?.startsWith('http'), stdout)
    })
  }
})

/** With what a reader of the page has around it. */
function programOf(code: string, url: string): string {
  const source = pathToFileURL(join(client, 'src')).href
  const around = [
    `import { readFileSync } from 'node:fs'`,
    `const show = (...values) => console.log(...values)`,
    `const session = { token: async () => '' }`,
    `const file = new File([readFileSync('clip.mp4')], 'clip.mp4')`,
    ...(code.includes('createClient')
      ? []
      : [`import { createClient } from '@media-service/client'`, `const media = createClient({ baseUrl: '${url}' })`]),
    code.replace('https://media.example.com', url),
  ]
  return around
    .join('\n')
    .replaceAll(`'@media-service/client'`, `'${source}/index.ts'`)
    .replaceAll(`'@media-service/client/node'`, `'${source}/node.ts'`)
}
