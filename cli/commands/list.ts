import type { Media } from '../../client/src/contract.ts'
import { type Command, textOf, type Values } from '../command.ts'
import { connect } from '../connection.ts'
import { exitCodes } from '../exit-codes.ts'
import { wholeOf } from '../parse.ts'
import { dateText, paintStatus, statusText } from '../records.ts'
import { bytesText, plain, type Screen, tableText } from '../screen.ts'

const usualLimit = 20
const largestPage = 100
const heads = ['MEDIA_ID', 'STATUS', 'TYPE', 'SIZE', 'UPLOADED', 'TITLE']

export const list: Command = {
  name: 'list',
  summary: 'Lists your media, newest first.',
  takes: { words: '', min: 0, max: 0 },
  options: {
    status: {
      type: 'string',
      value: 'STATUS',
      summary: 'Only those of this status.',
      choices: ['uploading', 'uploaded', 'processing', 'processed', 'failed'],
    },
    type: { type: 'string', value: 'TYPE', summary: 'Only media of this kind.', choices: ['image', 'video', 'audio'] },
    search: {
      type: 'string',
      short: 's',
      value: 'TEXT',
      summary: 'Only those whose title contains it, whatever the case.',
    },
    limit: { type: 'string', short: 'n', value: 'NUMBER', summary: 'So many, at most.', default: String(usualLimit) },
    all: { type: 'boolean', short: 'a', summary: 'All of them.' },
  },
  calls: true,
  examples: [
    ['media list --type video --search alps', 'the newest films of the Alps'],
    ['media list --status failed --all --json', 'every failed media, a record a line'],
  ],
  run: async (given) => {
    const { options, screen, signal } = given
    const media = connect(given)
    const limit = wholeOf(options, 'limit', { min: 1, max: 1_000_000 }) ?? usualLimit
    const wanted = options['all'] ? Number.POSITIVE_INFINITY : limit
    const query = { ...queryOf(options), limit: Math.min(wanted, largestPage) }
    const table = openTable(screen)
    let count = 0
    for await (const one of media.listAll(query, { signal })) {
      screen.value(one)
      table.add(one)
      if (++count >= wanted) break
    }
    table.end()
    if (count === 0) screen.note('There are none.')
    else if (count === wanted) screen.note(`The newest ${count}; \`--all\` or a larger \`--limit\` shows more.`)
    return exitCodes.done
  },
}

function queryOf(options: Values): object {
  const { status, type: media_type } = options
  return { status, media_type, q: textOf(options, 'search') }
}

/** Rows are written a page at a time, under one head: memory stays flat however many there are. */
function openTable(screen: Screen) {
  let rows: Media[] = []
  let headed = false

  function write(): void {
    const cells = rows.map(cellsOf)
    const lines = tableText([heads, ...cells], screen.out.isTTY ? screen.out.columns : undefined)
    if (!headed) screen.line(screen.paint('bold', lines[0] ?? ''))
    headed = true
    for (const [at, media] of rows.entries()) {
      const said = statusText(media)
      screen.line((lines[at + 1] ?? '').replace(said, paintStatus(screen, media.status, said)))
    }
    rows = []
  }

  return {
    add: (media: Media) => {
      if (screen.json) return
      rows.push(media)
      if (rows.length >= largestPage) write()
    },
    end: () => {
      if (rows.length > 0) write()
    },
  }
}

function cellsOf(media: Media): string[] {
  const { media_id, media_type, file_size, upload_time, title } = media
  return [
    media_id,
    statusText(media).padEnd(10),
    media_type ?? '–',
    bytesText(file_size).padStart(8),
    dateText(upload_time),
    plain(title),
  ]
}
