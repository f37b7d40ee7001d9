/** One setting of a room: where it is read, what it takes, what it means. */
export interface Setting<T> {
  variable: string
  /** What a value looks like, for a person: `a port, 0–65535`. */
  takes: string
  /** The text taken when the variable is not set; null when there is none. */
  default: string | null
  /** How the default is written for a person, where it depends on the machine. */
  shownDefault?: string
  summary: string
  /** Never printed, not even in an error. */
  secret?: boolean
  /** @throws Error when `text` is not a value; the caller names the variable. */
  parse(text: string): T
}

/** A room's settings: `{ port: integer('PORT', …) }`. */
export type SettingSet = Record<string, Setting<unknown>>

/** The parsed values of a set. */
export type SettingsOf<S extends SettingSet> = {
  readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never
}

type Words = { summary: string; default?: string; shownDefault?: string; secret?: boolean }
type Required = Words & { default: string }

const base = (variable: string, takes: string, words: Words) => ({
  variable,
  takes,
  default: words.default ?? null,
  summary: words.summary,
  ...(words.secret ? { secret: true } : {}),
  ...(words.shownDefault ? { shownDefault: words.shownDefault } : {}),
})

export function text(variable: string, words: Required & { takes?: string }): Setting<string> {
  return { ...base(variable, words.takes ?? 'text', words), parse: (value) => value }
}

/** Text that need not be given. */
export function optionalText(variable: string, words: Words & { takes?: string }): Setting<string | undefined> {
  return { ...base(variable, words.takes ?? 'text', words), parse: (value) => value }
}

export function integer(
  variable: string,
  words: Required & { min: number; max: number; unit?: string },
): Setting<number> {
  const { min, max, unit } = words
  const takes = `a whole number${unit ? ` of ${unit}` : ''}, ${min}–${max}`
  return {
    ...base(variable, takes, words),
    parse: (value) => {
      const number = Number(value)
      if (!/^\d+$/.test(value) || number < min || number > max) throw new Error('out of range')
      return number
    },
  }
}

export function oneOf<const V extends string>(variable: string, values: readonly V[], words: Required): Setting<V> {
  return {
    ...base(variable, values.map((value) => `\`${value}\``).join(' or '), words),
    parse: (value) => {
      const found = values.find((one) => one === value)
      if (found === undefined) throw new Error('not one of the values')
      return found
    },
  }
}

/** A port that is listened on when it is asked for; null: it is not. */
export function portOrOff(variable: string, { summary }: Pick<Words, 'summary'>): Setting<number | null> {
  return {
    ...base(variable, '`off`, or a port, 0–65535', { summary, default: 'off' }),
    parse: (value) => {
      if (value === 'off') return null
      if (!/^\d{1,5}$/.test(value) || Number(value) > 65_535) throw new Error('not a port')
      return Number(value)
    },
  }
}

export function flag(variable: string, words: Required): Setting<boolean> {
  const { parse, ...rest } = oneOf(variable, ['true', 'false'], words)
  return { ...rest, parse: (value) => parse(value) === 'true' }
}

/** Comma-separated texts; empty is none. */
export function list(variable: string, words: Required & { takes?: string }): Setting<readonly string[]> {
  return {
    ...base(variable, words.takes ?? 'texts, separated by commas', words),
    parse: (value) =>
      value
        .split(',')
        .map((one) => one.trim())
        .filter((one) => one !== ''),
  }
}

/**
 * Parses a room's settings from the environment; an empty variable counts as not set.
 * @throws Error naming the variable and what it takes; a secret's value is never in it.
 */
export function parseSettings<S extends SettingSet>(
  settings: S,
  env: Record<string, string | undefined>,
): SettingsOf<S> {
  const values: Record<string, unknown> = {}
  for (const [name, setting] of Object.entries(settings)) {
    const given = env[setting.variable]
    const value = given === undefined || given === '' ? setting.default : given
    if (value === null) continue
    try {
      values[name] = setting.parse(value)
    } catch (cause) {
      const shown = setting.secret ? '' : ` It is "${value}".`
      throw new Error(`${setting.variable} takes ${setting.takes}.${shown} See docs/settings.md.`, { cause })
    }
  }
  return values as SettingsOf<S>
}
