import { describe, test } from 'node:test'
import { checkAftermath } from './checks.ts'
import { runScenario } from './scenario.ts'

/** `SIMULATION_SEEDS=1000` runs that many, `SIMULATION_FIRST=501` of them those from there on; `SIMULATION_SEED=42` replays one. */
const only = process.env.SIMULATION_SEED
const first = Number(process.env.SIMULATION_FIRST ?? 1)
const last = Number(process.env.SIMULATION_SEEDS ?? 100)
const seeds = only === undefined ? Array.from({ length: last - first + 1 }, (_, at) => first + at) : [Number(only)]

describe('simulation', () => {
  for (const seed of seeds) {
    test(`seed ${seed}`, async () => {
      await checkAftermath(await runScenario(seed))
    })
  }
})
