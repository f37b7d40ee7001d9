import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { checkAftermath } from './checks.ts'
import { runScenario } from './scenario.ts'
import type { Outcome } from './seeds.ts'

/** `SIMULATION_SEEDS=1000` runs that many, `SIMULATION_FIRST=501` only those from there on; `SIMULATION_SEED=42` replays one. */
const only = process.env.SIMULATION_SEED
const first = Number(process.env.SIMULATION_FIRST ?? 1)
const last = Number(process.env.SIMULATION_SEEDS ?? 100)

describe('simulation', () => {
  if (only !== undefined) {
    // Here, where a debugger can follow it.
    test(`seed ${only}`, async () => await checkAftermath(await runScenario(Number(only))))
    return
  }
  const seeds = Array.from({ length: last - first + 1 }, (_, at) => first + at)
  const outcomes = runSeeds(seeds)
  for (const seed of seeds) {
    test(`seed ${seed}`, async () => {
      const failure = await outcomes.get(seed)
      assert.ok(failure === null, `SIMULATION_SEED=${seed} replays it:\n${failure}`)
    })
  }
})

/** On all processors: of each seed, what was wrong. */
function runSeeds(seeds: readonly number[]): Map<number, Promise<string | null>> {
  const promises = new Map(seeds.map((seed) => [seed, Promise.withResolvers<string | null>()]))
  const processes = availableParallelism()
  for (let nth = 0; nth < processes; nth++) {
    const own = seeds.filter((_, at) => at % processes === nth).map(String)
    const child = fork(join(import.meta.dirname, 'seeds.ts'), own)
    child.on('message', ({ seed, failure }: Outcome) => promises.get(seed)?.resolve(failure))
    child.once('close', (code, signal) => {
      for (const seed of own) promises.get(Number(seed))?.resolve(`its process ended before it: ${code ?? signal}`)
    })
  }
  return new Map([...promises].map(([seed, { promise }]) => [seed, promise]))
}
