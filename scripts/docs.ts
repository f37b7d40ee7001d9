import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { helpPage } from '../cli/help.ts'
import { rooms } from '../src/config.ts'
import { answers, requestCodes } from '../src/http/errors.ts'
import type { Setting } from '../src/media/setting.ts'
import { outcomes } from '../src/worker/outcomes.ts'

/** Rebuilds what is generated: the README's table of settings, docs/errors.md, docs/cli.md. With `--check` only compares. */

const root = join(import.meta.dirname, '..')

function settingsTable(): string {
  const rows = Object.values(rooms).flatMap((settings) => Object.values(settings as Record<string, Setting<unknown>>))
  const lines = rows.map(
    (setting) => `| \`${setting.variable}\` | ${setting.takes} | ${shownDefault(setting)} | ${setting.summary} |`,
  )
  return ['| variable | takes | default | what it does |', '|---|---|---|---|', ...lines].join('\n')
}

function shownDefault(setting: Setting<unknown>): string {
  if (setting.shownDefault) return setting.shownDefault
  return setting.default === null || setting.default === '' ? '–' : `\`${setting.default}\``
}

function errorsPage(): string {
  const refusals = requestCodes.map((code) => `| \`${code}\` | ${answers[code].status} | ${answers[code].detail} |`)
  const failures = Object.entries(outcomes)
    .filter(([, { onlyRequests }]) => !onlyRequests)
    .map(([code, { action, message }]) => `| \`${code}\` | ${action === 'park' ? 'no' : 'yes'} | ${message} |`)
  return [
    '# Error codes',
    '',
    'Codes are stable; texts are not.',
    '',
    '## Refused requests',
    '',
    'Every refusal is `application/problem+json` with `{type, title, status, detail, code, request_id}`.',
    '',
    '| code | status | what it says |',
    '|---|---|---|',
    ...refusals,
    '',
    '## Failed media',
    '',
    'The `error` of a record whose status is `failed`. What is tried again is tried `WORKER_MAX_ATTEMPTS` times before.',
    '',
    '| code | tried again by itself | what it says |',
    '|---|---|---|',
    ...failures,
    '',
  ].join('\n')
}

function between(text: string, name: string, content: string): string {
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const start = text.indexOf(open)
  const end = text.indexOf(close)
  if (start < 0 || end < start) throw new Error(`README.md has no ${open} … ${close}`)
  return `${text.slice(0, start + open.length)}\n${content}\n${text.slice(end)}`
}

/** Paths that differ from what would be generated; written unless `check`. */
export function buildDocs({ check }: { check: boolean }): string[] {
  const readme = join(root, 'README.md')
  const pages: [string, string][] = [
    [readme, between(readFileSync(readme, 'utf8'), 'settings', settingsTable())],
    [join(root, 'docs', 'errors.md'), errorsPage()],
    [join(root, 'docs', 'cli.md'), helpPage()],
  ]
  const stale = pages.filter(([path, text]) => readOrNothing(path) !== text)
  if (!check) for (const [path, text] of stale) writeFileSync(path, text)
  return stale.map(([path]) => path)
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

if (import.meta.main) {
  const stale = buildDocs({ check: false })
  process.stdout.write(stale.length > 0 ? `rebuilt ${stale.join(', ')}\n` : 'nothing to rebuild\n')
}
