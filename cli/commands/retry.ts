import type { Command } from '../command.ts'
import { connect } from '../connection.ts'
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
    const { args, options, screen, signal } = given
    const client = connect(given)
    for (const media_id of args) {
      const media = await client.retry(media_id, { signal })
      if (options['watch']) continue
      screen.value(media)
      screen.line(`${media_id}  ${media.status}  ${plain(media.title)}`)
    }
    return options['watch'] ? await followAll(client, args, { screen, signal }) : exitCodes.done
  },
}
