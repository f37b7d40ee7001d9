import { openBoard } from '../board.ts'
import { type Command, type Given, textOf } from '../command.ts'
import { connect, urlOf } from '../connection.ts'
import { CliError, explain, Interrupted } from '../errors.ts'
import { exitCodes } from '../exit-codes.ts'
import { wholeOf } from '../parse.ts'
import { paintStatus } from '../records.ts'
import { plain } from '../screen.ts'
import { findFiles } from '../upload/files.ts'
import { openJournal, stateFolder } from '../upload/journal.ts'
import { openRate } from '../upload/rate.ts'
import { type Result, sendAll } from '../upload/run.ts'

const usualParallel = 4

export const upload: Command = {
  name: 'upload',
  summary: 'Uploads files, of any size and number.',
  details: [
    'Several go at once, large ones in parts; broken connections and restarts are waited out. What is refused leaves the others alone, ' +
      'and is named at the end.',
    'Ended by Ctrl-C or anything else, the same command goes on where it was, within a day: what is uploaded already is not sent again.',
  ],
  takes: { words: 'FILE…', min: 1, max: Number.POSITIVE_INFINITY, completes: 'files' },
  options: {
    recursive: {
      type: 'boolean',
      short: 'r',
      summary: 'Takes the files of folders, and of those below; hidden ones are left out.',
    },
    watch: { type: 'boolean', short: 'w', summary: 'Follows processing to the end; what fails then counts as failed.' },
    title: { type: 'string', short: 't', value: 'TITLE', summary: 'Of the one file.', default: "the file's name" },
    profile: {
      type: 'string',
      short: 'p',
      value: 'NAME',
      summary: "How they are to be made: one of the operator's profiles.",
    },
    parallel: {
      type: 'string',
      value: 'NUMBER',
      summary: 'Files on their way at once.',
      default: String(usualParallel),
    },
    anew: { type: 'boolean', summary: 'Sends everything, and does not go on with a run before.' },
  },
  calls: true,
  examples: [
    ['media upload clip.mp4 --watch', 'and says when it can be played'],
    ['media upload -r ~/Pictures', 'a folder'],
    ['media upload talk.wav --profile podcast', "made as the operator's profile says"],
    ['media upload *.mov --json | jq -r .media_id', 'for a script'],
  ],
  run: async (given) => {
    const { args, options } = given
    const [title, profile] = [textOf(options, 'title'), textOf(options, 'profile')]
    const parallel = wholeOf(options, 'parallel', { min: 1, max: 64 }) ?? usualParallel
    const files = await findFiles(args, { recursive: options['recursive'] === true })
    if (files.length === 0) throw new CliError('There is no file in it.', { exit: exitCodes.notFound })
    if (title !== undefined && files.length > 1) {
      throw new CliError(`--title is for one file; these are ${files.length}.`, {
        hint: 'Each gets its name as title.',
      })
    }
    return await send(given, { files, title, profile, parallel })
  },
}

interface Plan {
  files: Awaited<ReturnType<typeof findFiles>>
  title: string | undefined
  profile: string | undefined
  parallel: number
}

async function send(given: Given, { files, title, profile, parallel }: Plan): Promise<number> {
  const { options, env, screen, signal } = given
  const url = urlOf(options, env)
  const client = connect(given)
  // Uploads wait out a service that is away: whether there is one is asked first.
  await client.list({ limit: 1 }, { signal })
  const folder = stateFolder(env)
  const named = profile === undefined ? [] : [`profile ${profile}`]
  const journal = await openJournal(folder, [url, title ?? '', ...named], Date.now())
  const forgetAll = async () => {
    for (const file of files) await journal.forget(file)
  }
  if (options['anew']) await forgetAll()
  const tally: Tally = { all: files.length, done: 0, failed: [] }
  const rate = openRate(files.reduce((sum, { size }) => sum + size, 0))
  const words = () => `${tally.done + tally.failed.length} of ${files.length} files  ${rate.text()}`
  const board = openBoard(screen, words)
  const onResult = (result: Result) => {
    if (isDone(result)) tally.done += 1
    else tally.failed.push(`${plain(result.file.path)}: ${plain(reasonOf(result, url).message)}`)
    writeResult(given, result, board.print)
  }
  const run = { client, files, title, profile, parallel, journal, board, signal, onResult, stateFolder: folder }
  try {
    await sendAll({ ...run, watch: options['watch'] === true, onSent: rate.add })
  } catch (error) {
    board.close()
    throw goOn(error, tally, url)
  } finally {
    board.close()
  }
  if (tally.failed.length === 0) await forgetAll()
  summarize(given, tally)
  return tally.failed.length > 0 ? exitCodes.failed : exitCodes.done
}

/** What became of the files: of those that are done only how many, for there may be very many. */
interface Tally {
  all: number
  done: number
  failed: string[]
}

function isDone({ error, media }: Result): boolean {
  return error === null && media !== null && media.status !== 'failed' && media.status !== 'deleted'
}

/** Why it ended early, and how to go on. */
function goOn(error: unknown, { done, all }: Tally, url: string): unknown {
  const words = `${done} of ${all} ${all === 1 ? 'file is' : 'files are'} done`
  const hint = `${words}. Run the same command again to go on from there.`
  const { message, code, exit, hint: own } = explain(error, url)
  return new CliError(error instanceof Interrupted ? 'Stopped.' : message, {
    code,
    exit,
    hint: own ? `${own}\n${hint}` : hint,
  })
}

function writeResult({ screen, options, env }: Given, result: Result, print: (text: string) => void): void {
  const { file, media, again } = result
  const path = plain(file.path)
  if (media && isDone(result)) {
    screen.value({ file: file.path, media_id: media.media_id, status: media.status, resumed: again, media })
    const line = `${media.media_id}  ${paintStatus(screen, media.status, media.status.padEnd(10))}  ${path}${again ? '  (uploaded before)' : ''}`
    return screen.err.isTTY && screen.out.isTTY ? print(line) : screen.line(line)
  }
  const { code, message } = reasonOf(result, urlOf(options, env))
  screen.value({
    file: file.path,
    media_id: media?.media_id ?? null,
    status: 'failed',
    error: { code, message },
    media,
  })
  if (!screen.json) print(`${screen.paintNote('red', 'failed')}  ${path}: ${plain(message)}`)
}

function reasonOf({ error, media }: Result, url: string): { code: string; message: string } {
  if (error instanceof Error) return explain(error, url)
  return (
    (error as { code: string; message: string } | null) ??
    media?.error ?? { code: 'deleted', message: 'It was removed meanwhile.' }
  )
}

function summarize({ screen, options }: Given, { done, failed }: Tally): void {
  const verb = options['watch'] ? 'processed' : 'uploaded'
  const all = done + failed.length
  if (all > 1) screen.note(`${done} of ${all} files ${verb}.`)
  if (failed.length === 0 || all === 1) return
  screen.note(`${failed.length} failed:`)
  for (const line of failed) screen.note(`  ${line}`)
}
