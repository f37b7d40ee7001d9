import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, test } from 'node:test'
import { parseSync } from 'oxc-parser'

/** Imports go down, never up, never sideways; type imports included. The table of ARCHITECTURE.md, as a rule. */

const root = join(import.meta.dirname, '..')
const port = /^src\/(queue|objects|metadata|cdn)\/port\.ts$/

interface Rule {
  /** What a file of the room may import besides its own room. */
  may: RegExp[]
}

const useCase = { may: [/^src\/media\//, port] }
const engine = (family: string) => ({
  may: [/^src\/media\//, /^src\/embedded\/store\.ts$/, new RegExp(`^src/${family}/`)],
})
const useCases = /^src\/(uploads|processing|delivery|notices|library|quotas|tracing)\//
const settings = /^src\/[a-z]+\/settings\.ts$/
/** `wiring.ts` and its parts, a file a room. */
const wiring = {
  may: [
    /^src\/(config|closing)\.ts$/,
    /^src\/wiring\//,
    /\/(open|set-up)\.ts$/,
    /^src\/(http|worker|embedded|media)\//,
    useCases,
    port,
  ],
}

const rules: Record<string, Rule> = {
  contract: { may: [] },
  client: { may: [/^contract\//] },
  // It starts `src/main.ts` as a program, and imports nothing of the service.
  cli: { may: [/^client\/src\//] },
  // Pages: they know the API only.
  console: { may: [/^client\/src\//] },
  'src/media': { may: [] },
  'src/embedded': { may: [/^src\/media\//] },
  'src/queue': engine('queue'),
  'src/objects': engine('objects'),
  'src/metadata': engine('metadata'),
  'src/cdn': engine('cdn'),
  'src/uploads': useCase,
  'src/processing': useCase,
  'src/delivery': useCase,
  'src/notices': useCase,
  'src/library': useCase,
  'src/quotas': useCase,
  'src/tracing': useCase,
  'src/http': { may: [/^src\/media\//, /^contract\//, port, useCases] },
  'src/worker': { may: [/^src\/media\//, port, useCases] },
  'src/config.ts': { may: [settings, /^src\/media\/setting\.ts$/] },
  'src/closing.ts': { may: [/^src\/media\//] },
  'src/wiring.ts': wiring,
  'src/wiring': wiring,
  // The entry points of Lambda: as high as main, they bring the wake-ups themselves.
  'src/lambda': { may: [/^src\/(wiring|config)\.ts$/, /^src\/(worker|media)\//, /^src\/queue\/wake-up\.ts$/] },
  'src/main.ts': { may: [/^src\/(wiring|config)\.ts$/] },
}

const files = globSync(
  ['contract/**/*.ts', 'src/**/*.ts', 'client/src/*.ts', 'cli/**/*.ts', 'console/src/**/*.{ts,tsx}'],
  { cwd: root },
).filter((file) => !file.includes('node_modules') && !/(\.test|\/conformance|^cli\/build)\.ts$/.test(file))
const graph = new Map(files.map((file) => [file, importsOf(file)]))

/** Every module a file names: static, re-exported and dynamic with a plain text, types too. */
function importsOf(file: string): string[] {
  const source = readFileSync(join(root, file), 'utf8')
  const { module, errors } = parseSync(file, source)
  assert.deepEqual(errors, [], `${file} does not parse`)
  const named = [
    ...module.staticImports.map((one) => one.moduleRequest.value),
    ...module.staticExports.flatMap((one) => one.entries.flatMap((entry) => entry.moduleRequest?.value ?? [])),
    ...module.dynamicImports.map((one) => source.slice(one.moduleRequest.start + 1, one.moduleRequest.end - 1)),
  ]
  return named.filter((name) => name.startsWith('.')).map((name) => relative(root, join(root, dirname(file), name)))
}

function roomOf(file: string): string {
  const room = Object.keys(rules).find((name) => file === name || file.startsWith(`${name}/`))
  assert.ok(room, `${file} lies in no room of the house`)
  return room
}

describe('architecture', () => {
  test('there are files to check', () => assert.ok(files.length > 30, `only ${files.length} files`))

  test('imports go down', () => {
    const wrong: string[] = []
    for (const [file, imports] of graph) {
      const room = roomOf(file)
      for (const target of imports) {
        const own = target.startsWith(`${room}/`)
        if (!own && !rules[room]?.may.some((allowed) => allowed.test(target))) wrong.push(`${file} → ${target}`)
      }
    }
    assert.deepEqual(wrong, [])
  })

  test('there are no circles', () => {
    const done = new Set<string>()
    function visit(file: string, path: string[]): void {
      assert.ok(!path.includes(file), `circle: ${[...path, file].join(' → ')}`)
      if (done.has(file)) return
      for (const target of graph.get(file) ?? []) visit(target, [...path, file])
      done.add(file)
    }
    for (const file of files) visit(file, [])
  })

  test('time, chance and ids come from the wiring', () => {
    const forbidden = /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\brandomUUID\b|\bperformance\.now\b/
    const sources = new Set(['src/media/clock.ts', 'src/wiring.ts'])
    const wrong = files.filter(
      (file) =>
        !/^(client|cli|console)\//.test(file) &&
        !sources.has(file) &&
        forbidden.test(readFileSync(join(root, file), 'utf8')),
    )
    assert.deepEqual(wrong, [])
  })

  test('a vendor SDK is imported by its driver only', () => {
    const wrong = files.filter(
      (file) =>
        /from '(@aws-sdk|@platformatic|node:sqlite)/.test(readFileSync(join(root, file), 'utf8')) &&
        !/^src\/(queue|objects|metadata|cdn|embedded)\//.test(file),
    )
    assert.deepEqual(wrong, [])
  })
})
