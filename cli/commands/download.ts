import { stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { MediaClient } from '../../client/src/client.ts'
import { openBoard } from '../board.ts'
import { type Command, type Given, textOf } from '../command.ts'
import { connect } from '../connection.ts'
import { fetchInto } from '../download/fetch.ts'
import { openFileSink, openPipeSink } from '../download/sink.ts'
import { forEachMedia } from '../each.ts'
import { CliError } from '../errors.ts'
import { wholeOf } from '../parse.ts'
import { bytesText, plain } from '../screen.ts'

export const download: Command = {
  name: 'download',
  summary: 'Downloads what was made of media.',
  details: [
    'A broken download goes on where it ended: by itself for a minute, later when the same command is run again. ' +
      'Streams (hls) are many files: --address gives theirs to a player.',
  ],
  takes: { words: 'MEDIA_ID…', min: 1, max: Number.POSITIVE_INFINITY },
  options: {
    rendition: {
      type: 'string',
      short: 'r',
      value: 'NAME',
      summary: 'Which of what `media show` lists; the main one when not given.',
    },
    output: {
      type: 'string',
      short: 'o',
      value: 'PATH',
      summary: 'File, or folder, to write to; - is standard output.',
      default: "the file's own name",
    },
    force: { type: 'boolean', short: 'f', summary: 'Writes over a file that is there.' },
    address: { type: 'boolean', summary: 'Prints a signed address instead, which needs no token until it expires.' },
    'expires-in': { type: 'string', value: 'SECONDS', summary: 'How long that address lives.' },
  },
  calls: true,
  examples: [
    ['media download $MEDIA_ID', 'as the file that was uploaded is named'],
    ['media download $MEDIA_ID -r thumbnail -o thumbnail.jpg', 'its picture'],
    ['media download $MEDIA_ID -r hls --address', 'for a player'],
  ],
  run: async (given) => {
    const { args, options } = given
    const client = connect(given)
    const path = textOf(options, 'output')
    const folder = path !== undefined && path !== '-' && (await isFolder(path))
    if (args.length > 1 && path !== undefined && !folder && !options['address']) {
      throw new CliError(`Several media do not go into one file; ${plain(path)} is no folder.`)
    }
    return await forEachMedia(given, async (media_id) => {
      if (options['address']) await printAddress(given, client, media_id)
      else await save(given, client, { media_id, path, folder })
    })
  },
}

async function printAddress({ options, screen, signal }: Given, client: MediaClient, media_id: string): Promise<void> {
  const expires_in = wholeOf(options, 'expires-in', { min: 1, max: 604_800 })
  const found = await client.downloadUrl(
    media_id,
    { ...renditionOf(options), ...(expires_in && { expires_in }) },
    { signal },
  )
  screen.value({ media_id, ...found })
  screen.line(found.url)
}

interface Target {
  media_id: string
  path: string | undefined
  folder: boolean
}

async function save(given: Given, client: MediaClient, { media_id, path, folder }: Target): Promise<void> {
  const { options, screen, signal } = given
  const rendition = renditionOf(options)
  if (rendition.rendition === 'hls') {
    throw new CliError('A stream is many files, not one.', {
      hint: `Its address for a player: media download ${media_id} -r hls --address`,
    })
  }
  const address = async () =>
    await client.downloadUrl(media_id, { ...rendition, disposition: 'attachment' }, { signal })
  const first = await address()
  const file = path === undefined || folder ? join(path ?? '.', fileName(first.filename, media_id)) : path
  const sink =
    path === '-'
      ? openPipeSink(screen.out)
      : await openFileSink(file, { url: first.url, force: options['force'] === true })
  const board = openBoard(screen)
  try {
    const bar = board.bar(basename(file), first.file_size ?? 0)
    const bytes = await fetchInto(sink, { first, address, signal, onProgress: (done) => bar.update(done) })
    const written = path === '-' ? path : await sink.finish()
    board.close()
    if (path === '-') return
    screen.value({ media_id, file: written, file_size: bytes })
    screen.line(`${plain(written)}  ${bytesText(bytes)}`)
  } finally {
    board.close()
    await sink.close()
  }
}

function renditionOf(options: Given['options']): { rendition?: string } {
  const rendition = textOf(options, 'rendition')
  return rendition === undefined ? {} : { rendition }
}

/** What the service names it, as a file of this folder and no other. */
function fileName(given: string, media_id: string): string {
  const name = basename(given.replace(/[\p{Cc}\\]/gu, '_')).replace(/^\.+/, '')
  return name || media_id
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}
