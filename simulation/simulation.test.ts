import { describe, test } from 'node:test'
import { checkAftermath } from './checks.ts'
import { runScenario } from './scenario.ts'

/** `SIMULATION_SEEDS=1000` runs that many; `SIMULATION_SEED=42` replays one. */
const only = process.env.SIMULATION_SEED
const count = Number(process.env.SIMULATION_SEEDS ?? 100)
const seeds = only === undefined ? Array.from({ length: count }, (_, index) => index + 1) : [Number(only)]

describe('simulation', () => {
  for (const seed of seeds) {
    test(`seed ${seed}`, async () => {
      await checkAftermath(await runScenario(seed))
    })
  }
})
