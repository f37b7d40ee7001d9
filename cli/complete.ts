import { optionsOf } from './command.ts'
import { commands } from './commands.ts'

/**
 * What may come next, for the shells' own completion: lines of `candidate<tab>what it is`; none where a file is meant.
 * @param words what stands behind `media`, the last one being typed
 */
export function candidates(words: readonly string[]): string[] {
  const current = words.at(-1) ?? ''
  const before = words.slice(0, -1)
  const command = commands.find(({ name }) => name === before.find((word) => !word.startsWith('-')))
  const all = command
    ? ofCommand(command, before.at(-1) ?? '')
    : commands.map(({ name, summary }) => lineOf(name, summary))
  return all.filter((line) => line.startsWith(current))
}

function ofCommand(command: (typeof commands)[number], last: string): string[] {
  const options = optionsOf(command)
  const open = options[last.replace(/^--?/, '')] ?? Object.values(options).find(({ short }) => last === `-${short}`)
  // A value is being typed.
  if (last.startsWith('-') && open?.type === 'string') return (open.choices ?? []).map((choice) => lineOf(choice, ''))
  const { completes } = command.takes
  const fixed = completes && completes !== 'files' ? completes.map((one) => lineOf(one, '')) : []
  return [...fixed, ...Object.entries(options).map(([name, { summary }]) => lineOf(`--${name}`, summary))]
}

function lineOf(word: string, summary: string): string {
  return `${word}\t${summary}\n`
}
