import type { Given } from './command.ts'
import { urlOf } from './connection.ts'
import { explain } from './errors.ts'
import { exitCodes } from './exit-codes.ts'
import { plain } from './screen.ts'

/** What stands in the way of all, not of one. */
const ofAll: readonly number[] = [
  exitCodes.usage,
  exitCodes.unreachable,
  exitCodes.refused,
  exitCodes.interrupted,
  exitCodes.terminated,
]

/**
 * Does something with each media that was named; one that fails leaves the others alone, and is told of.
 * @returns the exit code: of what failed, when all of it failed alike
 * @throws what the only one fails with, or all would
 */
export async function forEachMedia(
  { args, screen, options, env }: Given,
  work: (media_id: string) => Promise<void>,
): Promise<number> {
  const failures = new Set<number>()
  for (const media_id of args) {
    try {
      await work(media_id)
    } catch (error) {
      const { exit, ...explained } = explain(error, urlOf(options, env))
      if (args.length === 1 || ofAll.includes(exit)) throw error
      failures.add(exit)
      if (screen.json) screen.err.write(`${JSON.stringify({ error: { media_id, ...explained } })}\n`)
      else screen.note(`${screen.paintNote('red', 'media:')} ${plain(`${media_id}: ${explained.message}`)}`)
    }
  }
  if (failures.size === 0) return exitCodes.done
  const [first = exitCodes.failed] = failures
  return failures.size === 1 ? first : exitCodes.failed
}
