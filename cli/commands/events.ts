import type { MediaClient } from '../../client/src/client.ts'
import type { Media } from '../../client/src/contract.ts'
import type { Command } from '../command.ts'
import { connect } from '../connection.ts'
import { exitCodes } from '../exit-codes.ts'
import { eachOf, follow } from '../follow.ts'
import { paintStatus, statusText } from '../records.ts'
import { plain, type Screen } from '../screen.ts'

/** Each holds a connection. */
const atOnce = 16

export const events: Command = {
  name: 'events',
  summary: 'Follows media as they are processed, to the end of each.',
  details: [
    'Without MEDIA_ID it follows all of yours that are under way now. A line is written at each change; with --json it is the record. ' +
      'A broken connection is opened again. It ends with 1 when one of them failed.',
  ],
  takes: { words: '[MEDIA_ID…]', min: 0, max: Number.POSITIVE_INFINITY },
  options: {},
  calls: true,
  examples: [
    ['media events', 'whatever is being processed'],
    ['media events $MEDIA_ID --json | jq .progress', 'how far one is'],
  ],
  run: async (given) => {
    const { args, screen, signal } = given
    const client = connect(given)
    const ids = args.length > 0 ? args : await idsUnderWay(client, signal)
    if (ids.length === 0) screen.note('Nothing is under way.')
    return await followAll(client, ids, { screen, signal })
  },
}

/** @returns the exit code: whether each was processed */
export async function followAll(
  client: MediaClient,
  ids: readonly string[],
  { screen, signal }: { screen: Screen; signal: AbortSignal },
): Promise<number> {
  let failed = false
  await eachOf(ids, atOnce, async (media_id) => {
    const last = await follow(client, media_id, { signal, onChange: (media) => writeChange(screen, media) })
    failed ||= last.status !== 'processed'
  })
  return failed ? exitCodes.failed : exitCodes.done
}

async function idsUnderWay(client: MediaClient, signal: AbortSignal): Promise<string[]> {
  const ids: string[] = []
  for (const status of ['processing', 'uploaded'] as const) {
    for await (const { media_id } of client.listAll({ status, limit: 100 }, { signal })) ids.push(media_id)
  }
  return [...new Set(ids)]
}

function writeChange(screen: Screen, media: Media): void {
  screen.value(media)
  const why = media.error ? `  ${plain(media.error.message)}` : ''
  screen.line(`${media.media_id}  ${paintStatus(screen, media.status, statusText(media))}  ${plain(media.title)}${why}`)
}
