import { inspect } from 'node:util'
import { checkAftermath } from './checks.ts'
import { runScenario } from './scenario.ts'

/** A process that runs the seeds of its arguments, and says what became of each: under the test runner's eye they take twice as long. */

export interface Outcome {
  seed: number
  /** What was not as it must be; null when all was. */
  failure: string | null
}

async function outcomeOf(seed: number): Promise<Outcome> {
  try {
    await checkAftermath(await runScenario(seed))
    return { seed, failure: null }
  } catch (error) {
    return { seed, failure: inspect(error) }
  }
}

for (const seed of process.argv.slice(2)) process.send?.(await outcomeOf(Number(seed)))
