/**
 * `npm run test:engines`: starts the real servers once, runs on them what the embedded engines pass too, stops them, and
 * says what ran. Arguments are parts of suites' names; without one, all run.
 */
import { spawn } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { startCeph } from './ceph.ts'
import { startClamav } from './clamav.ts'
import { startDynamodb } from './dynamodb.ts'
import type { Engine } from './engine.ts'
import { startKafka } from './kafka.ts'
import { startSqs } from './sqs.ts'

const root = join(import.meta.dirname, '..')
const limitMs = 600_000
/** Most of them wait most of the time. */
const atOnce = 2
/** They go first, so that none of them runs alone at the end. */
const slowest = [
  'acceptance/api',
  'acceptance/faults',
  'engines/tests/lambda',
  'acceptance/scale',
  'engines/tests/queue-kafka',
]

interface Suite {
  name: string
  engines: string
  files: string[]
  /** Test files beside each other. */
  concurrency: number
  env: Record<string, string>
}

interface Outcome {
  passed: number
  failed: number
  /** Tests of what only embedded engines do, with their reasons. */
  notApplicable: string[]
  seconds: number
}

/** Each engine's settings for the suites which take one, and all of them for the targets of `acceptance/`. */
function environmentOf(engines: Engine[]): Record<string, string> {
  const each = engines.map(({ name, env }) => [`ENGINES_${name.toUpperCase()}`, JSON.stringify(env)])
  // The last has its say: Kafka's queue rather than SQS', and the keys that Ceph checks.
  const all = ['sqs', 'kafka', 'dynamodb', 'ceph'].flatMap((name) => engines.filter((one) => one.name === name))
  const own = process.env as Record<string, string>
  return {
    ...own,
    ...Object.fromEntries(each),
    ENGINES: JSON.stringify(Object.assign({}, ...all.map(({ env }) => env))),
  }
}

function suitesOn(env: Record<string, string>): Suite[] {
  const { ENGINES = '', ...without } = env
  // They name their engines themselves.
  const own = globSync('engines/tests/*.test.ts', { cwd: root }).map((file) => suiteOf(file, without))
  const api = { files: globSync('acceptance/api/*.test.ts', { cwd: root }), concurrency: 2 }
  const shared = globSync('acceptance/{faults,scale}/*.test.ts', { cwd: root }).map((file) => suiteOf(file, without))
  const suites = [
    ...own,
    { ...api, name: 'acceptance/api', engines: 'ceph dynamodb kafka', env: { ...without, ENGINES } },
  ]
  const place = ({ name }: Suite) => [...slowest, name].findIndex((one) => name.startsWith(one))
  return [...suites, ...shared].sort((a, b) => place(a) - place(b) || a.name.localeCompare(b.name))
}

function suiteOf(file: string, env: Record<string, string>): Suite {
  const imports = readFileSync(join(root, file), 'utf8').matchAll(
    /from '[./]+(?:engines\/)?(ceph|clamav|dynamodb|kafka|sqs)\.ts'/g,
  )
  const engines = [...imports].map(([, engine]) => engine).join(' ')
  return { name: file.replace('.test.ts', ''), engines, files: [file], concurrency: 1, env }
}

async function run({ name, files, concurrency, env }: Suite): Promise<Outcome> {
  const started = Date.now()
  const flags = ['--disable-warning=ExperimentalWarning', '--test', '--test-reporter=spec']
  const limits = [`--test-concurrency=${concurrency}`, `--test-timeout=${limitMs}`]
  const output = await outputOf([...flags, ...limits, ...files], env)
  const count = (word: string) => Number(new RegExp(`^ℹ ${word} (\\d+)$`, 'm').exec(output)?.[1] ?? 0)
  const outcome = {
    passed: count('pass'),
    failed: count('fail') + count('cancelled') + count('todo'),
    notApplicable: [...output.matchAll(/^\s*﹣ (.+?) \([\d.]+ms\) # (.+)$/gm)].map(
      ([, test, why]) => `${test}: ${why}`,
    ),
    seconds: Math.round((Date.now() - started) / 1000),
  }
  // One which says no count did not run; a skipped test without its reason is one that nobody meant to skip.
  const unexplained = count('skipped') - outcome.notApplicable.length
  if (outcome.passed === 0 || unexplained > 0) outcome.failed += 1
  if (outcome.failed > 0) process.stdout.write(`\n${name}\n${output.replace(/^ℹ/gm, ' ')}\n`)
  process.stdout.write(`${line([name, '', outcome.passed, outcome.failed, `${outcome.seconds} s`])}\n`)
  return outcome
}

async function outputOf(args: string[], env: Record<string, string>): Promise<string> {
  const child = spawn(process.execPath, args, { cwd: root, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const end = (): void => {
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL')
    } catch {
      // It has ended.
    }
  }
  const limit = setTimeout(end, limitMs + 30_000)
  process.once('exit', end)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  await new Promise((resolve) => child.once('close', resolve))
  clearTimeout(limit)
  process.off('exit', end)
  return output
}

function line(cells: (string | number)[]): string {
  const widths = [38, 24, 7, 7, 6]
  return cells
    .map((cell, at) => (at < 2 ? String(cell).padEnd(widths[at] ?? 0) : String(cell).padStart(widths[at] ?? 0)))
    .join(' ')
}

function report(suites: Suite[], outcomes: Outcome[]): number {
  const rows = suites.map(({ name, engines }, at) => {
    const { passed = 0, failed = 1, seconds = 0 } = outcomes[at] ?? {}
    return line([name, engines, passed, failed, `${seconds} s`])
  })
  const notApplicable = [...new Set(outcomes.flatMap((one) => one.notApplicable))]
  const sum = (key: 'passed' | 'failed') => outcomes.reduce((all, one) => all + one[key], 0)
  const failed = sum('failed') + (suites.length - outcomes.length)
  process.stdout.write(`\n${[line(['suite', 'engines', 'passed', 'failed', 'time']), ...rows].join('\n')}\n\n`)
  for (const one of notApplicable) process.stdout.write(`not applicable: ${one}\n`)
  process.stdout.write(`ℹ pass ${sum('passed')}\nℹ fail ${failed}\n`)
  return failed
}

async function startAll(): Promise<Engine[]> {
  const started = await Promise.allSettled([startCeph(), startClamav(), startDynamodb(), startKafka(), startSqs()])
  const engines = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const failures = started.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
  if (failures.length === 0) return engines
  await Promise.all(engines.map((engine) => engine.stop()))
  throw new AggregateError(failures, failures.map(({ message }) => message).join('\n'))
}

async function main(wanted: string[]): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))
  const started = Date.now()
  const engines = await startAll()
  process.stdout.write(
    `${engines.map(({ name }) => name).join(', ')}: up in ${Math.round((Date.now() - started) / 1000)} s\n`,
  )
  try {
    const all = suitesOn(environmentOf(engines))
    const suites = all.filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
    const outcomes: Outcome[] = []
    const next = suites.entries()
    const lanes = Array.from({ length: atOnce }, async () => {
      for (const [at, suite] of next) outcomes[at] = await run(suite)
    })
    await Promise.all(lanes)
    if (report(suites, outcomes) > 0 || suites.length === 0) process.exitCode = 1
  } finally {
    await Promise.all(engines.map((engine) => engine.stop()))
  }
}

if (import.meta.main) {
  await main(process.argv.slice(2)).catch((error: Error) => {
    process.stderr.write(`${basename(import.meta.filename)}: ${error.message}\n`)
    process.exit(1)
  })
}
