import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, test } from 'node:test'
import { elsewhere, suiteOf } from '../acceptance/docs/elsewhere.ts'
import { languages } from '../acceptance/docs/reader.ts'
import { anchorsOf, type Block, blocksIn, linksIn, pages, readPage } from './pages.ts'

const root = join(import.meta.dirname, '..')
/** Beyond what is told of the product: their links lead into it. */
const linking = [...pages, 'llms.txt', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'client/README.md', 'infra/README.md']

describe('pages', () => {
  test('every piece of code is run by a suite', () => {
    const nobodys = pages
      .flatMap(blocksIn)
      .filter((block) => !languages.includes(block.language) && !suiteOf(block))
      .filter((block) => !isTranscribed(block))
      .map(({ page, line, language }) => `${page}:${line} ${language || 'no language'}`)
    assert.deepEqual(nobodys, [])
  })

  test('the suites that run code elsewhere name the page, and there is such code', () => {
    for (const { page, heading, language, by } of elsewhere) {
      const found = blocksIn(page).filter(
        (block) => block.language === language && (heading ?? block.heading) === block.heading,
      )
      assert.notEqual(found.length, 0, `${page} has no ${language} ${heading ?? ''}`)
      const suite = readFileSync(join(root, by), 'utf8')
      const named = [page, heading].some((one) => one !== undefined && suite.includes(one))
      assert.ok(named || by === 'scripts/docs.test.ts', `${by} does not name ${page}`)
    }
  })

  for (const page of linking) {
    test(`${page}: its links lead somewhere`, () => {
      const broken = linksIn(page).filter((link) => !leads(page, link))
      assert.deepEqual(broken, [])
    })
  }

  test('pictures are small enough to load at once', () => {
    const folder = join(root, 'docs/images')
    const large = readdirSync(folder).filter((name) => statSync(join(folder, name)).size > 250_000)
    assert.deepEqual(large, [])
  })

  test('the index names every page', () => {
    const named = new Set(linksIn('docs/README.md').map((link) => relative(root, join(root, 'docs', link))))
    const missing = pages.filter((page) => page !== 'docs/README.md' && !named.has(page))
    assert.deepEqual(missing, [])
  })
})

/** Swift and Kotlin are compiled by nobody here: what they send is sent by the shell of the same chapter. */
function isTranscribed({ page, heading, language, code }: Block): boolean {
  if (!['swift', 'kotlin'].includes(language)) return false
  const [sent] = blocksIn(page).filter((block) => block.heading === heading && block.language === 'sh')
  const named = wordsSent(code)
  assert.ok(named.length >= 2, `${page}, ${heading}: nothing is sent`)
  return sent !== undefined && named.every((word) => sent.code.toLowerCase().includes(word.toLowerCase()))
}

/** Addresses, header fields but that of the caller, and what is told of the file. */
function wordsSent(code: string): string[] {
  const patterns = [
    /"(http[^"]+)"/g,
    /forHTTPHeaderField: "([^"]+)"/g,
    /httpMethod = "(\w+)"/g,
    /\bname: "(\w+)"/g,
    /"(\w+)" to /g,
    /context: \["(\w+)"/g,
  ]
  const found = patterns.flatMap((pattern) => [...code.matchAll(pattern)].map(([, word = '']) => word))
  return found.filter((word) => word !== 'Authorization')
}

function leads(page: string, link: string): boolean {
  // The last is an address of a running service.
  if (/^(https?|mailto):|^\/openapi\.json$/.test(link)) return true
  const [path = '', anchor] = link.split('#')
  const target = path === '' ? page : relative(root, join(root, dirname(page), path))
  if (!existsSync(join(root, target))) return false
  if (anchor === undefined || statSync(join(root, target)).isDirectory()) return anchor === undefined
  return anchorsOf(readPage(target)).has(anchor)
}
