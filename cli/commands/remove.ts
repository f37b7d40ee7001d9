import { createInterface } from 'node:readline/promises'
import type { MediaClient } from '../../client/src/client.ts'
import { type Command, type Given } from '../command.ts'
import { connect, urlOf } from '../connection.ts'
import { forEachMedia } from '../each.ts'
import { CliError, explain } from '../errors.ts'
import { exitCodes } from '../exit-codes.ts'
import { plain } from '../screen.ts'

export const remove: Command = {
  name: 'remove',
  summary: 'Removes media with all their files, for good.',
  details: ['Asks before, at a terminal; elsewhere it wants --yes. What is removed already counts as done.'],
  takes: { words: 'MEDIA_ID…', min: 1, max: Number.POSITIVE_INFINITY },
  options: { yes: { type: 'boolean', short: 'y', summary: 'Does not ask.' } },
  calls: true,
  examples: [
    ['media remove $MEDIA_ID', 'shows what it is, and asks'],
    ['media list --status failed --all --json | jq -r .media_id | xargs media remove --yes', 'all that failed'],
  ],
  run: async (given) => {
    const { screen, signal, options } = given
    const client = connect(given)
    if (!options['yes'] && !(await isWanted(given, client))) {
      screen.note('Nothing was removed.')
      return exitCodes.failed
    }
    return await forEachMedia(given, async (media_id) => {
      await client.remove(media_id, { signal })
      screen.value({ media_id, status: 'deleted' })
      screen.line(`removed ${plain(media_id)}`)
    })
  },
}

/** @throws CliError where nobody can be asked */
async function isWanted({ args, screen, signal, options, env }: Given, client: MediaClient): Promise<boolean> {
  const canAsk = process.stdin.isTTY && screen.err.isTTY && !screen.json
  if (!canAsk)
    throw new CliError('Nobody can be asked here whether to remove.', { hint: 'Say --yes to remove without asking.' })
  for (const media_id of args) {
    const { title, status } = await client.get(media_id, { signal }).catch((error) => {
      if (signal.aborted) throw error
      return { title: explain(error, urlOf(options, env)).message, status: '' }
    })
    screen.note(`${plain(media_id)}  ${status}  ${plain(title)}`)
  }
  const asking = createInterface({ input: process.stdin, output: screen.err })
  try {
    const what = args.length === 1 ? 'it' : `these ${args.length}`
    const answer = await asking.question(`Remove ${what} with all files? [y/N] `, { signal })
    return /^y(es)?$/i.test(answer.trim())
  } catch (error) {
    throw signal.aborted ? signal.reason : error
  } finally {
    asking.close()
  }
}
