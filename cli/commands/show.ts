import type { Media } from '../../client/src/contract.ts'
import type { Command } from '../command.ts'
import { connect } from '../connection.ts'
import { forEachMedia } from '../each.ts'
import { paintStatus, recordLines, renditionRow } from '../records.ts'
import { pad, type Screen, tableText } from '../screen.ts'

export const show: Command = {
  name: 'show',
  summary: 'Shows what the service knows of media, and what there is to download.',
  takes: { words: 'MEDIA_ID…', min: 1, max: Number.POSITIVE_INFINITY },
  options: {},
  calls: true,
  examples: [['media show $MEDIA_ID --json', 'the record, as the API gives it']],
  run: async (given) => {
    const { screen, signal } = given
    const client = connect(given)
    let shown = 0
    return await forEachMedia(given, async (media_id) => {
      const media = await client.get(media_id, { signal })
      screen.value(media)
      if (shown++ > 0) screen.line('')
      writeRecord(screen, media)
    })
  },
}

function writeRecord(screen: Screen, media: Media): void {
  for (const [name, value] of recordLines(media)) {
    const shown = name === 'status' ? paintStatus(screen, media.status, value) : value
    screen.line(`${screen.paint('dim', pad(name, 10))} ${shown}`)
  }
  if (media.renditions.length === 0) return
  const [head = '', ...rows] = tableText([
    ['RENDITION', 'TYPE', 'SIZE', 'PICTURE', 'RATE'],
    ...media.renditions.map(renditionRow),
  ])
  screen.line('')
  screen.line(screen.paint('bold', head))
  for (const row of rows) screen.line(row)
}
