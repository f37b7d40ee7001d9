import { parseArgs } from 'node:util'
import { type Command, commonOptions, connectionOptions, optionsOf, type Values } from './command.ts'
import { CliError } from './errors.ts'

/** Splits what was typed into the command's word and the rest; options may stand before the word too. */
export function takeWord(argv: readonly string[]): { word: string | undefined; rest: string[] } {
  const early = { ...connectionOptions, ...commonOptions }
  for (let at = 0; at < argv.length; at++) {
    const one = argv[at] ?? ''
    if (!one.startsWith('-')) return { word: one, rest: argv.toSpliced(at, 1) }
    const option = early[one.replace(/^--/, '')]
    if (option?.type === 'string') at++
  }
  return { word: undefined, rest: [...argv] }
}

/** @throws CliError naming what is not understood, and what may have been meant */
export function parse(command: Command, argv: readonly string[]): { args: string[]; options: Values } {
  const known = optionsOf(command)
  const plain = Object.fromEntries(
    Object.entries(known).map(([name, { type, short }]) => [name, { type, ...(short && { short }) }]),
  )
  const parsed = readArguments(command, [...argv], plain)
  if (parsed.values['help'] !== true) checkValues(command, parsed)
  return { args: parsed.positionals, options: parsed.values as Values }
}

type Plain = Record<string, { type: 'string' | 'boolean'; short?: string }>

function readArguments(command: Command, args: string[], options: Plain) {
  try {
    return parseArgs({ args, options, allowPositionals: true, strict: true })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const hint = `\`media ${command.name} --help\` lists what it takes.`
    const unknown = code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' ? /'(-[^']*)'/.exec(message)?.[1] : undefined
    if (unknown === undefined) throw new CliError(firstSentence(message), { hint })
    const near = nearest(unknown.replace(/^-+/, ''), Object.keys(options))
    const named = command.takes.completes === 'files' ? 'A file whose name begins with - stands after --. ' : ''
    throw new CliError(`\`media ${command.name}\` has no option ${unknown}.`, {
      hint: near ? `Did you mean --${near}? ${hint}` : named + hint,
    })
  }
}

function firstSentence(message: string): string {
  return `${message.split(/[.\n]/, 1)[0]}.`
}

function checkValues(command: Command, { values, positionals }: { values: object; positionals: string[] }): void {
  const { words, min, max } = command.takes
  const hint = `Usage: media ${command.name}${words ? ` ${words}` : ''}`
  if (positionals.length < min) throw new CliError(`\`media ${command.name}\` needs ${words}.`, { hint })
  if (positionals.length > max) {
    throw new CliError(`\`media ${command.name}\` takes no "${positionals[max]}".`, { hint })
  }
  for (const [name, value] of Object.entries(values)) {
    const { choices } = optionsOf(command)[name] ?? {}
    if (choices && !choices.includes(value)) {
      throw new CliError(`--${name} takes ${choices.join(', ')}; it is "${value}".`)
    }
  }
}

/** A whole number option. @throws CliError */
export function wholeOf(values: Values, name: string, { min, max }: { min: number; max: number }): number | undefined {
  const value = values[name]
  if (typeof value !== 'string') return undefined
  const number = Number(value)
  if (/^\d+$/.test(value) && number >= min && number <= max) return number
  throw new CliError(`--${name} takes a whole number, ${min}–${max}; it is "${value}".`)
}

/** What may have been meant: the name that the fewest changes lead to, when they are few. */
export function nearest(word: string, names: readonly string[]): string | undefined {
  const [best] = names
    .map((name) => ({ name, far: name.startsWith(word) ? 0 : distance(word, name) }))
    .sort((a, b) => a.far - b.far)
  return best && best.far <= Math.max(1, Math.floor(word.length / 3)) ? best.name : undefined
}

/** Letters to change, add or leave out. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1]
    for (const [j, other] of [...b].entries()) {
      const same = (row[j] ?? 0) + (letter === other ? 0 : 1)
      next.push(Math.min(same, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return row.at(-1) ?? 0
}
