import { setMaxListeners } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Command } from './command.ts'
import { commands } from './commands.ts'
import { candidates } from './complete.ts'
import { urlOf } from './connection.ts'
import { CliError, explain, Interrupted } from './errors.ts'
import { exitCodes } from './exit-codes.ts'
import { helpOf, overview } from './help.ts'
import { nearest, parse, takeWord } from './parse.ts'
import { openScreen, plain, type Screen } from './screen.ts'

/** `media`, from what was typed to the exit code. */
export async function run(argv: readonly string[]): Promise<void> {
  // Who reads may have seen enough: `media list --all | head`.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  const screen = openScreen({ json: argv.includes('--json') })
  const exit = await answer(argv, screen)
  process.exitCode = exit
}

async function answer(argv: readonly string[], screen: Screen): Promise<number> {
  const { word, rest } = takeWord(argv)
  const show = (text: string) => (screen.out.write(text), exitCodes.done)
  let url = ''
  try {
    if (word === '__complete') return show(candidates(rest.slice(1)).join(''))
    if (word === undefined) return withoutWord(argv, show)
    if (word === 'help') return show(rest[0] ? helpOf(commandOf(rest[0])) : overview())
    const command = commandOf(word)
    const { args, options } = parse(command, rest)
    if (options['help']) return show(helpOf(command))
    url = urlOf(options, process.env)
    return await interruptible((signal) => command.run({ args, options, env: process.env, screen, signal }))
  } catch (error) {
    return complain(error, screen, url)
  }
}

function withoutWord(argv: readonly string[], show: (text: string) => number): number {
  if (argv.includes('--version')) return show(`media ${version()}\n`)
  const help = argv.length === 0 || argv.includes('--help') || argv.includes('-h')
  if (!help) throw new CliError(`${argv[0]} needs a command.`, { hint: '`media --help` lists them.' })
  show(overview())
  return argv.length === 0 ? exitCodes.usage : exitCodes.done
}

function version(): string {
  return JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version
}

function commandOf(word: string): Command {
  const command = commands.find(({ name }) => name === word)
  if (command) return command
  const near = nearest(
    word,
    commands.map(({ name }) => name),
  )
  throw new CliError(`There is no \`media ${plain(word)}\`.`, {
    hint: `${near ? `Did you mean \`media ${near}\`? ` : ''}\`media --help\` lists the commands.`,
  })
}

/** The first Ctrl-C ends in order, the second at once. */
async function interruptible(work: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const stop = new AbortController()
  // Each request under way listens.
  setMaxListeners(0, stop.signal)
  const onSignal = (name: 'SIGINT' | 'SIGTERM') => () => {
    const reason = new Interrupted(name)
    if (stop.signal.aborted) process.exit(reason.exit)
    stop.abort(reason)
  }
  const handlers = { SIGINT: onSignal('SIGINT'), SIGTERM: onSignal('SIGTERM') }
  for (const [name, handler] of Object.entries(handlers)) process.on(name, handler)
  try {
    return await work(stop.signal)
  } finally {
    for (const [name, handler] of Object.entries(handlers)) process.off(name, handler)
  }
}

/** What happened and what to do, on standard error. */
function complain(error: unknown, screen: Screen, url: string): number {
  const { exit, ...explained } = explain(error, url)
  if (screen.json) screen.err.write(`${JSON.stringify({ error: explained })}\n`)
  else {
    screen.note(`${screen.paintNote('red', 'media:')} ${plain(explained.message)}`)
    if (explained.hint) screen.note(plain(explained.hint))
  }
  return exit
}
