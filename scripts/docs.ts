import { readFileSync, writeFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { helpPage } from '../cli/help.ts'
import { rooms } from '../src/config.ts'
import { answers, requestCodes } from '../src/http/errors.ts'
import type { Setting } from '../src/media/setting.ts'
import { builtInProfiles } from '../src/processing/profiles.ts'
import { fileSchema, listFields } from '../src/processing/profiles-schema.ts'
import { outcomes } from '../src/worker/outcomes.ts'

/** Rebuilds what is generated: docs/settings.md, docs/errors.md, docs/cli.md, docs/profiles.md, llms.txt. With `--check` only compares. */

const root = join(import.meta.dirname, '..')

/** Above each table: what the room is to an operator, and where more of it is said. */
const chapters: Record<keyof typeof rooms, { title: string; about?: string }> = {
  service: { title: 'Data and log' },
  http: { title: 'The API: address, identity, HTTPS', about: 'Who may call: [identity.md](identity.md).' },
  uploads: { title: 'Uploads', about: 'Ways in: [uploads.md](uploads.md).' },
  objects: { title: 'Objects', about: 'Which engine, and what it needs: [engines.md](engines.md).' },
  metadata: { title: 'Metadata' },
  queue: { title: 'Queue' },
  worker: { title: 'Workers' },
  quotas: { title: 'Quotas', about: 'How they are counted: [operating.md](operating.md#what-one-user-may-have).' },
  processing: {
    title: 'Processing',
    about: 'What comes out: [renditions.md](renditions.md), [profiles.md](profiles.md).',
  },
  delivery: {
    title: 'Delivery',
    about: 'How it works: [delivery.md](delivery.md); new keys: [key-rotation.md](key-rotation.md).',
  },
  notices: { title: 'Webhooks', about: 'The file and what is sent: [webhooks.md](webhooks.md).' },
  tracing: { title: 'Traces', about: 'What they tell: [operating.md](operating.md#traces).' },
}

function settingsPage(): string {
  const tables = Object.entries(chapters).flatMap(([room, { title, about }]) => {
    const settings: Setting<unknown>[] = Object.values(rooms[room as keyof typeof rooms])
    const lines = settings.map(
      (setting) => `| \`${setting.variable}\` | ${setting.takes} | ${shownDefault(setting)} | ${setting.summary} |`,
    )
    const head = ['| variable | takes | default | what it does |', '|---|---|---|---|']
    return [`## ${title}`, '', ...(about ? [about, ''] : []), ...head, ...lines, '']
  })
  const intro =
    'All settings are environment variables. A wrong value is refused at start with what the variable takes; `npx media doctor` checks them all.'
  return ['# Settings', '', intro, '', ...tables].join('\n')
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

export const profilesExample = `{
  "$schema": "./profiles.schema.json",
  "default": {
    "image": { "widths": [480, 960, 1920] }
  },
  "podcast": {
    "audio": { "aac": { "bitrate": 96000 }, "opus": { "bitrate": 64000 } }
  },
  "draft": {
    "video": {
      "rungs": [{ "name": "720p", "width": 1280, "height": 720, "crf": 28, "max_bitrate": 1500000 }],
      "hls": false,
      "storyboard": false
    },
    "image": { "avif": null }
  }
}`

/** What media are made by when nobody says otherwise, at a path; a list of objects is not told. */
function ownValue(path: string): string {
  const value = path
    .split('.')
    .reduce((at: unknown, key) => (at as Record<string, unknown> | null)?.[key], builtInProfiles.find(null))
  if (value === undefined) return ''
  if (Array.isArray(value) && typeof value[0] === 'object') return `\`${value.map(({ name }) => name).join(' ')}\``
  return `\`${JSON.stringify(value)}\``
}

/** As the formatter would have it: lists of words in a line. */
function schemaText(): string {
  const words = /\[\s+("[^"]*"(?:,\s+"[^"]*")*)\s+\]/g
  const inLine = (_: string, list: string) => `[${list.replace(/,\s+/g, ', ')}]`
  return `${JSON.stringify(fileSchema, null, 2).replace(words, inLine)}\n`
}

function profilesPage(): string {
  const rows = listFields().map(
    ({ path, takes, description }) => `| \`${path}\` | ${takes} | ${ownValue(path)} | ${description} |`,
  )
  return [
    '# Profiles',
    '',
    '`PROFILES_FILE` names a JSON file of profiles: what media become, by names that uploads may say.',
    '',
    '```json',
    profilesExample,
    '```',
    '',
    'What a profile does not say it has of `default`; what `default` does not say is as in the table. Lists are replaced as a whole. A name is',
    '1–40 of `a-z`, `0-9`, `-` and `_`, a letter first. The file is read at the start: one that is wrong ends it, and says where. `profiles.schema.json`',
    'beside this page is its JSON Schema, for editors. Processes that take uploads and processes that make media read the same file.',
    '',
    'An upload names one as `profile`: a field of the form, a key of the JSON of `init`, a query parameter of the raw door and of resumable uploads, a key of',
    'tus’ `Upload-Metadata` and of Uppy’s `meta`. Without it there is the default. One that is not offered is refused with 422 `unknown_profile`, before the',
    'bytes are taken where the name comes first. The record tells it as `profile`, and a retry uses it again. If the file has no such profile any more by',
    'then, the default is taken, with the warning `profile_missing`.',
    '',
    '| field | takes | ours | what it is |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}

/** https://llmstxt.org: what it is, and where more is, made of the README's first words and the index. */
function llmsText(): string {
  const [, summary = ''] = readFileSync(join(root, 'README.md'), 'utf8').split('\n\n')
  const index = readFileSync(join(root, 'docs', 'README.md'), 'utf8')
  const chapters = index.slice(index.indexOf('\n## ')).trim()
  const links = chapters.replaceAll(/\]\((?!\/)([^)]+)\)/g, (_, path) => `](${posix.join('docs', path)})`)
  return ['# Media Service', '', `> ${summary.replaceAll('\n', ' ')}`, '', links, ''].join('\n')
}

/** Paths that differ from what would be generated; written unless `check`. */
export function buildDocs({ check }: { check: boolean }): string[] {
  const pages: [string, string][] = [
    [join(root, 'docs', 'settings.md'), settingsPage()],
    [join(root, 'docs', 'errors.md'), errorsPage()],
    [join(root, 'llms.txt'), llmsText()],
    [join(root, 'docs', 'cli.md'), helpPage()],
    [join(root, 'docs', 'profiles.md'), profilesPage()],
    [join(root, 'docs', 'profiles.schema.json'), schemaText()],
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
