import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { extname } from 'node:path'
import { loadEnvFile } from 'node:process'
import { fileURLToPath } from 'node:url'
import { type Command, type Given, type Options, textOf } from '../command.ts'
import { CliError } from '../errors.ts'
import { exitCodes } from '../exit-codes.ts'
import { wholeOf } from '../parse.ts'

const main = fileURLToPath(new URL(`../../src/main${extname(import.meta.url)}`, import.meta.url))
/** As in the script `start`: few heaps and a small young generation keep the service small. */
const flags = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=1']

const envFile: Options = {
  'env-file': {
    type: 'string',
    value: 'FILE',
    summary: 'Settings, one `NAME=value` a line; those of the environment hold over it.',
  },
}
const listening: Options = {
  port: {
    type: 'string',
    short: 'p',
    value: 'PORT',
    summary: 'Where it listens; 0 takes a free one. The setting PORT.',
  },
  host: { type: 'string', value: 'HOST', summary: 'On which address. The setting HOST.' },
}
const data: Options = {
  data: { type: 'string', short: 'd', value: 'FOLDER', summary: 'Where it keeps what it has. The setting DATA_DIR.' },
}
const settings = 'Settings are environment variables: see docs/settings.md; `media doctor` checks them.'

function service(
  words: Pick<Command, 'name' | 'summary' | 'details' | 'options' | 'examples'>,
  wordsOf: (given: Given) => string | readonly string[],
): Command {
  return {
    ...words,
    takes: { words: '', min: 0, max: 0 },
    calls: false,
    run: async (given) => await start([wordsOf(given)].flat(), given),
  }
}

export const serve = service(
  {
    name: 'serve',
    summary: 'Runs the service: API, worker and edge in one process.',
    details: [settings],
    options: {
      ...listening,
      ...data,
      'no-worker': {
        type: 'boolean',
        summary: 'API and edge only; workers run elsewhere, on engines that several processes share.',
      },
      ...envFile,
    },
    examples: [
      ['media serve', 'on http://127.0.0.1:8080, data in ./data'],
      ['media serve --port 9000 --data /srv/media', 'elsewhere'],
    ],
  },
  ({ options }) => (options['no-worker'] ? 'serve' : 'all'),
)

export const worker = service(
  {
    name: 'worker',
    summary: 'Runs a worker alone, any number of them beside each other.',
    details: [`It needs engines that several processes share. ${settings}`],
    options: { ...data, ...envFile },
    examples: [['media worker --env-file media-service.env', 'with the settings of that file']],
  },
  () => 'worker',
)

export const edge = service(
  {
    name: 'edge',
    summary: 'Runs the edge alone: signed delivery of what is processed.',
    details: [settings],
    options: { ...listening, ...data, ...envFile },
    examples: [['media edge --port 8081 --env-file media-service.env', 'nearer to who reads']],
  },
  () => 'edge',
)

export const setup = service(
  {
    name: 'setup',
    summary: 'Makes the buckets, the table, the queues or topics that the settings name.',
    details: [`Makes what is missing and says each step; again, it changes nothing. ${settings}`],
    options: envFile,
    examples: [['media setup --env-file media-service.env', 'once, and after each change of settings']],
  },
  () => 'setup',
)

export const doctor = service(
  {
    name: 'doctor',
    summary: 'Checks whether the service can do its work here, and says how to mend what it finds.',
    details: [
      'Looks at settings, ffmpeg and its codecs, pictures, the sandbox, disk, keys, ports, the engines and their clocks. ' +
        'It changes nothing. Ends with 1 when something must be mended; warnings are no faults.',
    ],
    options: {
      role: {
        type: 'string',
        value: 'ROLE',
        summary: 'Which process is to run here.',
        choices: ['all', 'serve', 'worker', 'edge'],
        default: 'all',
      },
      ...data,
      ...envFile,
    },
    examples: [['media doctor --json | jq \'select(.status != "ok")\'', 'what is not as it should be']],
  },
  ({ options }) => ['doctor', textOf(options, 'role') ?? 'all'],
)

async function start(words: readonly string[], given: Given): Promise<number> {
  const env = environmentOf(given)
  const args = [...flags, main, ...words, ...(given.screen.json ? ['--json'] : [])]
  // In its place, so that who signals this process reaches the service itself.
  if (process.execve) process.execve(process.execPath, [process.execPath, ...args], env)
  return await startBeside(args, env)
}

/** @throws CliError for a file that cannot be read */
function environmentOf({ options }: Given): Record<string, string> {
  wholeOf(options, 'port', { min: 0, max: 65_535 })
  const file = textOf(options, 'env-file')
  if (file !== undefined) {
    try {
      loadEnvFile(file)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      throw new CliError(`--env-file ${file} cannot be read (${code}).`, { exit: exitCodes.notFound })
    }
  }
  const typed = { PORT: textOf(options, 'port'), HOST: textOf(options, 'host'), DATA_DIR: textOf(options, 'data') }
  const given = [...Object.entries({ MALLOC_ARENA_MAX: '2', ...process.env }), ...Object.entries(typed)]
  return Object.fromEntries(given.filter((one): one is [string, string] => one[1] !== undefined))
}

/** Where a process cannot be replaced. */
async function startBeside(args: string[], env: Record<string, string>): Promise<number> {
  const child = spawn(process.execPath, args, { stdio: 'inherit', env })
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  const [code] = await once(child, 'close')
  return code ?? exitCodes.failed
}
