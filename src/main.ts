import { readConfig } from './config.ts'
import { examine, findingLines, type Role, roles, type Service, setUp, startService } from './wiring.ts'

const usage = `Usage: npm start [-- ${roles.join(' | ')} | setup | doctor]

  all      API, worker and edge in one process (the default)
  serve    API and edge, without a worker
  worker   a worker alone, any number of them; needs engines that several processes can share
  edge     the edge alone: signed delivery from the processed bucket
  setup    makes the buckets, the table, the queues or topics that the settings name, and ends; to be run again at will
  doctor   checks whether the service can do its work here, says how to mend what it finds, and ends;
           \`doctor worker\`: whether a worker can

\`--json\` with any of them says all of that as JSON, a value a line.
Settings are environment variables: see docs/settings.md.
`

/** Longer than the rooms' own limits together: what still hangs then is cut off. */
const stopLimitMs = 30_000

async function main(argv: readonly string[]): Promise<void> {
  const json = argv.includes('--json')
  const [word = 'all', ...more] = argv.filter((one) => one !== '--json')
  const say = (line: string, value: object) => void process.stdout.write(`${json ? JSON.stringify(value) : line}\n`)
  if (word === '--help' || word === '-h') return void process.stdout.write(usage)
  if (word === 'setup' && more.length === 0) {
    return await setUp(readConfig(process.env), (line) => say(line, { step: line }))
  }
  if (word === 'doctor') return await tellFindings(more, json)
  const role = roles.find((one) => one === word)
  if (!role || more.length > 0) throw new Error(`"${argv.join(' ')}" is not something to start.\n\n${usage}`)
  const config = readConfig(process.env)
  const service = await startService(role, config, fail)
  // Before it says that it is there: who reads that may end it at once.
  stopOnSignals(service, stopLimitMs + config.worker.stopSeconds * 1_000)
  const url = /https?:\/\/\S+/.exec(service.banner)?.[0] ?? null
  say(service.banner.trimEnd(), { role, url, lines: service.banner.split('\n').filter(Boolean) })
}

/** Ends with 1 when something must be mended. */
async function tellFindings([named = 'all', ...more]: readonly string[], json: boolean): Promise<never> {
  const role = roles.find((one): one is Role => one === named)
  if (!role || more.length > 0)
    throw new Error(`"doctor ${[named, ...more].join(' ')}" is not something to check.\n\n${usage}`)
  let healthy = true
  for await (const finding of examine(role, process.env)) {
    healthy &&= finding.status !== 'error'
    const lines = json ? [JSON.stringify(finding)] : findingLines(finding)
    process.stdout.write(`${lines.join('\n')}\n`)
  }
  // An engine that does not answer may hold a connection.
  process.exit(healthy ? 0 : 1)
}

/** The first signal stops in order; the second, at once. */
function stopOnSignals(service: Service, limitMs: number): void {
  let stopping = false
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stopping) process.exit(130)
      stopping = true
      setTimeout(() => process.exit(1), limitMs).unref()
      service.stop().then(
        () => process.exit(0),
        (error) => fail(error),
      )
    })
  }
}

function fail(error: unknown): never {
  const message = error instanceof Error ? error.message : String(error)
  const asJson = () => JSON.stringify({ error: { code: 'failed', message } })
  process.stderr.write(`${process.argv.includes('--json') ? asJson() : message}\n`)
  process.exit(1)
}

if (import.meta.main) await main(process.argv.slice(2)).catch(fail)
