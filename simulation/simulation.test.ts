import { describe, test } from 'node:test'
import { systemClock } from '../src/media/clock.ts'
import { describeObjects } from '../src/objects/conformance.ts'
import { checkAftermath } from './checks.ts'
import { openMemoryObjects } from './objects.ts'
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
