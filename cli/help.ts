import { type Command, commonOptions, connectionOptions, type Option, type Options, optionsOf } from './command.ts'
import { commands } from './commands.ts'
import { exitCodes, exitMeanings } from './exit-codes.ts'

const intro = 'The Media Service at the command line: runs it, and works with the media in it.'

/** What `media --help` says. */
export function overview(): string {
  const rows = commands.map(({ name, summary }): [string, string] => [name, summary])
  return [
    intro,
    '',
    'Usage: media <command> [options]',
    '',
    ...columns(rows),
    '',
    'Common options:',
    ...optionLines({ ...connectionOptions, ...commonOptions, version: versionOption }),
    '',
    'Exit codes:',
    ...columns(exitRows()),
    '',
    '`media <command> --help` says more of one.',
    '',
  ].join('\n')
}

const versionOption: Option = { type: 'boolean', summary: 'Shows the version.' }

function exitRows(): [string, string][] {
  return (Object.keys(exitCodes) as (keyof typeof exitCodes)[]).map((name) => [
    String(exitCodes[name]),
    exitMeanings[name],
  ])
}

/** What `media <command> --help` says. */
export function helpOf(command: Command): string {
  const { name, summary, details = [], takes, examples } = command
  return [
    summary,
    '',
    `Usage: ${usageOf(name, takes.words)}`,
    ...details.flatMap((paragraph) => ['', ...wrap(paragraph, 100)]),
    '',
    'Options:',
    ...optionLines(optionsOf(command)),
    ...(examples.length > 0 ? ['', 'Examples:', ...columns(examples.map(([typed, what]) => [typed, what]))] : []),
    '',
  ].join('\n')
}

function usageOf(name: string, words: string): string {
  return ['media', name, words, '[options]'].filter(Boolean).join(' ')
}

function optionLines(options: Options): string[] {
  return columns(
    Object.entries(options).map(([name, option]) => [
      `${option.short ? `-${option.short}, ` : '    '}--${name}${option.value ? ` ${option.value}` : ''}`,
      [option.summary, ...choicesOf(option), ...(option.default ? [`Default: ${option.default}.`] : [])].join(' '),
    ]),
  )
}

function choicesOf({ choices }: Option): string[] {
  return choices ? [`One of ${choices.join(', ')}.`] : []
}

/** Two columns, the second wrapped. */
function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(44, Math.max(...rows.map(([left]) => left.length)))
  return rows.flatMap(([left, right]) => {
    const [first = '', ...more] = wrap(right, 100 - width)
    const start =
      left.length > width ? [`  ${left}`, `  ${' '.repeat(width)}  ${first}`] : [`  ${left.padEnd(width)}  ${first}`]
    return [...start, ...more.map((line) => `  ${' '.repeat(width)}  ${line}`)].map((line) => line.trimEnd())
  })
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = ['']
  for (const word of text.split(' ')) {
    const last = lines.at(-1) ?? ''
    if (last && last.length + word.length + 1 > width) lines.push(word)
    else lines[lines.length - 1] = last ? `${last} ${word}` : word
  }
  return lines
}

/** docs/cli.md. */
export function helpPage(): string {
  const chapters = commands.flatMap((command) => [
    `## media ${command.name}`,
    '',
    '```text',
    helpOf(command).trimEnd(),
    '```',
    '',
  ])
  return ['# media', '', 'As `--help` says it.', '', '```text', overview().trimEnd(), '```', '', ...chapters].join('\n')
}
