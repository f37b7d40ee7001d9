import type { Screen } from './screen.ts'

/** An option of a command, as parsed, described in the help and completed in shells. */
export interface Option {
  type: 'string' | 'boolean'
  short?: string
  /** What stands for the value in the help: `FILE`, `SECONDS`. */
  value?: string
  summary: string
  choices?: readonly string[]
  /** Shown in the help. */
  default?: string
}

export type Options = Record<string, Option>
export type Values = Readonly<Record<string, string | boolean | undefined>>

/** What a command is given to work with. */
export interface Given {
  args: readonly string[]
  options: Values
  env: Readonly<Record<string, string | undefined>>
  screen: Screen
  /** Ctrl-C, with `Interrupted` as its reason. */
  signal: AbortSignal
}

/** How many arguments a command takes, and what stands for them in its help. */
export interface Arguments {
  words: string
  min: number
  max: number
  /** What a shell completes. */
  completes?: 'files' | readonly string[]
}

export interface Command {
  name: string
  summary: string
  /** Paragraphs for the help, beyond the summary. */
  details?: readonly string[]
  takes: Arguments
  options: Options
  /** Whether it calls the service, and so takes `--url` and the token. */
  calls: boolean
  examples: readonly (readonly [command: string, what: string])[]
  /** @returns the exit code */
  run(given: Given): Promise<number>
}

/** Of every command. */
export const commonOptions: Options = {
  json: { type: 'boolean', summary: 'One JSON value a line on standard output, and errors as JSON.' },
  help: { type: 'boolean', short: 'h', summary: 'Shows this.' },
}

/** Of the commands that call the service. */
export const connectionOptions: Options = {
  url: {
    type: 'string',
    value: 'URL',
    summary: 'Where the service is; or MEDIA_URL.',
    default: 'http://127.0.0.1:8080',
  },
  'token-file': {
    type: 'string',
    value: 'FILE',
    summary: 'File with the token or API key; read anew when it is refused.',
  },
  token: {
    type: 'string',
    value: 'TOKEN',
    summary: 'The token itself. Others on this machine can see it here: MEDIA_TOKEN or --token-file hide it.',
  },
}

export function optionsOf({ options, calls }: Pick<Command, 'options' | 'calls'>): Options {
  return { ...options, ...(calls ? connectionOptions : {}), ...commonOptions }
}

/** An option that is a text. */
export function textOf(values: Values, name: string): string | undefined {
  const value = values[name]
  return typeof value === 'string' ? value : undefined
}
