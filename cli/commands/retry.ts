import type { Command } from '../command.ts'
import { connect } from '../connection.ts'
import { forEachMedia } from '../each.ts'
import { exitCodes } from '../exit-codes.ts'
import { plain } from '../screen.ts'
import { followAll } from './events.ts'

export const retry: Command = {
  name: 'retry',
  summary: 'Processes failed media again.',
  takes: { words: 'MEDIA_ID…', min: 1, max: Number.POSITIVE_INFINITY },
  options: { watch: { type: 'boolean', short: 'w', summary: 'Follows them to the end.' } },
  calls: true,
  examples: [['media retry $MEDIA_ID --watch', 'and says how it ends']],
  run: async (given) => {
    const { options, screen, signal } = given
    const client = connect(given)
    const begun: string[] = []
    const exit = await forEachMedia(given, async (media_id) => {
      const media = await client.retry(media_id, { signal })
      begun.push(media_id)
      if (options['watch']) return
      screen.value(media)
      screen.line(`${media_id}  ${media.status}  ${plain(media.title)}`)
    })
    if (!options['watch']) return exit
    const ended = await followAll(client, begun, { screen, signal })
    return exit === exitCodes.done ? ended : exit
  },
}
